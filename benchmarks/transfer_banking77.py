"""Do soft labels transfer more than hard ones? MiniLM on BANKING77 from a teacher's labels or its probabilities.

`python benchmarks/transfer_banking77.py DATA [--sizes 500 1000 2500] [--passes 6000] [--out DIR]`, DATA being a folder
with train.jsonl and heldout.jsonl (`input`, `gold`). The teacher is a TF-IDF logistic regression fitted on 7,500 gold
rows; the students learn from its answers on other rows and never see gold. All arms see the same rows in the same
order for as many steps, and are judged on the same official test rows, so their difference is a paired one.
Answers are kept under --out: a second call goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.statistics.proportions import wilson_interval
from distill.statistics.tango import tango_interval
from distill.students import get_student
from distill.students.config import LoraConfig, ObjectiveConfig, StudentConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

TEACHER_ROWS, SEED = 7_500, 7
ARMS = {
    "hard": ObjectiveConfig(hard=1.0, soft=0.0),
    "soft": ObjectiveConfig(hard=0.0, soft=1.0, temperature=1.0),
    "mixed": ObjectiveConfig(hard=0.5, soft=0.5, temperature=2.0),
}


def read_rows(path: Path) -> list[tuple[str, str, str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["id"], row["input"], row["gold"]) for row in rows]


def fit_teacher(rows: list[tuple[str, str, str]]):
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=100_000)
    teacher = make_pipeline(make_union(words, characters), LogisticRegression(C=10.0, max_iter=1000))
    return teacher.fit([text for _, text, _ in rows], [gold for *_, gold in rows])


def teach(rows, probabilities, labels, objective, epochs, test) -> list[str]:
    lessons = [
        TrainingRow(i, Prompt(i, text), labels[int(p.argmax())], label_probs=tuple(float(v) for v in p / p.sum()))
        for (i, text, _), p in zip(rows, probabilities, strict=True)
    ]
    config = StudentConfig(
        kind="classifier",
        base="sentence-transformers/all-MiniLM-L6-v2",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        lora=LoraConfig(dropout=0.0),
        objective=objective,
        epochs=epochs,
        batch_tokens=1024,
        max_length_tokens=96,
        overlong="truncate",
        seed=SEED,
    )
    task = TaskConfig(output="label", labels=labels, user="{{ text }}")
    runtime = RuntimeConfig(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        student, out = get_student("classifier"), Path(folder) / "student"
        student.train(Lessons(lessons, ()), task, config, runtime, out, Path(folder) / "work")
        answers = student.load(out, runtime).predict([Prompt(i, text) for i, text, _ in test])
    return [answer.text for answer in answers]


def show(sizes, answers: dict[str, list[str]], gold: list[str]) -> None:
    n = len(gold)
    right = {name: [a == g for a, g in zip(given, gold, strict=True)] for name, given in answers.items()}
    for name, marks in right.items():
        low, high = wilson_interval(sum(marks), n)
        print(f"{name:12s} {sum(marks) / n:.4f} [{low:.4f}, {high:.4f}]")
    for size in sizes:
        for arm in ("soft", "mixed"):
            pairs = zip(right[f"{arm}-{size}"], right[f"hard-{size}"], strict=True)
            b, c = map(sum, zip(*[(s and not h, h and not s) for s, h in pairs], strict=True))
            low, high = tango_interval(b, c, n)
            print(f"{arm} - hard at {size:5d}: {(b - c) / n:+.4f} [{low:+.4f}, {high:+.4f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2500])
    parser.add_argument(
        "--passes", type=int, default=6000, help="rows seen per training (epochs x rows), at least 3 epochs"
    )
    parser.add_argument("--out", type=Path, default=Path(".distill/transfer_banking77"))
    options = parser.parse_args()
    rows, test = read_rows(options.data / "train.jsonl"), read_rows(options.data / "heldout.jsonl")
    random.Random(SEED).shuffle(rows)
    teacher = fit_teacher(rows[:TEACHER_ROWS])
    labels, pool = tuple(teacher.classes_), rows[TEACHER_ROWS:]
    probabilities = teacher.predict_proba([text for _, text, _ in pool])
    options.out.mkdir(parents=True, exist_ok=True)
    answers = {"teacher": [str(a) for a in teacher.predict([text for _, text, _ in test])]}
    for size in options.sizes:
        for arm, objective in ARMS.items():
            path = options.out / f"{arm}-{size}.json"
            if not path.is_file():
                epochs = max(3, round(options.passes / size))
                made = teach(pool[:size], probabilities[:size], labels, objective, epochs, test)
                path.write_text(json.dumps(made), encoding="utf-8")
            answers[f"{arm}-{size}"] = json.loads(path.read_text(encoding="utf-8"))
            print(f"done: {arm} at {size}", flush=True)
    show(options.sizes, answers, [gold for *_, gold in test])


if __name__ == "__main__":
    main()

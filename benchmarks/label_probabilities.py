"""What do a teacher's tokens tell of its label probabilities? BANKING77, read by the first token or by all of them.

`python benchmarks/label_probabilities.py DATA [--rows 1000] [--teach 500]`, DATA being a folder with train.jsonl and
heldout.jsonl (`input`, `gold`). The teacher's true probabilities are those of a TF-IDF logistic regression fitted on
7,500 gold rows, so they are known; it says its likeliest label in the tokens of a real tokenizer, and shows the k
likeliest tokens at each place but never the answer's end, as OpenAI does. `first` reads the first token alone and keeps
the label where that does not tell it; `walk` is what `distill` does. --teach trains MiniLM on each reading.
The tokens of GPT-4o take part where `bpe-openai` is installed (`pip install bpe-openai`).
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transfer_banking77 import ARMS, SEED, TEACHER_ROWS, fit_teacher, read_rows, teach

from distill.records.completion import TopLogprobs
from distill.stages.label_mass import LabelMass, read_label_mass
from distill.statistics.proportions import wilson_interval
from distill.students.bases import resolve_base
from distill.teachers.rehearsal.spelling import spell_out

MINILM = ("sentence-transformers/all-MiniLM-L6-v2", "1110a243fdf4706b3f48f1d95db1a4f5529b4d41")
LEAST = 1e-4
COLUMNS = (
    "label",
    "first",
    "walk",
    "evenly over the group",
    "in proportion",
    "left out",
    "known",
    "unresolved",
    "unseen",
)
Split = Callable[[str], Sequence[str]]
Vector = np.ndarray[Any, np.dtype[np.float64]]


def tokenizers_of(labels: Sequence[str]) -> dict[str, Split]:
    minilm = Tokenizer.from_file(str(resolve_base(*MINILM).path / "tokenizer.json"))
    minilm.no_padding()
    minilm.no_truncation()
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(labels, trainers.BpeTrainer(vocab_size=400, show_progress=False, initial_alphabet=alphabet))
    found = {"MiniLM WordPiece": cut_by(minilm), "BPE of 400, trained on the labels": cut_by(bpe)}
    if importlib.util.find_spec("bpe_openai"):
        import bpe_openai

        o200k: Any = bpe_openai.get_encoding("o200k_base")
        found = {"GPT-4o (o200k)": lambda text: [o200k.decode([i]) for i in o200k.encode(text)]} | found
    return found


def cut_by(tokenizer: Tokenizer) -> Split:
    """Return what cuts a text where the tokenizer does."""

    def cut(text: str) -> list[str]:
        ends = [0, *(end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets)]
        return [text[a:b] for a, b in pairwise(ends)]

    return cut


def say(label: str, believed: dict[str, float], split: Split, top: int) -> TopLogprobs:
    steps = spell_out(label, believed, split, top, "<|end|>")[:-1]
    return TopLogprobs(
        tuple(step.token for step in steps),
        tuple(math.log(step.probability) for step in steps),
        tuple(tuple(token for token, _ in step.top) for step in steps),
        tuple(tuple(math.log(p) for _, p in step.top) for step in steps),
    )


def read_first(logprobs: TopLogprobs, label: str, labels: Sequence[str]) -> Vector | None:
    """Read the first token alone: an alternative counts for the one label that it is or that it alone begins."""
    mass: dict[str, float] = defaultdict(float)
    for token, value in zip(logprobs.tokens[0], logprobs.logprobs[0], strict=True):
        text = token.strip()
        matches = [one for one in labels if one == text] or [one for one in labels if text and one.startswith(text)]
        if len(matches) == 1:
            mass[matches[0]] += math.exp(value)
    if label not in mass:
        return None
    raw = np.array([max(mass.get(one, 0.0), LEAST) for one in labels])
    return raw / raw.sum()


def read_both(
    truth: Vector, labels: tuple[str, ...], split: Split, top: int
) -> tuple[Vector | None, Vector, LabelMass]:
    believed = dict(zip(labels, truth.tolist(), strict=True))
    said = labels[int(truth.argmax())]
    logprobs = say(said, believed, split, top)
    mass = read_label_mass(logprobs, said, said, labels)
    assert mass is not None
    return read_first(logprobs, said, labels), np.array(mass.spread(labels)), mass


def share_out(mass: LabelMass, labels: Sequence[str]) -> dict[str, Vector]:
    """Return the probabilities under other rules for what is open: why the walk's rule is what it is."""
    place = {label: i for i, label in enumerate(labels)}
    known = np.array([mass.known.get(label, 0.0) for label in labels])
    even, proportional = known.copy(), known
    for part in (*mass.unresolved, *mass.unseen):
        even[[place[label] for label in part.labels]] += part.mass / len(part.labels)
    for _ in range(50):  # EM for grouped data: in proportion to what a label has, shares included
        now = known.copy()
        for part in mass.unresolved:
            group = [place[label] for label in part.labels]
            weights = proportional[group] + 1e-9
            now[group] += part.mass * weights / weights.sum()
        proportional = now
    rules = {"evenly over the group": even, "in proportion": proportional, "left out": known}
    return {name: shares / shares.sum() for name, shares in rules.items()}


def certain(truth: Vector) -> Vector:
    return np.eye(len(truth))[int(truth.argmax())]


def measure(truths: Sequence[Vector], labels: tuple[str, ...], split: Split, top: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for truth in truths:
        first, walk, mass = read_both(truth, labels, split, top)
        sums["first_without"] += first is None
        readings = {"label": certain(truth), "first": certain(truth) if first is None else first, "walk": walk}
        for name, reading in (readings | share_out(mass, labels)).items():
            sums[name] += float(np.abs(reading - truth).sum()) / 2
        for name, part in mass.parts().items():
            sums[name] += part
    return {name: total / len(truths) for name, total in sums.items()}


def show(truths: Sequence[Vector], labels: tuple[str, ...]) -> None:
    print("| tokens | alone by the first | k | rows without, first |", " | ".join(COLUMNS), "|")
    print("|---|" + "--:|" * (3 + len(COLUMNS)))
    for name, split in tokenizers_of(labels).items():
        alone = sum(sum(other.startswith(split(label)[0]) for other in labels) == 1 for label in labels)
        for top in (5, 20):
            m = measure(truths, labels, split, top)
            numbers = " | ".join(f"{m[part]:.3f}" for part in COLUMNS)
            print(f"| {name} | {alone} of {len(labels)} | {top} | {m['first_without']:.0%} | {numbers} |", flush=True)


def teach_each(rows: Any, truths: Vector, labels: tuple[str, ...], test: Any, size: int) -> None:
    """Train on each reading of the same rows, top 20, and print how often it is right by gold."""
    split = next(iter(tokenizers_of(labels).values()))
    read = [read_both(truth, labels, split, 20) for truth in truths[:size]]
    arms = {
        "label": np.array([certain(truth) for truth in truths[:size]]),
        "first": np.array([certain(t) if f is None else f for t, (f, _, _) in zip(truths, read, strict=False)]),
        "walk": np.array([walk for _, walk, _ in read]),
        "true": truths[:size],
    }
    for name, probabilities in arms.items():
        made = teach(rows[:size], probabilities, labels, ARMS["soft"], max(3, round(6000 / size)), test)
        right = sum(answer == gold for answer, (_, _, gold) in zip(made, test, strict=True))
        low, high = wilson_interval(right, len(test))
        print(f"{name:6s} {right / len(test):.4f} [{low:.4f}, {high:.4f}]", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--teach", type=int, default=0, help="rows to train on (0: no training)")
    options = parser.parse_args()
    rows, test = read_rows(options.data / "train.jsonl"), read_rows(options.data / "heldout.jsonl")
    random.Random(SEED).shuffle(rows)
    teacher = fit_teacher(rows[:TEACHER_ROWS])
    labels, pool = tuple(map(str, teacher.classes_)), rows[TEACHER_ROWS:]
    truths = teacher.predict_proba([text for _, text, _ in pool])
    show(list(truths[: options.rows]), labels)
    if options.teach:
        teach_each(pool, truths, labels, test, options.teach)


if __name__ == "__main__":
    main()

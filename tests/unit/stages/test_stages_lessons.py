from __future__ import annotations

import dataclasses
import json
import math
import tracemalloc
from pathlib import Path

import pytest
from fakes.candidates import LABEL_TASK, TEXT_TASK, candidate

from distill.engine.parquet import read_table, write_rows
from distill.records.tables import CANDIDATES
from distill.stages import lessons
from distill.stages.lessons import make_lessons, read_kept_lessons
from distill.students.config import ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.tasks.config import TaskConfig


def with_logprobs(tokens: dict[str, float], **fields: object) -> dict[str, object]:
    return {
        "sampled_tokens": [next(iter(tokens))],
        "sampled_logprobs": [math.log(next(iter(tokens.values())))],
        "top_tokens": [list(tokens)],
        "top_logprobs": [[math.log(value) for value in tokens.values()]],
        **fields,
    }


def test_votes_of_samples_become_label_probabilities() -> None:
    rows = [candidate("a", "q", label, sample=i) for i, label in enumerate(["card", "refund", "card", "card"])]
    (lesson,) = make_lessons(rows, LABEL_TASK)
    assert (lesson.target, lesson.label_probs) == ("card", (0.25, 0.75, 0.0))


def test_a_tie_goes_to_the_same_label_whatever_the_order() -> None:
    rows = [candidate("a", "q", label, sample=i) for i, label in enumerate(["refund", "card"])]
    assert [make_lessons(order, LABEL_TASK)[0].target for order in (rows, rows[::-1])] == ["card", "card"]


def test_log_probabilities_become_label_probabilities() -> None:
    row = candidate("a", "q", "card", **with_logprobs({"card": 0.7, " ref": 0.2, "x": 0.1}))
    (lesson,) = make_lessons([row], LABEL_TASK)
    assert lesson.label_probs == pytest.approx((0.2 / 0.9, 0.7 / 0.9, 0.0))


def test_tokens_that_are_not_those_of_the_answer_give_no_probabilities() -> None:
    row = candidate("a", "q", "card", **with_logprobs({"ref": 0.9, "oth": 0.1}))
    assert make_lessons([row], LABEL_TASK)[0].label_probs is None


def test_a_token_that_begins_two_labels_counts_half_for_each() -> None:
    task = LABEL_TASK.model_copy(update={"labels": ("card_lost", "card_late", "other")})
    row = candidate("a", "q", "other", **with_logprobs({"other": 0.4, "card": 0.6}))
    (lesson,) = make_lessons([row], task)
    assert lesson.label_probs == pytest.approx((0.3, 0.3, 0.4))


def test_one_answer_without_log_probabilities_is_a_hard_target() -> None:
    (lesson,) = make_lessons([candidate("a", "q", "card")], LABEL_TASK)
    assert (lesson.target, lesson.label_probs, lesson.logprobs) == ("card", None, None)


def test_other_tasks_get_one_lesson_per_distinct_answer_in_order() -> None:
    rows = [
        candidate("b", "q", "x"),
        candidate("a", "q", "y", sample=1),
        candidate("a", "q", "z"),
        candidate("a", "q", "z", sample=2),
    ]
    found = make_lessons(rows, TEXT_TASK)
    assert [(lesson.id, lesson.target) for lesson in found] == [("a", "z"), ("a", "y"), ("b", "x")]
    assert found[0].prompt.user == "q"


def test_each_label_of_a_set_is_voted_on_by_itself() -> None:
    task = LABEL_TASK.model_copy(update={"output": "labels"})
    sets = [["card"], ["card", "refund"], ["card"], []]
    rows = [
        candidate("a", "q", "x", sample=i) | {"target": json.dumps(s), "value_json": json.dumps(s)}
        for i, s in enumerate(sets)
    ]
    (lesson,) = make_lessons(rows, task)
    assert lesson.labels == ("card",)
    assert dict(zip(LABEL_TASK.labels or (), lesson.label_probs or (), strict=True))["card"] == 0.75
    assert make_lessons(rows[:1], task)[0].label_probs is None


SAID = with_logprobs({"card": 0.7, " ref": 0.2, "x": 0.1})
MIXED = [
    candidate("b", "q", "card", **SAID),
    candidate("a", "q", "refund", sample=1),
    candidate("c", "long " * 9, "other") | {"teacher": None},
    candidate("a", "q", "card", sample=0),
    candidate("ä", "q", "other", **SAID),
    candidate("a", "q", "card", sample=2, rationale="because"),
]


def write_kept(rows: list[dict[str, object]], folder: Path) -> Path:
    write_rows(rows, CANDIDATES, folder / "kept.parquet")
    return folder


@pytest.mark.parametrize("at_once", [1, 2, 100])
@pytest.mark.parametrize("task", [LABEL_TASK, TEXT_TASK], ids=["label", "text"])
def test_lessons_read_a_few_rows_at_a_time_are_those_of_all_rows_together(
    task: TaskConfig, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "ROWS_AT_ONCE", at_once)
    in_order = sorted(MIXED, key=lambda row: (row["id"], row["teacher"] or 0, row["sample"]))
    for number, rows in enumerate((MIXED, MIXED[::-1], in_order)):
        kept = write_kept(rows, tmp_path / str(number))
        whole = make_lessons(read_table(kept / "kept.parquet").to_pylist(), task)
        assert list(read_kept_lessons(kept, task, lambda name: True, keep_logprobs=True)) == whole


def test_only_wanted_examples_are_made_lessons_of(tmp_path: Path) -> None:
    kept = write_kept(MIXED, tmp_path)
    found = read_kept_lessons(kept, LABEL_TASK, {"b", "c"}.__contains__, keep_logprobs=False)
    assert [lesson.id for lesson in found] == ["b", "c"]


def test_log_probabilities_that_nobody_reads_are_left_out_and_label_probabilities_are_not(tmp_path: Path) -> None:
    kept = write_kept(MIXED, tmp_path)
    whole, lean = (
        list(read_kept_lessons(kept, LABEL_TASK, lambda name: True, keep_logprobs=keep)) for keep in (True, False)
    )
    assert any(lesson.logprobs is not None for lesson in whole)
    assert [dataclasses.replace(lesson, logprobs=None) for lesson in whole] == lean
    assert any(lesson.label_probs is not None for lesson in lean)


def test_reading_holds_a_few_rows_however_many_there_are(tmp_path: Path) -> None:
    rows = [candidate(f"{i:06}", "a long question " * 60, "card", **SAID) for i in range(6000)]
    kept = write_kept(rows, tmp_path)
    del rows
    tracemalloc.start()
    count = sum(1 for _ in read_kept_lessons(kept, LABEL_TASK, lambda name: True, keep_logprobs=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, peak < 8e6) == (6000, True)  # all rows at once are over 20 MB


def test_only_a_student_that_learns_from_them_is_given_log_probabilities() -> None:
    base = TinyModelConfig()
    soft, local = ObjectiveConfig(soft=1.0), ObjectiveConfig(soft=1.0, teacher_model="here")
    reads = [
        StudentConfig(kind=kind, base=base, objective=objective).reads_logprobs
        for kind, objective in [
            ("causal_lm", soft), ("causal_lm", local), ("causal_lm", ObjectiveConfig()), ("classifier", soft)
        ]
    ]  # fmt: skip
    assert reads == [True, False, False, False]

from __future__ import annotations

import pyarrow as pa
from fakes.candidates import LABEL_TASK

from distill.records.example import Example
from distill.records.tables import PREDICTIONS
from distill.records.training import Answer
from distill.stages.chain_context import TaskReader
from distill.stages.scoring import gold_reference, prediction_row, read_prediction, score_answers
from distill.tasks import make_task

TASK = make_task(LABEL_TASK)
EXAMPLES = [Example(f"e{i}", f"q{i}", {}, gold="card", group=f"g{i}", content_hash=f"h{i}") for i in range(4)]


def score(*answers: Answer) -> list[object]:
    reference = gold_reference(EXAMPLES, TASK)
    assert reference is not None
    return list(score_answers("student", answers, EXAMPLES, TASK, reference))


def make_predictions() -> list:
    return score(
        Answer("e2", "card", error_kind="timeout"), Answer("e0", "card"), Answer("e1", "refund"), Answer("e3", "blau")
    )


def test_failures_and_unreadable_answers_count_as_wrong() -> None:
    found = [(p.id, p.correct, p.score, p.error_kind) for p in make_predictions()]
    assert found == [
        ("e0", True, 1.0, None),
        ("e1", False, 0.0, None),
        ("e2", False, 0.0, "timeout"),
        ("e3", False, 0.0, "unknown_label"),
    ]


def test_predictions_carry_the_content_and_group_of_their_example() -> None:
    assert [(p.content_hash, p.cluster) for p in make_predictions()] == [(f"h{i}", f"g{i}") for i in range(4)]


def test_predictions_come_back_from_their_table_as_they_were() -> None:
    predictions = make_predictions()
    table = pa.Table.from_pylist([prediction_row(p) for p in predictions], schema=PREDICTIONS)
    assert [read_prediction(row) for row in table.to_pylist()] == predictions


def test_gold_is_a_reference_only_when_every_example_has_it() -> None:
    assert gold_reference([*EXAMPLES, Example("x", "q", {})], TASK) is None
    assert gold_reference([*EXAMPLES, Example("x", "q", {}, gold="blau")], TASK) is None


def test_gold_that_does_not_parse_agrees_with_no_answer() -> None:
    is_gold = TaskReader(LABEL_TASK, TASK).agrees
    assert is_gold("card", "card")
    assert not is_gold("card", "refund")
    assert not is_gold("card", "blau")

"""Evidence that looks like a pass and proves nothing: a teacher gold contradicts, rows that want one answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig

GATE = GateConfig(rules=(RuleConfig(metric="accuracy", versus="teacher", margin=0.05),))


def test_a_student_as_wrong_as_a_teacher_that_is_always_wrong_is_not_promoted(evidence_of) -> None:
    decision = decide(evidence_of(student=[False] * 200, teacher=[False] * 200), GATE)
    assert decision.decision == "invalid"
    assert "teacher: wrong on all 200 rows" in decision.reason


def test_a_teacher_that_agrees_with_gold_less_than_chance_would_is_no_measure(evidence_of) -> None:
    right = [i % 10 == 0 for i in range(200)]
    decision = decide(evidence_of(student=right, teacher=right), GATE)
    assert decision.decision == "invalid"
    assert "teacher: right on 20 of 200 rows, fewer than by chance" in decision.reason


def test_a_teacher_worse_than_always_the_same_answer_but_better_than_chance_may_be_replaced(evidence_of) -> None:
    """Rare labels: who finds most of them at the price of a few false alarms is of use."""
    evidence = evidence_of(student=[True] * 400, teacher=[True] * 400)
    rows = []
    for i in range(400):
        wanted, said = ("b" if i < 8 else "a"), ("b" if i < 6 or i > 385 else "a")
        rows.append((wanted, said))

    def answer(name: str) -> list:
        return [
            replace(p, reference=wanted, parsed=said, text=said, correct=wanted == said, score=float(wanted == said))
            for p, (wanted, said) in zip(evidence.predictions[name], rows, strict=True)
        ]

    decision = decide(replace(evidence, predictions={name: answer(name) for name in evidence.predictions}), GATE)
    assert decision.decision == "promote", decision.reason


@pytest.mark.parametrize("right", [[True] * 200, [i % 2 == 0 for i in range(200)]])
def test_rows_that_all_want_one_label_decide_nothing(evidence_of, right: list[bool]) -> None:
    evidence = evidence_of(student=right, teacher=[True] * 200)
    same = {
        name: [replace(p, reference="a", parsed="a" if p.correct else "b", text="") for p in answers]
        for name, answers in evidence.predictions.items()
    }
    decision = decide(replace(evidence, predictions=same), GATE)
    assert decision.decision == "invalid"
    assert 'all 200 held-out rows want the same answer, "a", of 2 labels' in decision.reason


def test_a_teacher_that_does_not_beat_the_commonest_label_is_said_to_teach_little(evidence_of) -> None:
    half = [i % 2 == 0 for i in range(200)]
    decision = decide(evidence_of(student=half, teacher=half, majority=half), GATE)
    assert any("the teacher (50.00%) is not shown to beat majority" in note for note in decision.notes)


@pytest.mark.parametrize(
    ("system", "kind", "remedy"),
    [
        ("student", "truncated", "student.max_new_tokens"),
        ("student", "overlong", "student.max_length_tokens"),
        ("student", "schema_invalid", """--where "system == 'student'\", then train on more rows"""),
        ("teacher", "truncated", "teacher.max_output_tokens: raise it"),
        ("teacher", "auth", "teacher.api_key_env"),
        ("teacher", "overloaded", "run again"),
        ("teacher", "unparseable", "say the wanted form in task.system or task.user"),
    ],
)
def test_where_every_answer_failed_the_reason_says_what_to_do(evidence_of, system, kind, remedy) -> None:
    evidence = evidence_of(student=[False] * 40, teacher=[False] * 40)
    failed = [replace(p, error_kind=kind, parsed=None) for p in evidence.predictions[system]]
    decision = decide(replace(evidence, predictions={**evidence.predictions, system: failed}), GATE)
    assert decision.decision == "invalid"
    told = decision.reason.partition(f"{system}: every single answer failed ({kind}): nothing was evaluated; ")[2]
    assert remedy in told.partition("; teacher:")[0]


def test_where_every_answer_failed_in_several_ways_each_is_counted_and_the_commonest_has_its_remedy(
    evidence_of,
) -> None:
    evidence = evidence_of(student=[False] * 40, teacher=[True] * 40)
    failed = [
        replace(p, error_kind="empty" if i < 3 else "truncated", parsed=None)
        for i, p in enumerate(evidence.predictions["student"])
    ]
    reason = decide(replace(evidence, predictions={**evidence.predictions, "student": failed}), GATE).reason
    assert "every single answer failed (truncated 37, empty 3): nothing was evaluated; its answers" in reason

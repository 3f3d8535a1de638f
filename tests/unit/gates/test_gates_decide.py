"""The gate's words on evidence whose answer is known, and each guard broken once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.gates.evidence import Measured

MARGIN = RuleConfig(metric="accuracy", versus="teacher", margin=0.02)
GATE = GateConfig(rules=(MARGIN,))


def some_right(n: int, share: float, seed: int = 0) -> list[bool]:
    return (np.random.default_rng(seed).random(n) < share).tolist()


def broken(evidence, **changes):
    rows = list(evidence.predictions["student"])
    rows[3] = replace(rows[3], **changes)
    return replace(evidence, predictions={**evidence.predictions, "student": rows})


@pytest.mark.parametrize("n", [200, 960, 3000])
def test_the_teacher_as_its_own_student_is_promoted(evidence_of, n) -> None:
    right = some_right(n, 0.9)
    assert decide(evidence_of(student=right, teacher=right), GATE).decision == "promote"


def test_shuffled_labels_are_held(evidence_of) -> None:
    decision = decide(evidence_of(student=some_right(400, 0.05), teacher=some_right(400, 0.98, 1)), GATE)
    assert decision.decision == "hold"


def test_sixty_rows_are_inconclusive_and_the_reason_names_how_many_would_decide(evidence_of) -> None:
    student, teacher = [True] * 57 + [False] * 3, [True] * 56 + [False] * 3 + [True]
    decision = decide(evidence_of(student=student, teacher=teacher), GATE)
    rule = decision.rules[0]
    assert decision.decision == "inconclusive"
    assert rule.needed_n is not None
    assert rule.needed_n > 60
    assert f"{rule.needed_n:,} rows" in decision.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score": float("nan")}, "not a number"),
        ({"correct": False}, "contradict"),
        ({"error_kind": "timeout"}, "counted as right"),
        ({"confidence": float("nan")}, "confidence"),
        ({"system": "teacher"}, "of system"),
        ({"id": "r00004"}, "twice"),
        ({"reference": "the text of the row"}, "swapped"),
        ({"cost_usd": float("inf")}, "latency or cost"),
    ],
)
def test_contradictory_rows_make_it_invalid(evidence_of, changes, words) -> None:
    right = [True] * 300
    decision = decide(broken(evidence_of(student=right, teacher=right), **changes), GATE)
    assert decision.decision == "invalid"
    assert words in decision.reason


def test_missing_rows_make_it_invalid(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 300, teacher=[True] * 300)
    rows = {**evidence.predictions, "student": evidence.predictions["student"][:-1]}
    assert decide(replace(evidence, predictions=rows), GATE).decision == "invalid"


def test_another_content_under_the_same_id_makes_it_invalid(evidence_of) -> None:
    evidence = broken(evidence_of(student=[True] * 300, teacher=[True] * 300), content_hash="other")
    assert decide(replace(evidence, expected={**evidence.expected, "r00003": "this"}), GATE).decision == "invalid"


def test_a_student_that_copies_gold_is_invalid(evidence_of) -> None:
    decision = decide(evidence_of(student=[True] * 500, teacher=[False] * 20 + [True] * 480), GATE)
    assert decision.decision == "invalid"
    assert "too good" in decision.reason


def test_an_all_failed_evaluation_is_invalid(evidence_of, predictions_of) -> None:
    evidence = evidence_of(student=[False] * 300, teacher=[True] * 300)
    failed = predictions_of("student", [False] * 300, error_kind="timeout", parsed=None)
    decision = decide(replace(evidence, predictions={**evidence.predictions, "student": failed}), GATE)
    assert decision.decision == "invalid"


def test_failed_teacher_calls_are_invalid_and_never_help_the_student(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 300, teacher=[True] * 299 + [False])
    teacher = list(evidence.predictions["teacher"])
    teacher[-1] = replace(teacher[-1], error_kind="timeout")
    decision = decide(replace(evidence, predictions={**evidence.predictions, "teacher": teacher}), GATE)
    assert "calls failed" in decision.reason


def test_a_leak_found_by_the_caller_is_invalid(evidence_of) -> None:
    evidence = replace(evidence_of(student=[True] * 300, teacher=[True] * 300), problems=("leak: 3 rows",))
    assert decide(evidence, GATE).decision == "invalid"


def test_a_slice_of_three_rows_is_inconclusive_and_blocks(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 400, teacher=[True] * 400)
    rows = [
        replace(p, slices={"channel": "fax" if i < 3 else "chat"})
        for i, p in enumerate(evidence.predictions["student"])
    ]
    evidence = replace(evidence, predictions={**evidence.predictions, "student": rows})
    decision = decide(evidence, GateConfig(rules=(MARGIN.model_copy(update={"per_slice": True}),)))
    assert decision.decision == "inconclusive"
    assert {r.slice: r.outcome for r in decision.rules} == {
        None: "pass",
        "channel=chat": "pass",
        "channel=fax": "inconclusive",
    }


def test_an_unknown_cost_never_passes(evidence_of) -> None:
    rule = RuleConfig(metric="cost_per_1k_usd", versus="teacher", max_ratio=0.5)
    evidence = evidence_of(student=[True] * 300, teacher=[True] * 300)
    unknown = replace(evidence, measured={"cost_per_1k_usd": {"student": Measured(None, None, None)}})
    cheap = replace(evidence, measured={"cost_per_1k_usd": {"student": Measured(0.1, 0.08, 0.12)}})
    assert decide(unknown, GateConfig(rules=(rule,))).decision == "inconclusive"
    assert decide(cheap, GateConfig(rules=(rule,))).decision == "promote"


@pytest.mark.parametrize(("n", "word"), [(149, "promote"), (148, "inconclusive")])
def test_zero_failures_certify_two_percent_from_149_rows(evidence_of, n, word) -> None:
    gate = GateConfig(rules=(RuleConfig(metric="failure_rate", max=0.02),))
    assert decide(evidence_of(student=[True] * n), gate).decision == word


def test_a_look_past_the_allowed_ones_tightens_the_gate(evidence_of) -> None:
    gate = GateConfig(rules=(RuleConfig(metric="failure_rate", max=0.02),))
    decision = decide(replace(evidence_of(student=[True] * 149), look=2), gate)
    assert decision.decision == "inconclusive"
    assert "look 2" in decision.notes[0]


def test_without_gold_agreement_is_never_called_accuracy(evidence_of) -> None:
    evidence = replace(evidence_of(student=[True] * 396 + [False] * 4, teacher=[True] * 400), reference="teacher")
    decision = decide(evidence, GateConfig(rules=(MARGIN.model_copy(update={"margin": 0.05}),)))
    assert decision.decision == "promote"
    assert decision.rules[0].metric == "agreement"


def test_a_gate_above_the_teachers_own_agreement_cannot_be_met(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 400, teacher=[True] * 400)
    decision = decide(replace(evidence, reference="teacher", self_agreement=0.8), GATE)
    assert "cannot be met" in decision.reason


def test_a_linear_probe_that_ties_is_said_aloud(evidence_of) -> None:
    right = some_right(400, 0.9)
    decision = decide(evidence_of(student=right, teacher=right, linear_probe=right), GATE)
    assert any("linear_probe" in note for note in decision.notes)


def test_a_cascade_rule_shows_the_student_alone_without_letting_it_decide(evidence_of) -> None:
    evidence = evidence_of(student=some_right(500, 0.5), teacher=[True] * 500, cascade=[True] * 500)
    decision = decide(evidence, GateConfig(rules=(MARGIN.model_copy(update={"of": "cascade"}),)))
    assert decision.decision == "promote"
    assert [(r.of, r.policy, r.outcome) for r in decision.rules] == [
        ("cascade", "block", "pass"),
        ("student", "warn", "fail"),
    ]


def test_macro_f1_is_judged_by_the_paired_bootstrap(evidence_of) -> None:
    rule = RuleConfig(metric="macro_f1", versus="teacher", margin=0.05)
    evidence = replace(evidence_of(student=some_right(800, 0.9), teacher=some_right(800, 0.9, 1)), resamples=1999)
    outcome = decide(evidence, GateConfig(rules=(rule,))).rules[0]
    assert outcome.low is not None
    assert outcome.low <= (outcome.difference or 0.0) <= (outcome.high or 0.0)


def test_more_right_answers_never_worsen_the_outcome(evidence_of) -> None:
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    teacher = some_right(300, 0.9, 1)
    words = [
        order[decide(evidence_of(student=[i < k for i in range(300)], teacher=teacher), GATE).rules[0].outcome]
        for k in range(200, 292, 7)
    ]
    assert words == sorted(words)


def test_swapped_columns_are_named(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 300, teacher=[True] * 300)
    swapped = [
        replace(p, parsed="the text of the row", reference="the text of the row")
        for p in evidence.predictions["student"]
    ]
    decision = decide(replace(evidence, predictions={**evidence.predictions, "student": swapped}), GATE)
    assert decision.decision == "invalid"
    assert "swapped columns" in decision.reason


def test_a_channel_that_was_never_promoted_to_is_said_and_does_not_pass(evidence_of) -> None:
    rule = MARGIN.model_copy(update={"versus": "channel:production"})
    decision = decide(evidence_of(student=[True] * 300, teacher=[True] * 300), GateConfig(rules=(rule,)))
    assert decision.decision == "inconclusive"
    assert "nothing was ever promoted to channel 'production'" in decision.reason


def test_the_channel_that_was_compared_with_is_kept_in_the_decision(evidence_of) -> None:
    evidence = evidence_of(
        student=[True] * 400, teacher=[True] * 400, **{"channel:production": [True] * 396 + [False] * 4}
    )
    rule = MARGIN.model_copy(update={"versus": "channel:production"})
    decision = decide(replace(evidence, channels={"production": 7}), GateConfig(rules=(rule,)))
    assert decision.decision == "promote"
    assert dict(decision.channels) == {"production": 7}


def test_a_baseline_that_failed_everywhere_is_said_and_spoils_nothing(evidence_of, predictions_of) -> None:
    evidence = evidence_of(student=[True] * 400, teacher=[True] * 400)
    failed = predictions_of("base", [False] * 400, error_kind="overlong", parsed=None)
    decision = decide(replace(evidence, predictions={**evidence.predictions, "base": failed}), GATE)
    assert decision.decision == "promote"
    assert any("base gave no usable answer" in note for note in decision.notes)


def test_a_base_that_a_rule_compares_with_must_have_answered(evidence_of, predictions_of) -> None:
    evidence = evidence_of(student=[True] * 400, teacher=[True] * 400)
    failed = predictions_of("base", [False] * 400, error_kind="overlong", parsed=None)
    rule = MARGIN.model_copy(update={"versus": "base"})
    decision = decide(
        replace(evidence, predictions={**evidence.predictions, "base": failed}), GateConfig(rules=(rule,))
    )
    assert decision.decision == "invalid"


def test_a_gate_beyond_the_teachers_agreement_with_itself_cannot_be_met(evidence_of) -> None:
    evidence = evidence_of(student=[True] * 390 + [False] * 10, teacher=[True] * 400)
    decision = decide(replace(evidence, reference="teacher", self_agreement=0.9), GATE)
    assert "cannot be met by any student" in decision.rules[0].reason
    assert decision.decision == "inconclusive"


def weighed(evidence, logprobs):
    rows = [
        replace(p, reference_logprob=value, reference_tokens=4)
        for p, value in zip(evidence.predictions["student"], logprobs, strict=True)
    ]
    return replace(evidence, predictions={**evidence.predictions, "student": rows})


def test_a_bound_on_perplexity_is_judged_over_the_tokens_of_all_references(evidence_of) -> None:
    losses = np.random.default_rng(0).gamma(9, 0.5, 300)
    evidence = weighed(evidence_of(student=[True] * 300), [-float(loss) for loss in losses])
    rule = decide(evidence, GateConfig(rules=(RuleConfig(metric="perplexity", max=4.0),))).rules[0]
    assert rule.student == pytest.approx(np.exp(losses.sum() / 1200))
    assert rule.outcome == "pass"
    assert rule.needed_n is not None


def test_one_reference_that_was_not_weighed_and_perplexity_never_passes(evidence_of) -> None:
    evidence = weighed(evidence_of(student=[True] * 300), [-1.0 - i / 300 for i in range(299)] + [None])
    rule = decide(evidence, GateConfig(rules=(RuleConfig(metric="perplexity", max=99.0),))).rules[0]
    assert rule.outcome == "inconclusive"
    assert "unknown for 1 rows" in rule.reason


def test_perplexity_against_a_teacher_that_gives_no_probabilities_is_not_decided(evidence_of) -> None:
    evidence = weighed(evidence_of(student=[True] * 300, teacher=[True] * 300), [-1.0 - i / 300 for i in range(300)])
    rule = RuleConfig(metric="perplexity", versus="teacher", margin=1.0)
    outcome = decide(evidence, GateConfig(rules=(rule,))).rules[0]
    assert outcome.outcome == "inconclusive"
    assert "of teacher is unknown for 300 rows" in outcome.reason


def test_what_the_evaluation_remarked_is_told_beside_the_verdict(evidence_of) -> None:
    evidence = replace(evidence_of(student=[True] * 300, teacher=[True] * 300), remarks=("2 of 4 rows are longer",))
    assert "2 of 4 rows are longer" in decide(evidence, GATE).notes

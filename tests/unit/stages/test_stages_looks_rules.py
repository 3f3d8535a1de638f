"""Changing the rules after a student was judged is a look at the held-out set; rehearsals are counted apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.engine.fingerprint import canonicalise
from distill.engine.stage import Context
from distill.gates.config import GateConfig, RuleConfig
from distill.records.runtime import RuntimeConfig
from distill.stages.evaluate import begin
from distill.stages.heldout import Sealed
from distill.stages.looks import (
    Judging,
    Reused,
    count_evaluations,
    count_look,
    count_rules,
    find_reused,
    name_rules,
    read_looks,
)
from distill.stages.surroundings import Surroundings
from distill.teachers.config import TeacherConfig

MARGIN = {"metric": "accuracy", "versus": "teacher", "margin": 0.05}
FAILURES = {"metric": "failure_rate", "max": 0.05}


def _gate(*rules: dict[str, object], confidence: float = 0.95) -> GateConfig:
    return GateConfig(confidence=confidence, rules=tuple(RuleConfig.model_validate(rule) for rule in rules))


def _judge(place: Path, key: str, *rules: dict[str, object], confidence: float = 0.95) -> Judging:
    return count_rules(place, "seal", key, count_look(place, "seal", key), _gate(*rules, confidence=confidence))


def test_the_first_rules_are_no_further_look(tmp_path: Path) -> None:
    assert _judge(tmp_path, "a", MARGIN) == Judging(1)
    assert _judge(tmp_path, "a", MARGIN) == Judging(1)
    assert _judge(tmp_path, "b", MARGIN) == Judging(2)


def test_a_margin_widened_after_the_verdict_is_a_further_look_and_is_named(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    moved = _judge(tmp_path, "a", {**MARGIN, "margin": 0.6})
    assert moved == Judging(2, ("gate.rules[0].margin: 0.05 -> 0.6",))
    assert _judge(tmp_path, "a", {**MARGIN, "margin": 0.6}) == moved
    assert _judge(tmp_path, "b", MARGIN).look == 3


@pytest.mark.parametrize(
    "rules", [(FAILURES,), ({**MARGIN, "policy": "warn"}, FAILURES), ({**MARGIN, "of": "cascade"},)]
)
def test_another_rule_a_warning_in_its_place_or_another_system_is_a_further_look(
    rules: tuple[dict[str, object], ...], tmp_path: Path
) -> None:
    _judge(tmp_path, "a", MARGIN)
    assert _judge(tmp_path, "a", *rules).look == 2


def test_a_lower_confidence_is_a_further_look(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    assert _judge(tmp_path, "a", MARGIN, confidence=0.6).look == 2


def test_rules_that_can_only_promote_less_are_no_further_look(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    assert _judge(tmp_path, "a", MARGIN, FAILURES) == Judging(1)
    assert _judge(tmp_path, "a", MARGIN, {**FAILURES, "policy": "warn"}) == Judging(1)
    assert _judge(tmp_path, "a", FAILURES).look == 2


def test_going_back_to_the_first_rules_is_the_first_look_again(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    _judge(tmp_path, "a", FAILURES)
    assert _judge(tmp_path, "a", MARGIN) == Judging(1)


def test_a_damaged_line_forgets_no_rules(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    with (tmp_path / "looks" / "seal.rules.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"key": "a", "ga\n')
    assert _judge(tmp_path, "a", FAILURES).look == 2


def test_rehearsals_leave_the_first_look_to_the_run(tmp_path: Path) -> None:
    assert [count_look(tmp_path, "seal", key, "rehearsal") for key in ("r", "s", "r")] == [1, 2, 1]
    assert count_look(tmp_path, "seal", "a") == 1
    assert (read_looks(tmp_path, "seal", "rehearsal"), read_looks(tmp_path, "seal")) == (["r", "s"], ["a"])


def test_rules_as_a_record_keeps_them_have_the_name_they_are_counted_by(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    _judge(tmp_path, "a", FAILURES)
    kept = canonicalise(_gate(FAILURES))
    assert isinstance(kept, dict)
    assert read_looks(tmp_path, "seal") == ["a", f"a:{name_rules(kept)}"]


def test_a_run_after_rehearsals_has_the_first_look_and_says_how_many_there_were(split_context: Context) -> None:
    run = Surroundings(RuntimeConfig(), split_context.state_dir, (TeacherConfig(provider="replay", model="m"),))
    rehearsal = replace(split_context, key="r" * 64, runtime=replace(run, is_rehearsal=True))
    sealed = Sealed([], "d" * 64)
    assert begin(sealed, rehearsal).is_rehearsal
    evaluation = begin(sealed, replace(split_context, runtime=run))
    assert (evaluation.look, evaluation.is_rehearsal) == (1, False)
    assert "before: 1" in evaluation.remarks[0]


def test_a_set_that_shares_rows_with_one_that_was_looked_at_is_not_all_fresh(tmp_path: Path) -> None:
    rows = [f"{number:064x}"[::-1] for number in range(1, 31)]
    assert find_reused(tmp_path, "first", rows[:20]) is None
    count_look(tmp_path, "first", "a")
    assert find_reused(tmp_path, "first", rows[:20]) is None
    assert find_reused(tmp_path, "one row less", rows[1:20]) == Reused(19, 1)
    assert find_reused(tmp_path, "fresh", rows[20:]) is None


def test_a_set_that_nobody_has_looked_at_may_share_its_rows(tmp_path: Path) -> None:
    find_reused(tmp_path, "sealed only", ["a" * 64])
    assert find_reused(tmp_path, "other", ["a" * 64]) is None


def test_a_damaged_line_is_an_evaluation_that_nobody_can_name(tmp_path: Path) -> None:
    _judge(tmp_path, "a", MARGIN)
    with (tmp_path / "looks" / "seal.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"ke\n')
    moved = _judge(tmp_path, "a", {**MARGIN, "margin": 0.6})
    assert moved.look == 3
    assert count_evaluations(tmp_path, "seal", moved.look) == 2

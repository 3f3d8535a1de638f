"""A canary's trial: right verdicts, few wrong ones, and what the monitor does about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from test_monitoring_health import NOW, Log

from distill.engine.channels import Channels
from distill.errors import StoreError
from distill.monitoring.check import check
from distill.monitoring.config import MonitorConfig
from distill.monitoring.trial import judge_trial, pair_audits
from distill.records.live import Audit, CanaryRules, ServedRequest

RULES = CanaryRules(share=0.05, margin=0.03)
SERVING, CANARY = "production@1", "production@2"


def draw_pairs(seed: int, n: int, better: float, worse: float) -> list[tuple[bool, bool]]:
    """Pairs of which a share `better` only the canary agrees, a share `worse` only the serving version."""
    draws = np.random.default_rng(seed).random(n)
    return [(bool(x >= worse), bool(x < worse or x >= worse + better)) for x in draws]


def row(number: int, reason: str = "", version: str = CANARY) -> ServedRequest:
    return ServedRequest(str(number), NOW - 100, "production", version, "m", "student", 200, 5.0, reason=reason)


def word(pairs: list[tuple[bool, bool]], rules: CanaryRules = RULES, hours: float = 1.0) -> str:
    return judge_trial(pairs, [row(1)], rules, hours).word


def test_an_equal_canary_is_promoted_and_a_worse_one_withdrawn() -> None:
    assert word(draw_pairs(0, 1500, 0.02, 0.02)) == "promote"
    assert word(draw_pairs(0, 1500, 0.02, 0.15)) == "withdraw"


def test_nothing_is_decided_on_little() -> None:
    assert word([]) == "continue"
    assert word([(True, True)] * 40) == "continue"


@pytest.mark.parametrize(("pairs", "hours"), [(2000, 1.0), (10, 169.0)])
def test_what_stays_undecided_is_withdrawn(pairs: int, hours: float) -> None:
    rules = RULES.model_copy(update={"confidence": 0.999999999})
    trial = judge_trial(draw_pairs(0, pairs, 0.02, 0.02), [row(1)], rules, hours)
    assert (trial.word, "undecided" in trial.reason) == ("withdraw", True)


def test_unusable_answers_withdraw_without_any_label() -> None:
    rows = [row(i, "timeout" if i % 4 == 0 else "low_confidence") for i in range(100)]
    assert judge_trial([], rows, RULES, 1.0).word == "withdraw"
    assert judge_trial([], [row(i, "low_confidence") for i in range(100)], RULES, 1.0).word == "continue"


def test_a_canary_just_past_the_margin_is_seldom_promoted_however_often_one_looks() -> None:
    promoted = sum(word(draw_pairs(seed, 2000, 0.03, 0.06)) == "promote" for seed in range(100))
    assert promoted <= 5 + 3 * (100 * 0.05 * 0.95) ** 0.5


def test_an_equal_canary_is_seldom_withdrawn_as_worse() -> None:
    withdrawn = 0
    for seed in range(100):
        trial = judge_trial(draw_pairs(seed, 2000, 0.03, 0.03), [row(1)], RULES, 1.0)
        withdrawn += trial.word == "withdraw" and "less often" in trial.reason
    assert withdrawn <= 5 + 3 * (100 * 0.05 * 0.95) ** 0.5


def test_pairs_are_joined_by_request_and_single_audits_left_out() -> None:
    def audit(request: str, version: str, agreed: bool, kind: str = "shadow") -> Audit:
        return Audit(request, 1.0, "production", version, kind, agreed, "x")  # type: ignore[arg-type]

    audits = [
        audit("a", SERVING, True),
        audit("b", CANARY, True),
        audit("a", CANARY, False),
        audit("c", "production@9", True),
        audit("b", SERVING, True, "canary_teacher"),
    ]
    assert pair_audits(audits, SERVING, CANARY) == [(False, True)]


@pytest.fixture
def trial_state(tmp_path: Path) -> Path:
    channels = Channels(tmp_path, clock=lambda: datetime.fromtimestamp(NOW - 5000, UTC))
    channels.move("production", "a", expected_version=0, who="ada", why="x", metadata={"run": "r1"})
    rules = {"canary": RULES.model_dump(mode="json"), "run": "r2"}
    channels.move("production", "b", expected_version=1, who="ada", why="x", action="canary", metadata=rules)
    return tmp_path


def log_of(better: float, worse: float) -> Log:
    audits: list[Audit] = []
    for i, (new, old) in enumerate(draw_pairs(0, 1500, better, worse)):
        base = Audit(str(i), NOW - 100, "production", SERVING, "shadow", old, "x")
        audits += [base, replace(base, version=CANARY, agreed=new, side="canary")]
    return Log([row(1), *(row(i, version=SERVING) for i in range(2, 102))], audits)


def test_a_good_canary_is_promoted_with_its_evidence_in_the_history(trial_state: Path) -> None:
    health = check("production", log_of(0.02, 0.02), MonitorConfig(), state_dir=trial_state, now=NOW)
    entry = Channels(trial_state).read("production")
    assert entry is not None
    assert (entry.action, entry.target, entry.who, entry.restores) == ("promote", "b", "monitor", 2)
    assert entry.metadata["run"] == "r2"
    assert entry.metadata["trial"]["pairs"] > 50  # type: ignore[index]
    assert "canary" not in entry.metadata
    assert any("promoted the canary" in action for action in health.actions)


def test_a_bad_canary_is_withdrawn_and_says_so(trial_state: Path) -> None:
    health = check("production", log_of(0.0, 0.2), MonitorConfig(), state_dir=trial_state, now=NOW)
    state = Channels(trial_state).state("production")
    assert (state.canary, state.serving.target, state.head) == (None, "a", 3)  # type: ignore[union-attr]
    assert "canary" in health.alarms()


def test_a_canary_is_only_watched_when_judging_is_off(trial_state: Path) -> None:
    check("production", log_of(0.0, 0.2), MonitorConfig(judge_canary=False), state_dir=trial_state, now=NOW)
    assert Channels(trial_state).state("production").canary is not None


def test_rules_that_were_changed_afterwards_break_the_chain(trial_state: Path) -> None:
    path = trial_state / "channels" / "production.jsonl"
    path.write_text(path.read_text().replace('"margin":0.03', '"margin":0.30'))
    with pytest.raises(StoreError, match="damaged entry"):
        check("production", log_of(0.0, 0.2), MonitorConfig(), state_dir=trial_state, now=NOW)

"""What `distill power` foresees, against counts that are known."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from distill.app.rule_power import Basis, name_of, plan_rule
from distill.gates.config import GateConfig, RuleConfig
from distill.statistics.power import NormalPlan, gate_power
from distill.statistics.proportions import below_p_value, bound_power, needed_for_bound

MARGIN = RuleConfig(metric="accuracy", versus="teacher", margin=0.05)
GATE = GateConfig(rules=(MARGIN,))


def test_a_margin_is_planned_for_each_assumed_discordance_and_the_one_that_was_seen() -> None:
    rows = plan_rule(MARGIN, GATE, Basis(244, (0.05, 0.10), seen_discordance={"student": 0.08}))
    assert [(row.discordant, row.observed) for row in rows] == [(0.05, False), (0.10, False), (0.08, True)]
    assert rows[1].needed_n == 244, "golden/README 5: margin .05 at psi .1"
    assert rows[1].power == rows[1].power_at_needed == pytest.approx(gate_power(244, 0.05, 0.10), abs=1e-3)


def test_the_curve_rises_with_the_rows() -> None:
    powers = [power for _, power in plan_rule(MARGIN, GATE, Basis(300, (0.05,)))[0].curve]
    assert powers == sorted(powers)
    assert powers[0] < 0.5 < 0.99 < powers[-1]


def test_a_ceiling_without_failures_needs_what_zero_failures_certify() -> None:
    rule = RuleConfig(metric="failure_rate", max=0.02)
    clean, some, many = plan_rule(rule, GATE, Basis(148))
    assert (clean.needed_n, clean.power) == (149, 0.0)
    assert some.needed_n < many.needed_n


def test_a_floor_is_planned_by_its_complement() -> None:
    rule = RuleConfig(metric="accuracy", min=0.9)
    row = plan_rule(rule, GATE, Basis(500))[1]
    assert row.assumed == "truly 95.00%"
    assert row.power == pytest.approx(bound_power(500, 0.1, 0.05), abs=1e-3)


@pytest.mark.parametrize(
    "rule",
    [
        RuleConfig(metric="output_tokens", max=100),
        RuleConfig(metric="cost_per_1k_usd", versus="teacher", max_ratio=0.5),
        RuleConfig(metric="macro_f1", versus="teacher", margin=0.05),
    ],
)
def test_what_only_a_run_can_show_is_foreseen_from_the_second_run_on(rule) -> None:
    assert plan_rule(rule, GATE, Basis(500)) == []
    plan = NormalPlan(signal=0.1, hurdle=1.645)
    (row,) = plan_rule(rule, GATE, Basis(500, seen_plans={name_of(rule): plan}))
    assert row.observed
    assert (row.power, row.needed_n) == (pytest.approx(plan.power(500), abs=1e-3), plan.needed(0.8))


def test_a_latency_is_planned_by_the_rows_that_are_timed() -> None:
    rule = RuleConfig(metric="p95_latency_ms", max=300)
    clean, _, half = plan_rule(rule, GATE, Basis(960, latency_rows=100))
    assert (clean.needed_n, clean.heldout_rows) == (59, 100), "golden/README 4: no row beyond it certifies 5% from 59"
    assert half.power == pytest.approx(bound_power(100, 0.05, 0.025), abs=1e-3)
    assert plan_rule(rule, GATE, Basis(960, latency_rows=960))[2].power > 0.95
    assert half.bound == 300


def test_a_cold_start_is_planned_by_the_starts_that_are_made() -> None:
    rule = RuleConfig(metric="cold_p95_latency_ms", max=5000)
    clean = plan_rule(rule, GATE, Basis(960, cold_starts=59))[0]
    assert (clean.heldout_rows, clean.power, clean.needed_n) == (59, 1.0, 59)
    assert plan_rule(rule, GATE, Basis(960))[0].power == 0.0, "one start bounds nothing"


def test_a_gate_that_spends_is_planned_at_the_level_of_its_first_look() -> None:
    spend = GateConfig(rules=(MARGIN,), looks="spend")
    full, halved = (plan_rule(MARGIN, gate, Basis(244, (0.1,)))[0] for gate in (GATE, spend))
    assert halved.power < full.power
    assert halved.needed_n > full.needed_n


@pytest.mark.parametrize(("n", "bound", "rate"), [(59, 0.05, 0.01), (300, 0.03, 0.015), (1000, 0.1, 0.08)])
def test_the_power_of_a_bound_is_the_sum_over_the_counts_that_pass(n, bound, rate) -> None:
    from scipy import stats

    passing = [k for k in range(n + 1) if below_p_value(k, n, bound) <= 0.05]
    assert bound_power(n, bound, rate) == pytest.approx(sum(stats.binom.pmf(passing, n, rate)))


def test_the_rows_a_bound_needs_have_the_power_and_one_percent_fewer_may_not() -> None:
    needed = needed_for_bound(0.015, 0.03)
    assert needed is not None
    assert bound_power(needed, 0.03, 0.015) >= 0.8
    assert needed_for_bound(0.03, 0.03) is None


def write_config(directory: Path, repo_root: Path) -> Path:
    import yaml

    config = yaml.safe_load((repo_root / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
    tickets = repo_root / "examples" / "tickets"
    config["task"]["labels"] = str(tickets / "labels.txt")
    config["data"]["source"] = str(tickets / "heldout.jsonl")
    config["data"]["heldout"] = {"size": 100}
    config["teacher"]["knowledge"] = [str(tickets / "heldout.jsonl")]
    path = directory / "c.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture
def printed(tmp_path: Path, repo_root: Path, capfd, monkeypatch):
    from distill.cli import main

    def call(*arguments: str, command: str = "power") -> str:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main([command, str(write_config(tmp_path, repo_root)), *arguments])
        assert ended.value.code == 0
        return capfd.readouterr().out

    return call


@pytest.fixture
def planned(printed):
    return partial(printed, command="plan")


def test_the_command_prints_table_and_curve(printed) -> None:
    out = printed("--set", "gate.rules=[{metric: accuracy, versus: teacher, margin: 0.02}]")
    assert "100 held-out rows" in out
    assert "<- this held-out set" in out
    assert "underpowered" in out


def test_plan_names_the_rules_whose_power_it_cannot_know_in_one_line(planned) -> None:
    rules = "[{metric: macro_f1, versus: teacher, margin: 0.05}, {metric: accuracy, versus: teacher, margin: 0.05}]"
    lines = planned("--set", f"gate.rules={rules}").splitlines()
    assert [line for line in lines if "power unknown" in line] == [
        "power unknown before a first run, for it depends on the spread: macro_f1 of student"
    ]
    known = planned("--set", "gate.rules=[{metric: accuracy, versus: teacher, margin: 0.05}]")
    assert "power unknown" not in known


def test_the_command_gives_one_json_object(printed) -> None:
    found = json.loads(printed("--json", "--rows", "5000", "--discordant", "0.04"))
    assert found["heldout_rows"] == 5000
    assert {row["discordant"] for row in found["rules"] if row["kind"] == "margin"} == {0.04}


def test_what_training_measured_needs_no_held_out_rows():
    assert plan_rule(RuleConfig(metric="parity", min=0.999), GATE, Basis(500)) == []

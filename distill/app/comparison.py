"""Two runs' systems paired row by row, by the tests the gate uses: which is better, and is the new one good enough.

Rows are joined by id and content hash. Runs that were judged on other rows are refused, never cut to what they share.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from distill.app.runs import Run
from distill.app.summary import find_judged_system
from distill.engine.parquet import read_table
from distill.errors import DataError, UsageError
from distill.gates.config import RuleConfig
from distill.gates.evidence import Evidence
from distill.gates.judge import judge_rule
from distill.gates.validity import find_row_problems
from distill.metrics import METRICS
from distill.records.decision import RuleOutcome
from distill.records.prediction import Prediction
from distill.stages.scoring import read_prediction
from distill.statistics.mcnemar import mcnemar_exact_p, mcnemar_midp

FIRST, SECOND = "first", "student"
"""Names under which the two systems are put to the rules: a rule judges `student` against anything else."""


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Second minus first. `only_*` count rows right for one alone; `mcnemar_*` ask "different?", never "as good?"."""

    first: str
    second: str
    metric: str
    margin: float
    n: int
    only_first: int
    only_second: int
    mcnemar_exact: float
    mcnemar_mid: float
    second_not_worse: RuleOutcome
    first_not_worse: RuleOutcome
    slices: tuple[RuleOutcome, ...]
    conclusion: str

    def to_json(self) -> dict[str, Any]:
        """Return one plain object."""
        return asdict(self)


def compare_pair(
    first: Run, second: Run, *, metric: str, margin: float, system: str | None = None, confidence: float = 0.95
) -> PairedComparison:
    """Pair the judged systems of two runs (or `system` of both) on their shared held-out set.

    Raises:
        UsageError: a run was not evaluated, there is no such metric, or it is a figure that cannot be paired.
        DataError: the two were not evaluated on the same rows.
    """
    if metric not in METRICS:
        raise UsageError(f"no metric {metric!r}; there are: {', '.join(sorted(METRICS))}")
    if METRICS[metric].kind == "quantile":
        raise UsageError(f"{metric} is a quantile: it has no paired difference; distill report shows both")
    own = read_system(first, system, FIRST), read_system(second, system, SECOND)
    check_same_rows(first, own[0], second, own[1])
    expected = {p.id: p.content_hash for p in own[0]}
    evidence = Evidence(expected, {FIRST: own[0], SECOND: own[1]}, METRICS)
    problems = [*find_row_problems(FIRST, own[0], evidence), *find_row_problems(SECOND, own[1], evidence)]
    if problems:
        raise DataError(f"these predictions cannot be compared: {'; '.join(problems)}")
    rule = RuleConfig(metric=metric, versus=FIRST, margin=margin, per_slice=True)
    forward, *slices = judge_rule(rule, evidence, 1 - confidence)
    swapped = Evidence(expected, {FIRST: rename(own[1], FIRST), SECOND: rename(own[0], SECOND)}, METRICS)
    backward = judge_rule(rule.model_copy(update={"per_slice": False}), swapped, 1 - confidence)[0]
    right = [{p.id: p.correct for p in rows if p.repeat == 0} for rows in own]
    only_first = sum(right[0][name] and not right[1][name] for name in right[0])
    only_second = sum(right[1][name] and not right[0][name] for name in right[0])
    return PairedComparison(
        first=first.id,
        second=second.id,
        metric=metric,
        margin=margin,
        n=len(expected),
        only_first=only_first,
        only_second=only_second,
        mcnemar_exact=mcnemar_exact_p(only_second, only_first),
        mcnemar_mid=mcnemar_midp(only_second, only_first),
        second_not_worse=forward,
        first_not_worse=backward,
        slices=tuple(slices),
        conclusion=conclude_pair(forward, backward, margin),
    )


def conclude_pair(forward: RuleOutcome, backward: RuleOutcome, margin: float) -> str:
    """Say what was shown; "not different" is never among it."""
    low, high = forward.low, forward.high
    if low is not None and low > 0:
        return "the second is better: the whole interval is above zero"
    if high is not None and high < 0:
        extent = f", by less than {margin:g}" if forward.outcome == "pass" else ""
        return f"the first is better: the whole interval is below zero{extent}"
    if forward.outcome == backward.outcome == "pass":
        return f"the two are as good as each other within {margin:g}, both ways shown"
    if forward.outcome == "pass":
        return f"the second is not worse than the first by {margin:g} or more; which is better is not shown"
    if backward.outcome == "pass":
        return f"the first is not worse than the second by {margin:g} or more; which is better is not shown"
    return "neither is shown to be better, nor as good as the other: more held-out rows would tell"


def read_system(run: Run, system: str | None, name: str) -> list[Prediction]:
    """Return a run's predictions of a system (default: the one its gate judged), under another name, sorted.

    Raises:
        UsageError: the run was not evaluated, or has no such system.
    """
    path = run.directory / "predictions.parquet"
    if not path.is_file():
        raise UsageError(f"run {run.id} stopped before evaluate; run its config again without --until")
    gate = run.directory / "gate.json"
    decision = json.loads(gate.read_text(encoding="utf-8")) if gate.is_file() else {}
    wanted = system or find_judged_system(decision)
    rows = [read_prediction(row) for row in cast("list[dict[str, object]]", read_table(path).to_pylist())]
    found = [row for row in rows if row.system == wanted]
    if not found:
        known = ", ".join(sorted({row.system for row in rows}))
        raise UsageError(f"run {run.id} has no predictions of {wanted!r}; it has: {known}")
    return rename(sorted(found, key=lambda p: (p.id, p.repeat)), name)


def rename(rows: list[Prediction], name: str) -> list[Prediction]:
    """Return the rows as those of system `name`."""
    return [replace(row, system=name) for row in rows]


def check_same_rows(first: Run, own: list[Prediction], second: Run, other: list[Prediction]) -> None:
    """Refuse runs that were judged on other rows, or on rows whose content or reference changed.

    Raises:
        DataError: naming how many differ and the first of them.
    """
    left, right = ({p.id: (p.content_hash, p.reference) for p in rows} for rows in (own, other))
    alone = sorted(left.keys() ^ right.keys())
    changed = sorted(name for name in left.keys() & right.keys() if left[name] != right[name])
    if alone or changed:
        what = (
            f"{len(alone)} ids are in one of them only"
            if alone
            else f"{len(changed)} rows have another content or gold"
        )
        raise DataError(
            f"runs {first.id} and {second.id} were not judged on the same held-out rows: {what} "
            f"(first {(alone or changed)[0]!r}); evaluate both on one sealed set"
        )

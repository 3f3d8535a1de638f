"""One rule put to one slice: which rows of which systems it is about, and what a test of it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from distill.gates.config import RuleConfig, TestMode
from distill.gates.evidence import Evidence, Floats, Measure, Measured
from distill.records.prediction import Prediction
from distill.statistics.clusters import have_repeats
from distill.statistics.power import NormalPlan


@dataclass(frozen=True, slots=True)
class Tested:
    """What a rule's test found. `p_pass` speaks against "the rule is broken", `p_fail` against "the rule is kept".

    `problem` says why nothing can be decided (then both p-values are 1); `statement` holds the numbers in words,
    `requirement` what must hold. `difference`, `low`, `high` are of the judged system minus `versus`. `power` is the
    chance to pass at this n of what `assumes` names; `plan`, where there is one, gives it at any n.
    """

    statement: str
    requirement: str
    p_pass: float = 1.0
    p_fail: float = 1.0
    problem: str | None = None
    of: float | None = None
    versus: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    power: float | None = None
    needed_n: int | None = None
    metric: str | None = None
    assumes: str = "an equal system"
    plan: NormalPlan | None = None


class Column(NamedTuple):
    """Per-example values (repeats averaged) in the order of `ids`; `clusters` None where none holds two examples."""

    ids: list[str]
    values: Floats
    clusters: list[str] | None
    unmeasured: int


@dataclass(frozen=True, slots=True)
class Question:
    """A rule, its metric, the error level, the ids it is about (None: all), and which paired test is asked for."""

    rule: RuleConfig
    metric: Measure
    evidence: Evidence
    alpha: float
    of: str
    ids: frozenset[str] | None = None
    mode: TestMode = "auto"

    def rows(self, system: str) -> list[Prediction]:
        """Return the predictions of a system on this question's rows, by id and repeat."""
        found = self.evidence.predictions.get(system, ())
        chosen = [p for p in found if self.ids is None or p.id in self.ids]
        return sorted(chosen, key=lambda p: (p.id, p.repeat))

    def measured(self, system: str) -> Measured | None:
        """Return the number the caller measured for a system, where it did; only for all rows together."""
        if self.ids is not None:
            return None
        return self.evidence.measured.get(self.metric.name, {}).get(system)

    def sample(self, system: str) -> Floats | None:
        """Return the numbers that were measured apart from the rows, of which the metric is a quantile."""
        found = self.evidence.samples.get(self.metric.name, {}).get(system)
        return None if found is None or self.ids is not None else np.asarray(found, np.float64)

    def column(self, system: str) -> Column:
        """Return the per-example values of a system; unmeasured examples are left out and counted."""
        return average_repeats(self.rows(system), self.metric)


def average_repeats(rows: Sequence[Prediction], metric: Measure) -> Column:
    """Make one value of the repeats of each example, as the metric says."""
    found: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    unmeasured: set[str] = set()
    for row in rows:
        value = metric.item(row)
        if value is None:
            unmeasured.add(row.id)
        else:
            found.setdefault(row.id, []).append(value)
            clusters[row.id] = row.cluster or row.id
    combined = {name: metric.over_repeats(values) for name, values in found.items()}
    ids = [name for name, value in combined.items() if value is not None]
    unmeasured |= combined.keys() - set(ids)
    names = [clusters[name] for name in ids]
    values = np.array([combined[name] for name in ids], np.float64)
    return Column(ids, values, names if have_repeats(names) else None, len(unmeasured - set(ids)))


def is_binary(values: Floats) -> bool:
    """Say whether all values are 0 or 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())

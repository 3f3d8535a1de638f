"""A bound on one system's number: the side of the interval that matters must be on the right side of it."""

from __future__ import annotations

import math
from typing import Literal, TypedDict

import numpy as np
from scipy import special

from distill.gates.evidence import Floats
from distill.gates.planning import AS_MEASURED, describe_half_way, half_way_power, rows_to_bound, rows_to_decide
from distill.gates.question import Column, Question, Tested, is_binary
from distill.gates.wording import say
from distill.statistics.bootstrap import bootstrap_p, bootstrap_sums
from distill.statistics.clusters import MIN_CLUSTERS, design_effect, have_repeats
from distill.statistics.paired import estimate_mean, mean_above_p, mean_below_p, mean_interval
from distill.statistics.power import NormalPlan, plan_mean
from distill.statistics.proportions import above_p_value, below_p_value, clopper_pearson_interval
from distill.statistics.quantiles import quantile, quantile_interval

Side = Literal["max", "min"]
_MIN_CORPUS_ROWS = 50


def test_bound(question: Question, bound: float, side: Side) -> Tested:
    """Test that the judged system's metric is not above (max) or not below (min) `bound`."""
    word = "above" if side == "max" else "below"
    requirement = f"{question.metric.name} of {question.of} must not be {word} {say(bound, question.metric.unit)}"
    measured = question.measured(question.of)
    if measured is not None:
        return _test_measured(question, requirement, measured, bound, side)
    if question.metric.kind == "corpus":
        return _test_whole(question, requirement, bound, side)
    sample = question.sample(question.of)
    if sample is not None and np.isfinite(sample).all() and len(sample):
        return _test_quantile(question, requirement, sample, bound, side)
    column = question.column(question.of)
    if len(column.ids) == 0 or (column.unmeasured and question.metric.kind == "mean"):
        return Tested(
            "",
            requirement,
            problem=f"{question.metric.name} is unknown for {column.unmeasured} rows",
            n=len(column.ids),
        )
    if question.metric.kind == "quantile":
        return _test_quantile(question, requirement, column.values, bound, side)
    if is_binary(column.values):
        return _test_proportion(question, requirement, column, bound, side)
    return _test_mean(question, requirement, column, bound, side)


def _test_measured(question: Question, requirement: str, measured: object, bound: float, side: Side) -> Tested:
    value, low, high = (None if x is None else float(x) for x in measured)  # type: ignore[attr-defined]
    if value is None or low is None or high is None or not all(map(math.isfinite, (value, low, high))):
        return Tested("", requirement, problem=f"{question.metric.name} of {question.of} is unknown", of=value)
    passes = high <= bound if side == "max" else low >= bound
    fails = low > bound if side == "max" else high < bound
    n = len({p.id for p in question.rows(question.of)}) if low < high else 0
    z = float(special.ndtri(1 - question.alpha / 2))
    found = _plan(value, (high - low) / (2 * z), n, bound, side, question.alpha / 2)  # a side of a two-sided interval
    return Tested(
        _state(question, value, low, high), requirement, 0.0 if passes else 1.0, 0.0 if fails else 1.0,
        of=value, low=low, high=high, n=n, **found,
    )  # fmt: skip


def _test_proportion(question: Question, requirement: str, column: Column, bound: float, side: Side) -> Tested:
    """Test by Clopper-Pearson; over clusters on n / design effect rows (Korn & Graubard 1998, Surv Methodol 24:193)."""
    n, k = float(len(column.ids)), float(column.values.sum())
    rows, factor = len(column.ids), 1.0
    if column.clusters is not None:
        effect = design_effect(column.values, column.clusters)
        if effect.clusters < MIN_CLUSTERS:
            return _few_clusters(requirement, effect.clusters, rows)
        factor = effect.factor
    k, n = k / factor, n / factor
    low, high = clopper_pearson_interval(k, n, 1 - question.alpha)
    below, above = below_p_value(k, n, bound), above_p_value(k, n, bound)
    p_pass, p_fail = (below, above) if side == "max" else (above, below)
    rate = k / n
    share = bound if side == "max" else 1 - bound
    return Tested(
        _state(question, rate, low, high), requirement, p_pass, p_fail, of=rate, low=low, high=high, n=rows,
        power=half_way_power(int(n), share, question.alpha),
        needed_n=rows_to_bound(rate if side == "max" else 1 - rate, share, question.alpha, factor),
        assumes=describe_half_way(question, share),
    )  # fmt: skip


def _test_mean(question: Question, requirement: str, column: Column, bound: float, side: Side) -> Tested:
    n = len(column.ids)
    if n < 2:
        return Tested("", requirement, problem=f"{n} rows are too few for any test", n=n)
    if column.clusters is not None and len(set(column.clusters)) < MIN_CLUSTERS:
        return _few_clusters(requirement, len(set(column.clusters)), n)
    estimate = estimate_mean(column.values, column.clusters)
    if estimate.se == 0:
        problem = (
            f"{question.metric.name} is {say(estimate.mean, question.metric.unit)} for every row: no spread to test by"
        )
        return Tested("", requirement, problem=problem, of=estimate.mean, n=n)
    low, high = mean_interval(estimate, 1 - question.alpha)
    below, above = mean_below_p(estimate, bound), mean_above_p(estimate, bound)
    p_pass, p_fail = (below, above) if side == "max" else (above, below)
    return Tested(
        _state(question, estimate.mean, low, high),
        requirement,
        p_pass,
        p_fail,
        of=estimate.mean,
        low=low,
        high=high,
        n=n,
        **_plan(estimate.mean, estimate.se, n, bound, side, question.alpha),
    )


def _test_quantile(question: Question, requirement: str, values: Floats, bound: float, side: Side) -> Tested:
    """Test a quantile exactly: it is not above the bound where a share under 1 - q of the values is."""
    q, n = question.metric.q or 0.5, len(values)
    if side == "max":
        beyond, share = int((values > bound).sum()), 1 - q
    else:
        beyond, share = int((values < bound).sum()), q
    listed = values.tolist()
    value = quantile(listed, q)
    low, high = (x if math.isfinite(x) else None for x in quantile_interval(listed, q, 1 - question.alpha))
    return Tested(
        _state(question, value, low, high), requirement,
        below_p_value(beyond, n, share), above_p_value(beyond, n, share),
        of=value, low=low, high=high, n=n,
        power=half_way_power(n, share, question.alpha),
        needed_n=rows_to_bound(beyond / n, share, question.alpha),
        assumes=describe_half_way(question, share),
    )  # fmt: skip


def _test_whole(question: Question, requirement: str, bound: float, side: Side) -> Tested:
    rows = [p for p in question.rows(question.of) if p.repeat == 0]
    if len(rows) < _MIN_CORPUS_ROWS:
        problem = f"{len(rows)} rows are too few for a bootstrap ({_MIN_CORPUS_ROWS} needed)"
        return Tested("", requirement, problem=problem, n=len(rows))
    if unmeasured := sum(not question.metric.is_measured(p) for p in rows):
        problem = f"{question.metric.name} is unknown for {unmeasured} rows"
        return Tested("", requirement, problem=problem, n=len(rows))
    names = [p.cluster or p.id for p in rows]
    clusters = names if have_repeats(names) else None
    if clusters is not None and len(set(clusters)) < MIN_CLUSTERS:
        return _few_clusters(requirement, len(set(clusters)), len(rows))
    (matrix,), combine = question.metric.vectors([rows])
    draws = combine(bootstrap_sums(matrix, question.evidence.resamples, question.evidence.seed, clusters))
    value = float(combine(matrix.sum(axis=0, keepdims=True))[0])
    if not np.isfinite(draws).all() or np.ptp(draws) == 0:
        return Tested(
            "", requirement, problem="every resample gives the same number: no spread to test by", of=value, n=len(rows)
        )
    # basic bootstrap: reflecting the draws about the estimate takes out the bias of resampling (Davison & Hinkley 5.2)
    draws = 2 * value - draws
    low, high = (float(x) for x in np.quantile(draws, [question.alpha / 2, 1 - question.alpha / 2]))
    below, above = bootstrap_p(draws, bound, above=False), bootstrap_p(draws, bound, above=True)
    p_pass, p_fail = (below, above) if side == "max" else (above, below)
    found = _plan(value, float(draws.std()), len(rows), bound, side, question.alpha)
    return Tested(
        _state(question, value, low, high),
        requirement,
        p_pass,
        p_fail,
        of=value,
        low=low,
        high=high,
        n=len(rows),
        **found,
    )


def _state(question: Question, value: float | None, low: float | None, high: float | None) -> str:
    unit = question.metric.unit
    return f"{question.metric.name} of {question.of} is {say(value, unit)} [{say(low, unit)}, {say(high, unit)}]"


def _few_clusters(requirement: str, clusters: int, n: int) -> Tested:
    return Tested("", requirement, problem=f"{clusters} clusters are too few ({MIN_CLUSTERS} needed)", n=n)


class Planned(TypedDict):
    """The fields of `Tested` that speak of other numbers of rows."""

    power: float | None
    needed_n: int | None
    assumes: str
    plan: NormalPlan | None


def _plan(value: float, se: float, n: int, bound: float, side: Side, alpha: float) -> Planned:
    """Plan for a system that truly is as it was measured: no other value stands out for a mean."""
    distance = bound - value if side == "max" else value - bound
    plan = plan_mean(distance, se, n, alpha)
    needed = rows_to_decide(distance, se, n, alpha)
    return Planned(power=plan and plan.power(n), needed_n=needed, assumes=AS_MEASURED, plan=plan)

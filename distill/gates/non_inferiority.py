"""The rule `versus` + `margin`: the judged system may be worse, on the same examples, by less than the margin.

The null is "worse by the margin or more", so "not significant" never passes. Binary scores by Tango's test (exact to
n = 1,000), other scores by paired t, metrics of a whole set by the paired bootstrap (golden/README, 1-3 and 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from distill.gates.agreement import test_agreement
from distill.gates.evidence import Floats
from distill.gates.planning import rows_to_decide
from distill.gates.powered import MIN_GOLD_ROWS, count_gold, test_powered
from distill.gates.question import Question, Tested, is_binary
from distill.gates.wording import say, say_difference
from distill.statistics.bootstrap import bca_interval, bootstrap_p, bootstrap_sums, percentile_interval
from distill.statistics.clusters import MIN_CLUSTERS, design_effect, have_repeats
from distill.statistics.interval import Interval
from distill.statistics.paired import estimate_mean, mean_above_p, mean_below_p, mean_interval
from distill.statistics.power import NormalPlan, gate_power, needed_n, plan_mean
from distill.statistics.proportions import below_p_value
from distill.statistics.tango import tango_interval, tango_score
from distill.statistics.tango_exact import MAX_EXACT_N, exact_noninferiority_p

_MIN_CORPUS_ROWS = 50
_MIN_DIFFERING = 10
_MAX_NEEDED = 10_000_000


class Gap(NamedTuple):
    """A tested difference in the direction where more is better."""

    mean: float
    interval: Interval
    p_pass: float
    p_fail: float
    power: float | None
    needed: int | None
    note: str = ""
    problem: str | None = None
    plan: NormalPlan | None = None


def test_non_inferiority(question: Question) -> Tested:
    """Test "worse than `versus` by less than the margin"."""
    rule = question.rule
    assert rule.margin is not None
    assert rule.versus is not None
    if question.evidence.reference == "teacher" and rule.versus == "teacher" and question.metric.kind == "mean":
        column = question.column(question.of)
        if question.metric.name == "accuracy" and count_gold(question) >= MIN_GOLD_ROWS:
            return test_powered(question)
        if is_binary(column.values):
            return test_agreement(question, column)
    requirement = f"{question.of} must be worse than {rule.versus} by less than {_points(question, rule.margin)}"
    if rule.versus not in question.evidence.predictions:
        return Tested("", requirement, problem=_explain_absence(rule.versus))
    if question.metric.kind == "mean":
        return _test_mean(question, requirement)
    return _test_whole(question, requirement)


def _explain_absence(versus: str) -> str:
    if versus.startswith("channel:"):
        name = versus.removeprefix("channel:")
        return (
            f"nothing was ever promoted to channel {name!r}; promote a first student without this rule, or let it warn"
        )
    return f"there are no predictions of {versus!r} on this held-out set"


def _test_mean(question: Question, requirement: str) -> Tested:
    rule = question.rule
    own, other = question.column(question.of), question.column(rule.versus or "")
    n = len(own.ids)
    if own.unmeasured or other.unmeasured or own.ids != other.ids:
        missing = max(own.unmeasured, other.unmeasured)
        return Tested("", requirement, problem=f"{question.metric.name} is unknown for {missing} rows", n=n)
    if n < 2:
        return Tested("", requirement, problem=f"{n} rows are too few for any test", n=n)
    sign = 1.0 if question.metric.higher_is_better else -1.0
    differences = sign * (own.values - other.values)
    binary = is_binary(own.values) and is_binary(other.values)
    test = _binary_gap if binary else _score_gap
    gap = test(differences, own.clusters, question)
    return _report(question, requirement, gap, (float(own.values.mean()), float(other.values.mean())), n)


def _binary_gap(differences: Floats, clusters: list[str] | None, question: Question) -> Gap:
    """Test by Tango's score; over clusters with its variance times the design effect, and t for the normal."""
    alpha, margin = question.alpha, question.rule.margin or 0.0
    n, b, c = len(differences), int((differences > 0).sum()), int((differences < 0).sum())
    score, mean = tango_score(b, c, n, -margin), (b - c) / n
    needed = _needed_binary(margin, b, c, n, alpha)
    power = gate_power(n, margin, max(b + c, 1) / n, 0.0, alpha, exact=question.mode != "score")
    if clusters is None:
        if question.mode == "exact" and n > MAX_EXACT_N:
            problem = f"gate.test is exact, which is offered up to {MAX_EXACT_N} rows: use auto or score"
            return Gap(mean, Interval(mean, mean), 1.0, 1.0, None, None, problem=problem)
        exact = question.mode != "score" and n <= MAX_EXACT_N
        p_pass = exact_noninferiority_p(b, c, n, margin) if exact else float(stats.norm.sf(score))
        return Gap(mean, tango_interval(b, c, n, 1 - alpha), p_pass, float(stats.norm.cdf(score)), power, needed)
    effect = design_effect(differences, clusters)
    if effect.clusters < MIN_CLUSTERS:
        return _too_few_clusters(mean, effect.clusters)
    degrees, root = effect.clusters - 1, math.sqrt(effect.factor)
    interval = tango_interval(b, c, n, z=root * float(stats.t.ppf(1 - alpha / 2, degrees)))
    power = gate_power(max(1, int(n / effect.factor)), margin, max(b + c, 1) / n, 0.0, alpha)
    p_pass, p_fail = float(stats.t.sf(score / root, degrees)), float(stats.t.cdf(score / root, degrees))
    note = (
        f"{effect.clusters} clusters, design effect {effect.factor:.2f}{' (worst case)' if effect.worst_case else ''}"
    )
    return Gap(
        mean, interval, p_pass, p_fail, power, None if needed is None else math.ceil(needed * effect.factor), note
    )


def _score_gap(differences: Floats, clusters: list[str] | None, question: Question) -> Gap:
    """Test by paired t; where under ten examples differ at all, by the exact bound on how many lose."""
    alpha, margin = question.alpha, question.rule.margin or 0.0
    n = len(differences)
    if np.ptp(differences) == 0:
        mean = float(differences[0])
        return Gap(
            mean, Interval(mean, mean), 1.0, 1.0, None, None, problem="all differences are equal: no spread to test by"
        )
    if clusters is not None and len(set(clusters)) < MIN_CLUSTERS:
        return _too_few_clusters(float(differences.mean()), len(set(clusters)))
    estimate = estimate_mean(differences, clusters)
    interval = mean_interval(estimate, 1 - alpha)
    p_pass, p_fail = mean_above_p(estimate, -margin), mean_below_p(estimate, -margin)
    note = ""
    if int((differences != 0).sum()) < _MIN_DIFFERING and question.metric.unit == "fraction":
        # a difference of scores in [0, 1] is at least -1, so the mean is at least -P(the example loses)
        p_pass = max(p_pass, below_p_value(int((differences < 0).sum()), n, min(margin, 1.0)))
        note = f"only {int((differences != 0).sum())} examples differ: exact bound"
    elif n >= 200 and clusters is None:
        bca = bca_interval(differences, 1 - alpha, question.evidence.resamples, question.evidence.seed)
        note = (
            f"BCa [{say_difference(bca.low, question.metric.unit)}, {say_difference(bca.high, question.metric.unit)}]"
        )
    plan, needed = _normal_plan(estimate.mean, estimate.se, n, margin, alpha)
    return Gap(estimate.mean, interval, p_pass, p_fail, plan and plan.power(n), needed, note, plan=plan)


def _test_whole(question: Question, requirement: str) -> Tested:
    """Test a metric of the whole set: both systems share each resample of examples (or clusters)."""
    rule, evidence = question.rule, question.evidence
    own, other = question.rows(question.of), question.rows(rule.versus or "")
    own, other = [p for p in own if p.repeat == 0], [p for p in other if p.repeat == 0]
    n = len(own)
    if n < _MIN_CORPUS_ROWS:
        return Tested("", requirement, problem=f"{n} rows are too few for a bootstrap ({_MIN_CORPUS_ROWS} needed)", n=n)
    names = [p.cluster or p.id for p in own]
    clusters = names if have_repeats(names) else None
    if clusters is not None and len(set(clusters)) < MIN_CLUSTERS:
        return Tested(
            "", requirement, problem=f"{len(set(clusters))} clusters are too few ({MIN_CLUSTERS} needed)", n=n
        )
    if question.metric.kind == "quantile":
        return Tested(
            "",
            requirement,
            problem=f"a margin on the quantile {question.metric.name} is not offered: use max or max_ratio",
            n=n,
        )
    for name, rows in ((question.of, own), (rule.versus or "", other)):
        if unmeasured := sum(not question.metric.is_measured(p) for p in rows):
            problem = f"{question.metric.name} of {name} is unknown for {unmeasured} rows"
            return Tested("", requirement, problem=problem, n=n)
    (first, second), combine = question.metric.vectors([own, other])
    sums = bootstrap_sums(np.hstack([first, second]), evidence.resamples, evidence.seed, clusters)
    width = first.shape[1]
    sign = 1.0 if question.metric.higher_is_better else -1.0
    draws = sign * (combine(sums[:, :width]) - combine(sums[:, width:]))
    values = (_value(first, combine), _value(second, combine))
    mean, margin = sign * (values[0] - values[1]), rule.margin or 0.0
    if np.ptp(draws) == 0:
        gap = Gap(
            mean, Interval(mean, mean), 1.0, 1.0, None, None, problem="the systems never differ: no spread to test by"
        )
    else:
        interval = percentile_interval(draws, 1 - question.alpha)
        plan, needed = _normal_plan(mean, float(draws.std()), n, margin, question.alpha)
        p_pass, p_fail = bootstrap_p(draws, -margin, above=True), bootstrap_p(draws, -margin, above=False)
        note, power = f"{evidence.resamples} paired resamples", plan and plan.power(n)
        gap = Gap(mean, interval, p_pass, p_fail, power, needed, note, plan=plan)
    return _report(question, requirement, gap, values, n)


def _value(matrix: Floats, combine: Callable[[Floats], Floats]) -> float:
    return float(combine(matrix.sum(axis=0, keepdims=True))[0])


def _report(question: Question, requirement: str, gap: Gap, values: tuple[float, float], n: int) -> Tested:
    """Turn the gap back into the metric's own direction: judged minus versus."""
    unit, sign = question.metric.unit, 1.0 if question.metric.higher_is_better else -1.0
    low, high = sorted((sign * gap.interval.low, sign * gap.interval.high))
    known = gap.problem is None
    statement = f"{question.of} {say(values[0], unit)}, {question.rule.versus} {say(values[1], unit)}: "
    statement += f"difference {say_difference(sign * gap.mean, unit)}"
    if known:
        statement += f" [{say_difference(low, unit)}, {say_difference(high, unit)}]"
    statement += f" ({gap.note})" if gap.note else ""
    return Tested(
        statement,
        requirement,
        gap.p_pass,
        gap.p_fail,
        gap.problem,
        values[0],
        values[1],
        sign * gap.mean,
        low if known else None,
        high if known else None,
        n,
        gap.power,
        gap.needed,
        plan=gap.plan,
    )


def _needed_binary(margin: float, b: int, c: int, n: int, alpha: float) -> int | None:
    """Return the rows that would decide if the observed discordance and (where negative) difference hold."""
    psi, difference = max(b + c, 1) / n, min(0.0, (b - c) / n)
    if difference > -margin:
        found = needed_n(margin, psi, difference, alpha)
    elif difference < -margin:
        spread = math.sqrt(max(psi - difference**2, 1e-12))
        z = float(stats.norm.ppf(1 - alpha / 2)) + float(stats.norm.ppf(0.8))
        found = math.ceil((z * spread / (-margin - difference)) ** 2)
    else:
        return None
    return found if found <= _MAX_NEEDED else None


def _normal_plan(mean: float, se: float, n: int, margin: float, alpha: float) -> tuple[NormalPlan | None, int | None]:
    """Return the plan for an equal system, and the rows that would decide, by the normal approximation."""
    room = margin + min(0.0, mean)
    return plan_mean(margin, se, n, alpha), rows_to_decide(room, se, n, alpha)


def _too_few_clusters(mean: float, clusters: int) -> Gap:
    problem = f"{clusters} clusters are too few to know the spread between them ({MIN_CLUSTERS} needed)"
    return Gap(mean, Interval(mean, mean), 1.0, 1.0, None, None, problem=problem)


def _points(question: Question, margin: float) -> str:
    return say_difference(margin, question.metric.unit).lstrip("+")

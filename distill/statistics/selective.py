"""Answering only where sure: the risk-coverage curve, and a threshold whose promise holds (Learn then Test)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from distill.statistics.proportions import clopper_pearson_interval, clopper_pearson_upper

Floats = NDArray[np.float64]


class CoveragePoint(NamedTuple):
    """Answering at confidence >= `threshold`: share answered, error rate among the answers with its 95% interval."""

    threshold: float
    coverage: float
    risk: float
    risk_low: float
    risk_high: float
    answered: int


class Certificate(NamedTuple):
    """`threshold` is None when nothing can be certified; `upper` bounds the risk there, `answered` is its n."""

    threshold: float | None
    upper: float | None
    answered: int
    reason: str


def area_under_risk_coverage(confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats) -> float:
    """Return the mean of the selective risks at coverage 1/n..n/n; ties in confidence keep the input order.

    Raises:
        ValueError: no values, or lengths differ.
    """
    risks = _cumulative(confidence, correct)[1]
    return float(np.mean(risks))


def risk_coverage_curve(
    confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats, points: int = 101
) -> list[CoveragePoint]:
    """Return the curve at up to `points` distinct thresholds, strictest first.

    Raises:
        ValueError: no values, or lengths differ.
    """
    p, risks = _cumulative(confidence, correct)
    last_of_tie = np.flatnonzero(np.append(p[1:] != p[:-1], True))
    chosen = last_of_tie[np.unique(np.linspace(0, len(last_of_tie) - 1, points).round().astype(int))]
    curve: list[CoveragePoint] = []
    for i in chosen.tolist():
        wrong = round(float(risks[i]) * (i + 1))
        low, high = clopper_pearson_interval(wrong, i + 1)
        curve.append(CoveragePoint(float(p[i]), (i + 1) / len(p), float(risks[i]), low, high, i + 1))
    return curve


def certify_threshold(
    confidence: Sequence[float] | Floats,
    correct: Sequence[float] | Floats,
    target_risk: float,
    delta: float = 0.1,
    grid: Sequence[float] | None = None,
    over: Literal["answered", "traffic"] = "answered",
) -> Certificate:
    """Return the loosest threshold whose risk is below `target_risk` with probability 1 - `delta`.

    The risk is P(wrong | answered), or with `over` traffic P(answered and wrong): a share of every request, those
    that are not answered included. Either is a binomial share, so the same exact bound serves.

    Learn then Test, fixed sequence (Angelopoulos et al. 2021, arXiv:2110.01052): a grid fixed in advance, strict to
    loose, each tested by Clopper-Pearson at 1 - delta, stopping at the first failure; it starts where enough rows
    remain for a test to be able to pass. Give it a split of its own, on which nothing was fitted.

    Raises:
        ValueError: no values, lengths differ, or target_risk or delta is not in (0, 1).
    """
    if not (0 < target_risk < 1 and 0 < delta < 1):
        raise ValueError(f"target_risk and delta must be in (0, 1), got {target_risk!r} and {delta!r}")
    p, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(p) == 0 or len(p) != len(y):
        raise ValueError(f"need as many confidences as outcomes and one or more, got {len(p)} and {len(y)}")
    enough = math.ceil(math.log(delta) / math.log1p(-target_risk))
    best = Certificate(None, None, 0, f"nothing can be certified at n={len(p)}: {target_risk:.1%} needs {enough} rows")
    for threshold in sorted(grid if grid is not None else np.linspace(0, 1, 201).tolist(), reverse=True):
        chosen = p >= threshold
        answered, wrong = int(chosen.sum()), int((1 - y[chosen]).sum())
        n = answered if over == "answered" else len(p)
        if n < enough or answered == 0:
            continue
        upper = clopper_pearson_upper(wrong, n, 1 - delta)
        if upper > target_risk:
            if best.threshold is not None:
                return best
            return Certificate(None, upper, answered, _say_none(wrong, answered, len(p), upper, target_risk))
        whose = f"on {n} of {len(p)} rows" if over == "answered" else f"of all traffic, {answered} of {n} rows answered"
        best = Certificate(
            float(threshold), upper, answered, f"risk <= {upper:.1%} with {1 - delta:.0%} confidence {whose}"
        )
    return best


def _say_none(wrong: int, answered: int, n: int, upper: float, target_risk: float) -> str:
    return (
        f"nothing can be certified at n={n}: of the {answered} surest answers {wrong} are wrong, "
        f"so the risk may be {upper:.1%} > {target_risk:.1%}"
    )


def _cumulative(confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    p, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(p) == 0 or len(p) != len(y):
        raise ValueError(f"need as many confidences as outcomes and one or more, got {len(p)} and {len(y)}")
    order = np.argsort(-p, kind="stable")
    return p[order], np.cumsum(1 - y[order]) / np.arange(1, len(p) + 1)

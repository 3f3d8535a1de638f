"""How many rows would decide a rule if what was seen holds: with power .8, to pass it or to show that it fails."""

from __future__ import annotations

import math

from distill.gates.question import Question
from distill.statistics.power import NormalPlan, plan_mean
from distill.statistics.proportions import bound_power, needed_for_bound

AS_MEASURED = "a system that is as it was measured here"


def rows_to_decide(distance: float, se: float, n: int, alpha: float) -> int | None:
    """Return the rows for a mean `distance` on the right side of its bound; on the wrong side, to show that it fails.

    A rule passes at `alpha` and is shown to fail at half of it.
    """
    plan = plan_mean(distance, se, n, alpha) if distance >= 0 else plan_mean(-distance, se, n, alpha / 2)
    return None if plan is None else plan.needed()


def rows_to_bound(rate: float, bound: float, alpha: float, factor: float = 1.0) -> int | None:
    """Return the rows that show a share of bad rows under `bound`, or over it where `rate` is.

    By the exact power of the test (golden/README, 4); `factor` is the design effect.
    """
    if not 0 < bound < 1 or rate == bound:
        return None
    needed = needed_for_bound(rate, bound, alpha) if rate < bound else needed_for_bound(1 - rate, 1 - bound, alpha / 2)
    return None if needed is None else math.ceil(needed * factor)


def half_way_power(n: int, share: float, alpha: float) -> float | None:
    """Return the chance to pass for a system with half of the bad rows that are allowed."""
    return bound_power(n, share, share / 2, alpha) if 0 < share < 1 and n >= 1 else None


def describe_half_way(question: Question, share: float) -> str:
    """Name the system that `half_way_power` is about."""
    what = "rows beyond it" if question.metric.kind == "quantile" else "bad rows"
    return f"a system with half of the {what} that are allowed ({share / 2:.2%})"


def ratio_rows(plan: NormalPlan | None, failing: NormalPlan | None) -> int | None:
    """Return the rows that pass a ratio, or that show it to fail where it lies beyond its limit."""
    chosen = plan if plan is not None and plan.signal >= 0 else failing
    return None if chosen is None else chosen.needed()

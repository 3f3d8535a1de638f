"""The `gate` section: the rules a student must pass."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from distill.records.frozen import Frozen
from distill.statistics.looks import Spending


class RuleConfig(Frozen):
    """One rule: a metric with either a margin against another system, a bound, or a ratio."""

    metric: str
    """Metric name (see `distill schema --parts`)."""
    of: Literal["student", "cascade"] = "student"
    """System that is judged."""
    versus: str | None = None
    """teacher, base, a baseline's name, or channel:NAME."""
    margin: float | None = Field(default=None, gt=0)
    """Paired non-inferiority: `of` may be worse than `versus` by less than this."""
    max: float | None = None
    """The upper confidence bound must not be above this."""
    min: float | None = None
    """The lower confidence bound must not be below this."""
    max_ratio: float | None = Field(default=None, gt=0)
    """`of` divided by `versus` must not be above this."""
    per_slice: bool = False
    """Also judge each slice (claims about single slices are Holm-corrected)."""
    min_n: int = Field(default=50, ge=1)
    """A slice with fewer rows is inconclusive."""
    policy: Literal["block", "warn"] = "block"
    """`warn`: shown, but does not decide."""
    slice_policy: Literal["block", "warn"] | None = None
    """Policy of the slices; default: `policy`."""

    @model_validator(mode="after")
    def check_one_test(self) -> RuleConfig:
        given = [name for name in ("margin", "max", "min", "max_ratio") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of margin, max, min, max_ratio (got {given or 'none'})")
        if given[0] in ("margin", "max_ratio") and self.versus is None:
            raise ValueError(f"{given[0]} needs versus: teacher, base, a baseline or channel:NAME")
        return self


TestMode = Literal["auto", "exact", "score"]


class GateConfig(Frozen):
    """The rules; promote needs all of them to pass."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """One-sided confidence of each rule."""
    looks: Spending = "allow"
    """What each look at the held-out set is tested at. `allow`: those that `data.heldout.allowed_looks` allows at full
    alpha, the k-th past them at alpha / (k (k + 1)); `spend`: every k-th so, and all looks together cost alpha."""
    test: TestMode = "auto"
    """Paired test of right/wrong: `exact` (up to 1,000 rows), `score` (Tango); `auto`: exact while it is offered."""
    rules: tuple[RuleConfig, ...] = Field(min_length=1)
    """All must pass (an intersection-union test: each at full alpha)."""

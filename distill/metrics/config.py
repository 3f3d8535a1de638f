"""The `evaluate` section: what is measured on the sealed held-out set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen


class FallbackConfig(Frozen):
    """Where the student gives way to the teacher."""

    threshold: Literal["auto"] | float = "auto"
    """Confidence from which the student answers; `auto` certifies one on validation (Learn then Test)."""
    target_risk: float = Field(default=0.05, gt=0, lt=1)
    """Error rate of the student's own answers that `auto` certifies."""
    delta: float = Field(default=0.1, gt=0, lt=1)
    """Chance that the certificate is wrong."""


class EvaluateConfig(Frozen):
    """What is measured."""

    fallback: FallbackConfig | None = None
    """The cascade's threshold; null: the student answers everything."""
    metrics: tuple[str, ...] | None = None
    """Metric names; default: the usual ones of the task's output kind."""
    baselines: tuple[str, ...] = ("majority",)
    """Baselines: majority, linear_probe."""
    repeats: int = Field(default=1, ge=1)
    """Evaluations of each system, for the noise floor."""
    bootstrap_resamples: int = Field(default=9999, ge=999)
    """Resamples of intervals that need them."""
    seed: int = 0
    """Seed of resampling."""

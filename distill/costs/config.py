"""The `costs` section: what serving and training cost, for the comparison with the teacher."""

from __future__ import annotations

from pydantic import Field

from distill.records.frozen import Frozen


class ServingCostConfig(Frozen):
    """The machine that serves the student."""

    usd_per_hour: float | None = Field(default=None, gt=0)
    """Instance rate; unknown stays unknown (null), never 0."""
    utilisation: float = Field(default=0.5, gt=0, le=1)
    """Share of the machine's time that serves requests."""


class TrainingCostConfig(Frozen):
    """The machine that trains and evaluates."""

    usd_per_hour: float | None = Field(default=None, gt=0)
    """Instance rate."""


class CostsConfig(Frozen):
    """Assumptions of the cost comparison."""

    requests_per_day: float = Field(default=10_000, gt=0)
    """Traffic."""
    student: ServingCostConfig = ServingCostConfig()
    """Serving machine."""
    training: TrainingCostConfig = TrainingCostConfig()
    """Training machine."""
    model_share_of_latency: float = Field(default=1.0, gt=0, le=1)
    """Share of the caller's end-to-end latency that is the model (Amdahl's bound)."""
    audit_rate: float = Field(default=0.02, ge=0, le=1)
    """Share of the student's answers that the teacher is asked about again, for the monitor (the gateway's default)."""
    redistil_every_days: float | None = Field(default=None, gt=0)
    """Days until the student is distilled anew; null: never."""
    simulations: int = Field(default=10_000, ge=100)
    """Monte-Carlo draws of the break-even band."""
    seed: int = 0
    """Seed of the draws."""

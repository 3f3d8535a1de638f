"""What serving costs and how fast it is: measured throughput x stated rate x stated utilisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from distill.costs.config import CostsConfig, ServingCostConfig

SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24
DAYS_PER_MONTH = 365.25 / 12


def student_cost_per_1k_usd(throughput_per_s: float | None, config: ServingCostConfig) -> float | None:
    """Return the USD of 1,000 student answers, or None when throughput or rate is unknown.

    The machine answers `throughput_per_s` when busy and is busy for the share `utilisation` of the hours paid.
    """
    if throughput_per_s is None or throughput_per_s <= 0 or config.usd_per_hour is None:
        return None
    return config.usd_per_hour / (throughput_per_s * SECONDS_PER_HOUR * config.utilisation) * 1000


def cascade_cost_per_1k_usd(
    student_per_1k_usd: float | None, teacher_per_1k_usd: float | None, escalation_rate: float | None
) -> float | None:
    """Return the USD of 1,000 cascade answers: the student answers all, the teacher the escalated share again.

    Raises:
        ValueError: the rate is outside [0, 1].
    """
    if student_per_1k_usd is None or escalation_rate is None:
        return None
    if not 0 <= escalation_rate <= 1:
        raise ValueError(f"an escalation rate lies in [0, 1], not {escalation_rate!r}")
    if escalation_rate == 0:
        return student_per_1k_usd
    return None if teacher_per_1k_usd is None else student_per_1k_usd + escalation_rate * teacher_per_1k_usd


def cost_per_success_usd(per_1k_usd: float | None, accuracy: float | None) -> float | None:
    """Return the USD for one right answer, or None when unknown or when no answer is right."""
    if per_1k_usd is None or accuracy is None or accuracy <= 0:
        return None
    return per_1k_usd / 1000 / accuracy


def compute_usd(seconds: float | None, config: CostsConfig) -> float | None:
    """Return the USD of machine time for training or evaluation, or None when time or rate is unknown."""
    if seconds is None or config.training.usd_per_hour is None:
        return None
    return seconds / SECONDS_PER_HOUR * config.training.usd_per_hour


def count_machines(requests_per_day: float, throughput_per_s: float, utilisation: float) -> int:
    """Return how many whole machines the traffic needs; one at least."""
    capacity_per_day = throughput_per_s * SECONDS_PER_HOUR * HOURS_PER_DAY * utilisation
    return max(1, math.ceil(requests_per_day / capacity_per_day))


@dataclass(frozen=True, slots=True)
class Speedup:
    """How much faster answers are: of the model alone, end to end, and the bound no model can pass (Amdahl)."""

    model: float
    end_to_end: float
    bound: float | None


def amdahl_speedup(teacher_ms: float, system_ms: float, share: float) -> Speedup:
    """Return the speed-up when `share` of the caller's latency is the model's (Amdahl 1967).

    `bound` is None where the model is all of the latency: there is no bound then.

    Raises:
        ValueError: a latency is not positive, or the share is outside (0, 1].
    """
    if teacher_ms <= 0 or system_ms <= 0 or not 0 < share <= 1:
        raise ValueError(f"cannot compare latencies {teacher_ms!r} and {system_ms!r} ms at share {share!r}")
    factor = teacher_ms / system_ms
    end_to_end = 1 / ((1 - share) + share / factor)
    return Speedup(model=factor, end_to_end=end_to_end, bound=None if share == 1 else 1 / (1 - share))

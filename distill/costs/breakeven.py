"""When the one-off costs are earned back, as a point and as a band over what is not known exactly.

Drawn anew in each simulation: token lengths (Bayesian bootstrap of the held-out answers' prices, Rubin 1981), the
machine's rate and the re-distillation interval (log-normal, sigma 0.15 and 0.25), utilisation (triangular, half to
one and a half times the stated one, at most 1), the escalation rate (Jeffreys' beta posterior). Audits of the student's
answers by the teacher are paid all along. "Never" is an answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distill.costs.config import CostsConfig
from distill.costs.serving import SECONDS_PER_HOUR

RATE_SIGMA = 0.15
INTERVAL_SIGMA = 0.25
BAND = (5.0, 95.0)
CHUNK_DRAWS = 500

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """A point with the 5th and 95th percentile of the draws; None is "never"."""

    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class BreakEven:
    """When it pays back; `never_share` is the share of draws in which it never does."""

    state: Literal["pays_back", "never", "unknown"]
    reason: str
    requests: Band | None = None
    days: Band | None = None
    never_share: float | None = None


@dataclass(frozen=True, slots=True)
class Economics:
    """What break-even depends on. `escalated` of `n_rows` held-out requests went to the teacher (0 of n: none).

    `teacher_costs_usd` holds the price of single teacher answers, in USD.
    """

    one_off_usd: float | None
    teacher_costs_usd: tuple[float, ...]
    throughput_per_s: float | None
    escalated: int
    n_rows: int


def compute_break_even(economics: Economics, config: CostsConfig) -> BreakEven:
    """Say after how many requests and days the run has paid for itself.

    Deterministic under `config.seed`.
    """
    unknown = _name_unknowns(economics, config)
    if unknown:
        return BreakEven("unknown", f"unknown without {', '.join(unknown)}")
    estimate = _pay_back_requests(economics, config)
    draws = _draw(economics, config)
    low, high = (float(value) for value in np.percentile(draws, BAND, method="nearest"))
    requests = Band(_finite(estimate), _finite(low), _finite(high))
    never_share = float(np.isinf(draws).mean())
    if requests.estimate is None:
        return BreakEven("never", _explain_never(economics, config), requests, _in_days(requests, config), never_share)
    reason = "the saving per request earns back what was spent once"
    return BreakEven("pays_back", reason, requests, _in_days(requests, config), never_share)


def _name_unknowns(economics: Economics, config: CostsConfig) -> list[str]:
    missing = {
        "the one-off costs": economics.one_off_usd is None,
        "the teacher's price": not economics.teacher_costs_usd,
        "the student's throughput": not economics.throughput_per_s,
        "costs.student.usd_per_hour": config.student.usd_per_hour is None,
        "held-out rows": economics.n_rows == 0,
    }
    return [name for name, is_missing in missing.items() if is_missing]


def _pay_back_requests(economics: Economics, config: CostsConfig) -> float:
    teacher = np.array([sum(economics.teacher_costs_usd) / len(economics.teacher_costs_usd)])
    rate = np.array([config.student.usd_per_hour or math.nan])
    utilisation = np.array([config.student.utilisation])
    escalation = np.array([economics.escalated / economics.n_rows])
    interval = np.array([config.redistil_every_days or math.inf])
    return float(_solve(economics, config, teacher, rate, utilisation, escalation, interval)[0])


def _draw(economics: Economics, config: CostsConfig) -> Floats:
    rng = np.random.default_rng(config.seed)
    count = config.simulations
    stated = config.student.utilisation
    teacher = _bootstrap_means(np.array(economics.teacher_costs_usd), count, rng)
    rate = (config.student.usd_per_hour or math.nan) * rng.lognormal(0.0, RATE_SIGMA, count)
    utilisation = rng.triangular(stated / 2, stated, max(min(1.0, 1.5 * stated), stated + 1e-9), count)
    escalation = np.zeros(count)
    if economics.escalated:
        kept = economics.n_rows - economics.escalated
        escalation = rng.beta(economics.escalated + 0.5, kept + 0.5, count)
    interval = np.full(count, math.inf)
    if config.redistil_every_days is not None:
        interval = config.redistil_every_days * rng.lognormal(0.0, INTERVAL_SIGMA, count)
    return _solve(economics, config, teacher, rate, utilisation, escalation, interval)


def _bootstrap_means(values: Floats, count: int, rng: np.random.Generator) -> Floats:
    means = np.empty(count)
    for start in range(0, count, CHUNK_DRAWS):
        size = min(CHUNK_DRAWS, count - start)
        weights = rng.standard_exponential((size, len(values)))
        means[start : start + size] = weights @ values / weights.sum(axis=1)
    return means


def _solve(
    economics: Economics,
    config: CostsConfig,
    teacher: Floats,
    rate: Floats,
    utilisation: Floats,
    escalation: Floats,
    interval: Floats,
) -> Floats:
    per_second = (economics.throughput_per_s or math.nan) * utilisation
    saving = teacher * (1 - escalation) * (1 - config.audit_rate) - rate / (SECONDS_PER_HOUR * per_second)
    requests = np.full(len(saving), math.inf)
    pays = saving > 0
    requests[pays] = (economics.one_off_usd or 0.0) / saving[pays]
    requests[requests > interval * config.requests_per_day] = math.inf
    return requests


def _explain_never(economics: Economics, config: CostsConfig) -> str:
    without_renewal = _pay_back_requests(economics, config.model_copy(update={"redistil_every_days": None}))
    if math.isinf(without_renewal):
        return "one request costs as much as the teacher's or more, so nothing is ever earned back"
    days = without_renewal / config.requests_per_day
    return (
        f"it would take {days:,.0f} days at {config.requests_per_day:,.0f} requests a day, but the student is "
        f"distilled anew every {config.redistil_every_days:,.0f} days"
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _in_days(requests: Band, config: CostsConfig) -> Band:
    days = [None if value is None else value / config.requests_per_day for value in _values(requests)]
    return Band(*days)


def _values(band: Band) -> tuple[float | None, float | None, float | None]:
    return band.estimate, band.low, band.high

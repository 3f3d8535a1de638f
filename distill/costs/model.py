"""The costs of a run, as costs.json holds them: null is unknown, and then a warning says what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast

from distill.costs.breakeven import Band, BreakEven
from distill.costs.cascade import CascadePoint
from distill.costs.ledger import LedgerEntry
from distill.records.json import Json


@dataclass(frozen=True, slots=True)
class TeacherCosts:
    """The teacher: what its answers for training cost, and what it costs to serve with it.

    `per_1k_low_usd` and `per_1k_high_usd` are the 5th and 95th percentile over token lengths.
    """

    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    usd: float | None
    wasted_usd: float | None
    estimated_calls: int
    price_source: str
    price_is_assumption: bool
    per_1k_usd: float | None
    per_1k_low_usd: float | None
    per_1k_high_usd: float | None
    per_success_usd: float | None
    accuracy: float | None
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class StudentCosts:
    """The student alone, priced at its measured throughput."""

    per_1k_usd: float | None
    per_success_usd: float | None
    accuracy: float | None
    throughput_per_s: float | None
    p50_ms: float | None
    p95_ms: float | None
    usd_per_hour: float | None
    utilisation: float


@dataclass(frozen=True, slots=True)
class CascadeCosts:
    """Student and teacher together at the threshold in use (None: none could be chosen, the teacher answers all)."""

    threshold: float | None
    escalation_rate: float
    per_1k_usd: float | None
    per_success_usd: float | None
    accuracy: float | None
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class OneOffCosts:
    """Paid once per distillation: `total_usd` is data, training, evaluation and judge.

    `evaluation_usd` holds machine time and every answer bought on the held-out set: the teacher's, those of cheaper
    models, and the verdicts of a judge there; `judge_usd` is what filters paid a judge of training data.
    `paid_usd` is what this run paid to teachers itself; answers from the journal were paid before.
    """

    data_usd: float | None
    training_usd: float | None
    evaluation_usd: float | None
    total_usd: float | None
    judge_usd: float | None = 0.0
    paid_usd: float | None = None


@dataclass(frozen=True, slots=True)
class MonthlyCosts:
    """Serving `requests` a month.

    `audit_usd` asks the teacher about a sample of the student's answers; `system_usd` is what is served and audited;
    `dedicated_usd` is the machines' bill when whole machines serve nothing else.
    """

    requests: float
    teacher_usd: float | None
    student_usd: float | None
    cascade_usd: float | None
    audit_usd: float | None
    system_usd: float | None
    saving_usd: float | None
    machines: int | None
    dedicated_usd: float | None


@dataclass(frozen=True, slots=True)
class TotalCost:
    """Total cost of ownership over `days`: one-off costs (again at each re-distillation) and serving."""

    days: float
    distillations: int
    teacher_usd: float | None
    system_usd: float | None


@dataclass(frozen=True, slots=True)
class LatencyComparison:
    """Speed-ups over the teacher at the median, and Amdahl's bound for this share of the caller's latency."""

    model_share: float
    model_speedup: float | None
    end_to_end_speedup: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """Everything costs.json says. `system` is what would be served: student, or cascade."""

    system: str
    teacher: TeacherCosts
    student: StudentCosts
    cascade: CascadeCosts | None
    one_off: OneOffCosts
    break_even: BreakEven
    break_even_student: BreakEven
    monthly: MonthlyCosts
    total_cost: TotalCost
    latency: LatencyComparison
    cascade_curve: tuple[CascadePoint, ...]
    ledger: tuple[LedgerEntry, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """Return costs.json's object; `break_even_requests` is null where it never pays back or is unknown."""
        body = cast("dict[str, Json]", asdict(self))
        body["break_even_requests"] = cast("Json", _as_requests(self.break_even))
        return body


def _as_requests(break_even: BreakEven) -> dict[str, float | None] | None:
    band: Band | None = break_even.requests
    if break_even.state != "pays_back" or band is None:
        return None
    return {"estimate": band.estimate, "low": band.low, "high": band.high}

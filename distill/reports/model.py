"""Everything a report shows, as plain values. Whoever loads a run builds this; nothing here reads files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from distill.records.decision import Decision
from distill.records.json import Json


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run this is. `created` is ISO 8601; `student` names base and kind; `seconds` is of all its stages.

    `usd` is all that was spent once: answers, training, evaluation.
    """

    name: str
    id: str
    created: str
    task: str
    teacher: str
    student: str
    train_rows: int | None = None
    heldout_rows: int | None = None
    seconds: float | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class SystemScore:
    """One metric of one system (`slice` None: all held-out rows), with its interval and row count."""

    system: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    slice: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One held-out example with what was right and what student and teacher said. All text is hostile."""

    id: str
    text: str
    reference: str | None
    student: str
    teacher: str | None
    student_correct: bool
    teacher_correct: bool | None
    confidence: float | None = None
    escalated: bool | None = None
    error_kind: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of reference (row) against the student's answer (column), for the labels shown of all `n_labels`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    n_labels: int
    worst_pairs: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class FieldTally:
    """How often a field of a JSON answer was wanted, claimed by the student, and right. A failure claims as wanted."""

    name: str
    wanted: int
    claimed: int
    right: int

    @property
    def mistakes(self) -> int:
        """Values that were missed, and values that were claimed wrongly."""
        return self.wanted + self.claimed - 2 * self.right

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / max(1, self.wanted + self.claimed)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers whose confidence lies in [low, high): how sure on average, how often right."""

    low: float
    high: float
    n: int
    mean_confidence: float
    accuracy: float
    accuracy_low: float | None = None
    accuracy_high: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the student's confidence can be believed; `ece_null` is what a perfect one shows at this n."""

    bins: tuple[CalibrationBin, ...]
    n: int
    ece: float | None = None
    ece_null: float | None = None
    brier: float | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Quality after training on `n` rows."""

    n: int
    value: float
    low: float | None = None
    high: float | None = None
    is_forecast: bool = False


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Quality by training size, measured and (where it can be) forecast; `note` says what it means."""

    metric: str
    points: tuple[CurvePoint, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """One evaluation during training."""

    step: int
    train_loss: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True, slots=True)
class DroppedSample:
    """A row a filter dropped, for people to look at. All text is hostile."""

    id: str
    text: str
    answer: str
    reason: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one filter dropped: rows by reason, and the dollars these answers had cost."""

    filter: str
    reasons: Mapping[str, int]
    usd: float | None = None
    samples: tuple[DroppedSample, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """Rejected rows that were sent back to the teacher: how many, in how many answers, how many were kept then."""

    rows: int
    answers: int
    rescued: int
    usd: float | None = None
    usd_per_rescued: float | None = None
    reasons: tuple[tuple[str, str, int, int], ...] = ()
    """Filter, reason, rows asked again, rows kept then; most frequent first."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """From answers bought to rows trained on. `usd` is of all answers, the ones asked for again included."""

    rows_in: int
    rows_kept: int
    steps: tuple[FunnelStep, ...]
    usd: float | None = None
    again: AskedAgain | None = None


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """Training rows found too close to held-out ones; `removed` of them left the training set.

    A count of None means that kind of overlap was not looked for; `leaked` names removed rows (id, file:line).
    """

    exact: int | None
    normalised: int | None
    near: int | None
    removed: int
    duplicates_removed: int | None = None
    near_threshold: float | None = None
    samples: tuple[tuple[str, str, float], ...] = ()
    leaked: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One evaluation on the sealed held-out set; `when` is ISO 8601."""

    number: int
    when: str
    student: str
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage as its record tells: `made` is ISO 8601, `seconds` and `cost_usd` are of when it was made."""

    stage: str
    key: str
    made: str
    version: int
    rows_in: int | None
    rows_out: int | None
    seconds: float
    cost_usd: float | None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """What this result was made of. Unknown facts are left out, or None."""

    stages: tuple[StageFacts, ...] = ()
    commit: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    seeds: Mapping[str, int] = field(default_factory=dict[str, int])
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    licences: tuple[tuple[str, str], ...] = ()
    terms: str | None = None
    terms_source: str | None = None
    sunset: str | None = None
    sunset_days_left: int | None = None
    machine: str | None = None
    model_served: str | None = None
    environment_lock: str | None = None


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """One of several teachers; the first is the reference teacher.

    `answered` counts examples with a usable answer, `with_majority` those of them where most teachers said the same,
    `with_reference` those of the `compared` where the reference teacher did; `kept` answers passed the filters.
    """

    name: str
    answered: int
    with_majority: int
    compared: int
    with_reference: int
    kept: int
    usd: float | None
    price_source: str
    terms: str
    served: str | None = None
    terms_source: str | None = None
    sunset: str | None = None
    days_left: int | None = None


@dataclass(frozen=True, slots=True)
class ReportData:
    """One run, ready to be shown.

    `costs` is costs.json's object, or None. `student_alone` is what the gate says of the student without a
    fallback, where the decision is about the cascade. `reference` says what answers were scored against.
    `primary_metric` is the metric of the headline; `fields` are those of the student's JSON answers;
    `teachers` are named where there are several.
    """

    run: RunFacts
    decision: Decision
    scores: tuple[SystemScore, ...]
    rows: tuple[AnswerRow, ...]
    costs: Mapping[str, Json] | None
    lineage: Lineage
    student_alone: Decision | None = None
    threshold: float | None = None
    escalation_rate: float | None = None
    reference: Literal["gold", "teacher"] = "gold"
    teacher_self_agreement: float | None = None
    primary_metric: str = "accuracy"
    confusion: Confusion | None = None
    fields: tuple[FieldTally, ...] = ()
    calibration: Calibration | None = None
    learning_curve: LearningCurve | None = None
    training: tuple[TrainingPoint, ...] = ()
    funnel: Funnel | None = None
    audit: SplitAudit | None = None
    looks: tuple[Look, ...] = ()
    teachers: tuple[TeacherFacts, ...] = ()
    is_rehearsal: bool = False
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

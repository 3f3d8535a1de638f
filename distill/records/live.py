"""What happens online: a served request, an audit of one, and the policy that the monitor may tighten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen
from distill.records.json import Json

AnsweredBy = Literal["student", "teacher", "none"]
AuditKind = Literal["shadow", "canary_teacher", "canary_student"]


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request to the gateway, as logged.

    `time` is seconds since the epoch; `text` is the task's input, redacted, or None where text is not kept;
    `answer` is what the caller got; `student_answer` what the student said; `reason` is why the student's answer
    was not taken (empty: it was); `side` is main or canary; `confidence` is None where the student gave none;
    `cost_usd` is what the teacher was paid, whoever answered: 0 where it was not asked, None where nobody knows.
    """

    request_id: str
    time: float
    channel: str
    version: str
    model: str
    answered_by: AnsweredBy
    status: int
    latency_ms: float
    text: str | None = None
    length_chars: int = 0
    columns: Mapping[str, Json] | None = None
    answer: str | None = None
    student_answer: str | None = None
    confidence: float | None = None
    threshold: float | None = None
    reason: str = ""
    error_kind: str | None = None
    side: str = "main"
    slices: Mapping[str, str] = field(default_factory=dict[str, str])
    cost_usd: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Audit:
    """The teacher's word on a request the student answered (`shadow`), or on a fixed input (`canary_...`).

    `agreed` is whether the compared answers mean the same; for `canary_teacher` the teacher is compared with its
    own recorded answer, for `canary_student` the student with its own.
    """

    request_id: str
    time: float
    channel: str
    version: str
    kind: AuditKind
    agreed: bool
    teacher_answer: str
    teacher_model: str = ""
    cost_usd: float | None = None
    side: str = "main"
    number: int = 0


class CanaryRules(Frozen):
    """How a canary is judged; written into the channel's history before its first request, and never changed."""

    share: float = Field(gt=0, lt=1)
    """Share of the keys that the canary answers."""
    margin: float = Field(default=0.02, gt=0, lt=1)
    """The canary may agree with the teacher this much less often than the version it runs beside."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of either verdict, however often one looks."""
    max_invalid: float = Field(default=0.02, gt=0, lt=1)
    """A canary whose answers are surely unusable (unparseable, failed, timed out) more often is withdrawn."""
    min_audits: int = Field(default=50, ge=1)
    """No promotion on fewer requests that the teacher judged for both versions."""
    max_audits: int = Field(default=2000, ge=1)
    """Undecided after so many: withdrawn."""
    max_hours: float = Field(default=168.0, gt=0)
    """Undecided after so long: withdrawn."""
    shadow_rate: float = Field(default=0.2, gt=0, le=1)
    """Share of the answers that the teacher is asked about while the trial lasts (the dollar cap still holds)."""


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """What the monitor asks of a running gateway; the gateway reads it every second.

    `shadow_rate` None leaves the configured one; `threshold_add` (in [0, 1]) is added to the student's threshold.
    """

    shadow_rate: float | None = None
    threshold_add: float = 0.0
    version: str = ""
    why: str = ""
    when: str = ""

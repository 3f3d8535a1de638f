"""What happens online: a served request, an audit of one, and the policy that the monitor may tighten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from distill.records.json import Json

AnsweredBy = Literal["student", "teacher", "none"]
AuditKind = Literal["shadow", "canary_teacher", "canary_student"]


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request to the gateway, as logged.

    `time` is seconds since the epoch; `text` is the task's input, redacted, or None where text is not kept;
    `answer` is what the caller got; `student_answer` what the student said; `reason` is why the student's answer
    was not taken (empty: it was); `side` is main or canary; `confidence` is None where the student gave none.
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

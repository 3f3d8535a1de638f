"""A system's parsed and scored answer on one held-out example: one row of predictions.parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distill.records.json import Json


@dataclass(frozen=True, slots=True)
class Prediction:
    """`parsed` is None when the text did not parse; then `error_kind` says why and `score` is 0.

    `system` is student, teacher, base or a baseline's name; `score` is in [0, 1]; `reference` is what
    it was scored against (gold, or the teacher's answer where there is no gold); `content_hash` is the example's.
    `judged` is 1 where a judge preferred this answer to the teacher's, 0 where not, 1/2 for a tie; `reference_logprob`
    is the natural-log probability the system gives the reference, over its `reference_tokens`; `gold_score` is the
    score against gold where only a few rows have gold and `reference` is the teacher's answer.
    """

    id: str
    system: str
    repeat: int
    text: str
    parsed: Json
    correct: bool
    score: float
    confidence: float | None
    error_kind: str | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    reference: Json = None
    slices: Mapping[str, str] = field(default_factory=dict[str, str])
    cluster: str | None = None
    content_hash: str = ""
    judged: float | None = None
    reference_logprob: float | None = None
    reference_tokens: int | None = None
    gold_score: float | None = None

"""`confidence`: drops answers whose own token probabilities are low; rows without log-probabilities pass."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from distill.filters.base import RowFilter
from distill.filters.rows import Rows
from distill.filters.screens import Mask, has_length
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class ConfidenceConfig(Frozen):
    """Bound on the teacher's own certainty."""

    min_logprob: float = Field(default=-1.0, le=0)
    """Natural-log probability at least."""
    of: Literal["mean", "worst", "sum"] = "mean"
    """Of the mean token, the least likely token, or the whole answer (their sum)."""
    required: bool = False
    """Drop rows that have no log-probabilities."""


def _confidence(config: ConfidenceConfig, logprobs: list[float] | None) -> Verdict:
    if not logprobs:
        return Verdict(False, "no_logprobs") if config.required else KEEP
    total = math.fsum(logprobs)
    value = {"mean": total / len(logprobs), "worst": min(logprobs), "sum": total}[config.of]
    return KEEP if value >= config.min_logprob else Verdict(False, "unsure", f"{value:.3f}")


def _suspects(config: ConfidenceConfig, rows: Rows) -> Mask:
    return has_length(rows, "sampled_logprobs", 1) | config.required


CONFIDENCE = RowFilter("confidence", 1, ("sampled_logprobs",), _confidence, ConfidenceConfig, screen=_suspects)

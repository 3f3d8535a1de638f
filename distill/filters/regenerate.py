"""Asking again for rejected answers: how often, and in which words a teacher is told what was wrong.

Nothing that only the gold answer reveals is ever said: a teacher that is told what is wrong until it is right teaches
nothing. So a filter that knows the gold has no words here, and its rejections are asked afresh.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen

SHOWN_CHARS = 8000


class RegenerateConfig(Frozen):
    """Send rejected answers back to the teacher, where the answer is to blame: malformed, cut off, refused."""

    max_attempts: int = Field(default=2, ge=1, le=8)
    """Further questions per rejected answer at most."""
    how: Literal["repair", "resample"] = "repair"
    """`repair` shows the teacher its answer and what is wrong with it; `resample` asks the same question afresh."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature of further questions.

    Default: the teacher's where its answer is shown, at least 0.7 where the same question is asked afresh."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """Output tokens per further answer at most; default: the teacher's."""


_WORDS = {
    "parseable": "it is not in the form that was asked for ({reason})",
    "schema_valid": "it does not meet the JSON Schema ({evidence})",
    "schema_repairable": "it is not JSON of the form that was asked for ({reason})",
    "label_known": "it is none of the labels that were offered",
    "finished": "it was cut off before its end; be briefer",
    "truncated": "it ends in the middle; be briefer",
    "error_text": "it is an error message, not an answer",
    "not_refusal": "it declines to answer a request that should be answered",
    "hedge": "it is not definite; commit yourself to one answer",
    "length": "its length is not what is needed ({reason})",
    "repetition": "it repeats itself",
    "language": "it is in the wrong language ({evidence})",
    "judge": "a reviewer found it not good enough",
}


def complain(filter_name: str, reason: str, evidence: str) -> str | None:
    """Return what to tell the teacher about a rejected answer; None: nothing can be said, ask afresh."""
    words = _WORDS.get(filter_name)
    if words is None:
        return None
    why = words.format(reason=reason.replace("_", " "), evidence=evidence)
    return (
        f"Your answer above cannot be used: {why}. Answer the request once more, in full and in the form that it "
        f"asks for, and write nothing else."
    )

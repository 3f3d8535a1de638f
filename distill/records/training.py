"""What a student is taught from and what it answers: the nouns between tasks, students and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from distill.records.completion import TopLogprobs


class Prompt(NamedTuple):
    """One rendered question to a student: `user` always, `system` where the task gives the student one."""

    id: str
    user: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One kept teacher answer as a lesson.

    `target` is the canonical answer text. `label_probs` (sums to 1, in the task's label order) are soft
    targets for classifiers; `labels` the label set of a multi-label target; `logprobs` the teacher's
    sparse token distribution for language-model students. `weight` is >= 0.
    """

    id: str
    prompt: Prompt
    target: str
    weight: float = 1.0
    labels: tuple[str, ...] | None = None
    label_probs: tuple[float, ...] | None = None
    logprobs: TopLogprobs | None = None
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The natural-log probability that a system gives a text, over its `tokens` (the end token is one of them).

    Unknown (`logprob` None) where the text does not fit into what the system can read.
    """

    logprob: float | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A system's raw reply to one prompt. `confidence` is in [0, 1] and uncalibrated unless said.

    `error_kind` is None, or timeout, truncated, ... when there is no usable text.
    """

    id: str
    text: str
    confidence: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0
    error_kind: str | None = None

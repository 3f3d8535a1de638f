"""What some filters need and cannot import: another model's word, embeddings, a student's loss. Stages hand it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from distill.errors import UsageError
from distill.records.completion import Message
from distill.records.frozen import Frozen

T = TypeVar("T")


class Question(NamedTuple):
    """One question to a judge. `key` names it in logs; the messages alone decide the answer."""

    key: str
    messages: tuple[Message, ...]


class Reply(NamedTuple):
    """A judge's answer; `error_kind` says why there is none. `cost_usd` is None when the price is unknown."""

    text: str
    error_kind: str | None = None
    cost_usd: float | None = 0.0


class Losses(NamedTuple):
    """Mean negative log-likelihood per answer token, given the prompt and without it."""

    given_prompt: float
    alone: float


class Asker(Protocol):
    """Asks a model through the journal and within the budget."""

    def __call__(self, judge: Frozen, questions: Sequence[Question]) -> list[Reply]:
        """Return one reply per question, in order. `judge` is the filter's own section on who is asked.

        Raises:
            TeacherError: the judge cannot be used.
            BudgetExceededError: the next call could pass the budget.
        """
        ...


class EmbeddingModel(Frozen):
    """The encoder that turns texts into vectors."""

    name: str = "sentence-transformers/all-MiniLM-L6-v2"
    """A local directory or a hub model."""
    revision: str | None = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    """Commit of the hub model."""


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    def __call__(self, texts: Sequence[str], model: EmbeddingModel) -> NDArray[np.float32]:
        """Return one row of length 1 per text, in order.

        Raises:
            ConfigError: the model cannot be found.
        """
        ...


class LossModel(Protocol):
    """Measures what a student's base finds hard."""

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[Losses]:
        """Return the losses of (prompt, answer) pairs, in order.

        Raises:
            ConfigError: the model cannot be found.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a run; those that are None are not there."""

    ask: Asker | None = None
    embed: Embedder | None = None
    losses: LossModel | None = None

    def embedder(self) -> Embedder:
        """Return the embedder.

        Raises:
            UsageError: this run has none.
        """
        return _need(self.embed, "an embedding model")

    def asker(self) -> Asker:
        """Return the asker.

        Raises:
            UsageError: this run has none.
        """
        return _need(self.ask, "a model to ask")

    def loss_model(self) -> LossModel:
        """Return the loss model.

        Raises:
            UsageError: this run has none.
        """
        return _need(self.losses, "a causal_lm student whose loss is measured")


def _need(service: T | None, what: str) -> T:
    if service is None:
        raise UsageError(f"a filter of this chain needs {what}, and this run has none")
    return service

"""What a filter must offer: one pure judgement over rows, a reason for every drop. The chain does the rest."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from distill.filters.rows import Rows
from distill.filters.services import Services
from distill.records.frozen import Frozen
from distill.records.json import Json
from distill.records.verdict import Verdict
from distill.similarity import LOCAL, Joiner, ShingleSets
from distill.tasks.config import TaskConfig

Need = Literal["asker", "embedder", "losses"]
"""A service that a filter cannot work without, and that the stage hands in."""


class NoOptions(Frozen):
    """The config of a filter without options."""


class Reread(NamedTuple):
    """An answer read again after a filter mended it; `value_json` and `target` are None when it does not parse."""

    value_json: str | None
    target: str | None
    error: str | None


def _reread_nothing(text: str) -> Reread:
    raise NotImplementedError(f"this chain has no task to read {text[:40]!r} with")


@dataclass(frozen=True, slots=True)
class Heldout:
    """What filters may know of the sealed rows: never their text.

    `runs` are digests (16 hex digits of xxh3) of 13-word runs; `words` are the rows as sets of 64-bit word
    hashes; `vectors` are their embeddings (one unit row each), where the config asks for them.
    """

    runs: frozenset[str] = frozenset()
    words: ShingleSets | None = None
    vectors: Any = None


@dataclass(frozen=True, slots=True)
class FilterContext:
    """What filters may know beside the rows.

    `agrees(value, gold)` says whether a parsed answer is right; `reread(answer)` parses an answer that was mended;
    `joiner` finds near copies, here or on several machines.
    """

    task: TaskConfig
    heldout: Heldout = Heldout()
    agrees: Callable[[Json, Json], bool] = operator.eq
    reread: Callable[[str], Reread] = _reread_nothing
    services: Services = field(default_factory=Services)
    joiner: Joiner = LOCAL


class Judgement(NamedTuple):
    """One verdict per row, in order; `notes` are for the reader, `cost_usd` is what judging cost (None: unknown)."""

    verdicts: Sequence[Verdict]
    notes: tuple[str, ...] = ()
    cost_usd: float | None = 0.0


class Filter(Protocol):
    """One filter."""

    @property
    def name(self) -> str:
        """What a config calls it."""
        ...

    @property
    def version(self) -> int:
        """Raised when its verdicts change."""
        ...

    @property
    def order_free(self) -> bool:
        """Say whether a row's verdict does not depend on other rows: rows may then be judged in batches, anywhere."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads; it is handed no others."""
        ...

    def needs_of(self, config: Any) -> tuple[Need, ...]:  # noqa: ANN401 as in `judge`
        """Return the services it cannot work without under these options."""
        ...

    @property
    def asks_again(self) -> bool:
        """Say whether a drop blames the answer, so that asking the teacher again may help."""
        ...

    @property
    def tallies(self) -> tuple[str, ...]:
        """Reasons whose evidence is counted value by value."""
        ...

    @property
    def may_drop_none(self) -> bool:
        """Say whether dropping nothing is its normal outcome, or most of the rows is (no warning then)."""
        ...

    @property
    def config_type(self) -> type[Frozen]:
        """The class of its options, which `judge` is given an instance of."""
        ...

    def judge(
        self,
        rows: Rows,
        config: Any,  # noqa: ANN401 an instance of `config_type`, which each filter names in its own signature
        context: FilterContext,
    ) -> Judgement:
        """Judge rows of the CANDIDATES schema; a drop has a reason.

        Raises:
            DataError: what the filter was asked to guard does not hold for the rows as a whole.
        """
        ...

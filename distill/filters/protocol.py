"""What a filter must offer: one pure judgement over a batch, a reason for every drop. The chain does the rest."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from distill.records.frozen import Frozen
from distill.records.json import Json
from distill.records.verdict import Verdict
from distill.tasks.config import TaskConfig


class NoOptions(Frozen):
    """The config of a filter without options."""


@dataclass(frozen=True, slots=True)
class FilterContext:
    """What filters may know beside the rows.

    `heldout_hashes` are sha256 digests (first 16 hex digits) of the held-out set's 13-word runs, never its text;
    `agrees(value, gold)` says whether a parsed answer is right.
    """

    task: TaskConfig
    heldout_hashes: frozenset[str] = frozenset()
    agrees: Callable[[Json, Json], bool] = operator.eq


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
        """Say whether a row's verdict does not depend on other rows: it may then try the first rows alone."""
        ...

    @property
    def config_type(self) -> type[Frozen]:
        """The class of its options, which `judge` is given an instance of."""
        ...

    def judge(
        self,
        rows: pa.Table,
        config: Any,  # noqa: ANN401 an instance of `config_type`, which each filter names in its own signature
        context: FilterContext,
    ) -> Sequence[Verdict]:
        """Return one verdict per row of the CANDIDATES schema, in order; a drop has a reason."""
        ...

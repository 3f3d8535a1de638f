"""What a filter must offer: one pure judgement over a batch, a reason for every drop. The chain does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from distill.records.frozen import Frozen
from distill.records.verdict import Verdict
from distill.tasks.config import TaskConfig


class NoOptions(Frozen):
    """The config of a filter without options."""


@dataclass(frozen=True, slots=True)
class FilterContext:
    """What filters may know beside the rows.

    `heldout_hashes` are sha256 digests (first 16 hex digits) of the held-out set's 13-word runs, never its text.
    """

    task: TaskConfig
    heldout_hashes: frozenset[str] = frozenset()


class Filter(Protocol):
    """One filter. `order_free`: a row's verdict does not depend on other rows (it may then try the first rows alone)."""

    name: str
    version: int
    order_free: bool
    config_type: type[Frozen]

    def judge(self, rows: pa.Table, config: Any, context: FilterContext) -> Sequence[Verdict]:
        """Return one verdict per row of the CANDIDATES schema, in order; a drop has a reason."""
        ...

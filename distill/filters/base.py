"""The base of most members: one function per row over named columns. It owns the loop; the chain owns the counting.

A member may add a screen: a bulk look at whole columns after which only the suspects are judged one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from distill.filters.protocol import FilterContext, Judgement, Need, NoOptions
from distill.filters.rows import Rows
from distill.filters.screens import Mask
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

EVIDENCE_CHARS = 160


def _config_itself(config: Any, context: FilterContext) -> Any:  # noqa: ANN401 each member names its own type
    del context
    return config


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter made of `verdict(state, *values)` over `columns`; the state is made once per batch by `prepare`.

    `screen(state, rows)` names the rows whose verdict could be anything but KEEP; without one every row is judged.
    """

    name: str
    version: int
    columns: tuple[str, ...]
    verdict: Callable[..., Verdict]
    config_type: type[Frozen] = NoOptions
    prepare: Callable[..., Any] = _config_itself
    asks_again: bool = True
    tallies: tuple[str, ...] = ()
    may_drop_none: bool = False
    needs: tuple[Need, ...] = ()
    order_free: bool = True
    screen: Callable[[Any, Rows], Mask] | None = None

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return its needs, which no option changes."""
        del config
        return self.needs

    def judge(self, rows: Rows, config: object, context: FilterContext) -> Judgement:
        """Judge each row by itself."""
        state, verdict = self.prepare(config, context), self.verdict
        if self.screen is None:
            values = [rows.values(name) for name in self.columns]
            return Judgement([verdict(state, *row) for row in zip(*values, strict=True)])
        suspects = np.flatnonzero(self.screen(state, rows))
        verdicts = [KEEP] * rows.num_rows
        values = [rows.pick(name, suspects) for name in self.columns]
        for place, row in zip(suspects.tolist(), zip(*values, strict=True), strict=True):
            verdicts[place] = verdict(state, *row)
        return Judgement(verdicts)


@dataclass(frozen=True, slots=True)
class TableFilter:
    """A filter made of one function over all rows together, of which it sees `columns`."""

    name: str
    version: int
    columns: tuple[str, ...]
    judgement: Callable[[Rows, Any, FilterContext], Judgement]
    config_type: type[Frozen] = NoOptions
    asks_again: bool = False
    tallies: tuple[str, ...] = ()
    may_drop_none: bool = False
    needs: tuple[Need, ...] = ()
    order_free: bool = False

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return its needs, which no option changes."""
        del config
        return self.needs

    def judge(self, rows: Rows, config: object, context: FilterContext) -> Judgement:
        """Judge all rows together."""
        return self.judgement(rows, config, context)


def cut(text: str | None) -> str:
    """Return the start of a text as evidence."""
    return (text or "")[:EVIDENCE_CHARS]

"""The base of most members: one function per row over named columns. It owns the loop; the chain owns the counting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distill.filters.protocol import FilterContext, Judgement, Need, NoOptions
from distill.filters.rows import Rows
from distill.records.frozen import Frozen
from distill.records.verdict import Verdict

EVIDENCE_CHARS = 160


def _config_itself(config: Any, context: FilterContext) -> Any:  # noqa: ANN401 each member names its own type
    del context
    return config


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter made of `verdict(state, *values)` over `columns`; the state is made once per batch by `prepare`."""

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

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return its needs, which no option changes."""
        del config
        return self.needs

    def judge(self, rows: Rows, config: object, context: FilterContext) -> Judgement:
        """Judge each row by itself."""
        state, verdict = self.prepare(config, context), self.verdict
        values = [rows.values(name) for name in self.columns]
        return Judgement([verdict(state, *row) for row in zip(*values, strict=True)])


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

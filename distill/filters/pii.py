"""`pii`: drops or masks rows with personal data and secrets; evidence names kind and place, never the value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from distill.filters.base import RowFilter
from distill.filters.pii_patterns import KINDS, PiiKind, find_pii, mask_pii, screen_pattern
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.screens import Mask, find
from distill.records.frozen import Frozen
from distill.records.json import Json, dump_canonical
from distill.records.verdict import KEEP, Verdict


class PiiConfig(Frozen):
    """What to look for, where, and what to do about it."""

    kinds: tuple[PiiKind, ...] = Field(default=KINDS, min_length=1)
    """Kinds of personal data."""
    columns: tuple[Literal["answer", "text"], ...] = Field(default=("answer", "text"), min_length=1)
    """Where to look: the teacher's answer, the input, or both."""
    action: Literal["drop", "mask"] = "drop"
    """`drop` the row, or `mask` each datum as `[kind]` in answer and input and keep it."""


class _State(NamedTuple):
    config: PiiConfig
    context: FilterContext


def _pii(state: _State, answer: str | None, text: str | None, columns_json: str | None) -> Verdict:
    config = state.config
    found: list[str] = []
    for column in config.columns:
        data = find_pii((answer if column == "answer" else text) or "", config.kinds)
        found += [f"{datum.kind} in {column} at character {datum.start}" for datum in data]
    if not found:
        return KEEP
    if config.action == "mask":
        return _mask(state, answer, text, columns_json, found)
    return Verdict(False, f"pii_{found[0].split()[0]}", found[0])


def _mask(
    state: _State, answer: str | None, text: str | None, columns_json: str | None, found: Sequence[str]
) -> Verdict:
    kinds = state.config.kinds
    edits: dict[str, str | None] = {}
    if "answer" in state.config.columns and (masked := mask_pii(answer or "", kinds)) != answer:
        again = state.context.reread(masked)
        if again.error is not None:
            return Verdict(False, "pii_not_masked", f"{found[0]}: without it the answer is {again.error}")
        edits |= {"answer": masked, "value_json": again.value_json, "target": again.target}
    if "text" in state.config.columns and text:
        edits["text"] = mask_pii(text, kinds)
        edits["columns_json"] = dump_canonical(mask_strings(json.loads(columns_json or "{}"), kinds))
    return Verdict(True, "masked", "; ".join(found), edits)


def mask_strings(value: Json, kinds: Sequence[PiiKind] = KINDS) -> Json:
    """Return a JSON value with every string in it masked."""
    if isinstance(value, str):
        return mask_pii(value, kinds)
    if isinstance(value, Mapping):
        return {key: mask_strings(inner, kinds) for key, inner in value.items()}
    return [mask_strings(inner, kinds) for inner in value] if isinstance(value, Sequence) else value


def _suspects(state: _State, rows: Rows) -> Mask:
    pattern = screen_pattern(state.config.kinds)
    return np.logical_or.reduce([find(rows, column, pattern) for column in state.config.columns])


PII = RowFilter(
    "pii",
    2,
    ("answer", "text", "columns_json"),
    _pii,
    PiiConfig,
    prepare=_State,
    asks_again=False,
    screen=_suspects,
)

"""`schema_valid`: drops answers that do not fit a JSON Schema (the task's, or one of its own), by jsonschema-rs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from distill.errors import UsageError
from distill.filters.base import RowFilter, cut
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_given
from distill.records.frozen import Frozen
from distill.records.json import load_strict
from distill.records.verdict import KEEP, Verdict

if TYPE_CHECKING:
    import jsonschema_rs


class SchemaValidConfig(Frozen):
    """Which schema, and how strictly."""

    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema of the parsed answer; default: the task's."""
    strict: bool = False
    """Also drop answers that are right only after fences or prose were taken off."""


class _State(NamedTuple):
    validator: jsonschema_rs.Validator | None
    is_strict: bool


def compile_schema(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """Compile a JSON Schema; nothing is ever fetched for a `$ref`.

    Raises:
        UsageError: it is no JSON Schema.
    """
    import jsonschema_rs  # noqa: PLC0415  (a compiled library of 100 ms: only chains that have a schema pay for it)

    try:
        return jsonschema_rs.validator_for(schema, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise UsageError(f"a filter's schema is no JSON Schema: {error}") from error


def _prepare(config: SchemaValidConfig, context: FilterContext) -> _State:
    schema = config.schema_ if config.schema_ is not None else context.task.schema_
    return _State(None if schema is None else compile_schema(schema), config.strict)


def find_schema_error(validator: jsonschema_rs.Validator | None, value_json: str) -> str | None:
    """Return where and how a value breaks the schema, or None."""
    if validator is None:
        return None
    error = next(iter(validator.iter_errors(json.loads(value_json))), None)
    if error is None:
        return None
    return f"{'.'.join(str(part) for part in error.instance_path) or '(root)'}: {error.message}"


def _schema_valid(
    state: _State, answer: str | None, value_json: str | None, error: str | None, repaired: str | None
) -> Verdict:
    if value_json is None:
        return Verdict(False, "schema_invalid" if error == "schema_invalid" else "no_value", cut(answer))
    if state.is_strict and repaired is not None and not _is_strict_json(answer or ""):
        return Verdict(False, "not_strict", repaired)
    broken = find_schema_error(state.validator, value_json)
    return KEEP if broken is None else Verdict(False, "schema_invalid", cut(broken))


def _is_strict_json(text: str) -> bool:
    try:
        load_strict(text)
    except ValueError:
        return False
    return True


def _suspects(state: _State, rows: Rows) -> Mask:
    """Return the rows without a value or with one that breaks the schema; all of them where answers must be strict."""
    if state.is_strict:
        return np.ones(rows.num_rows, bool)
    given = is_given(rows, "value_json")
    if state.validator is not None:
        texts = rows.pick("value_json", np.flatnonzero(given))
        fits = map(state.validator.is_valid, json.loads(f"[{','.join(texts)}]"))
        given[given] = np.fromiter(fits, bool, len(texts))
    return ~given


SCHEMA_VALID = RowFilter(
    "schema_valid",
    1,
    ("answer", "value_json", "parse_error", "repaired"),
    _schema_valid,
    SchemaValidConfig,
    _prepare,
    screen=_suspects,
)

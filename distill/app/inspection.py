"""Looking into a stage's tables: which there are, and the rows that match an expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from distill.app.runs import Run
from distill.engine.parquet import read_table
from distill.errors import UsageError
from distill.records.comparisons import COMPARISONS

PREFERRED = ("rejected", "predictions", "kept", "completions", "train", "pool")
HIDDEN = {
    "columns_json",
    "where",
    "content_hash",
    "key",
    "top_tokens",
    "top_logprobs",
    "sampled_tokens",
    "sampled_logprobs",
}


TELLING = {
    "rejected": ("id", "teacher", "sample", "text", "answer", "filter", "reason", "evidence"),
    "kept": ("id", "teacher", "sample", "text", "target", "gold_json", "rationale", "margin", "cost_usd"),
    "regenerated": ("id", "teacher", "sample", "attempt", "answer", "filter", "reason", "evidence", "cost_usd"),
    "completions": ("id", "teacher", "sample", "text", "rationale", "finish_reason", "error_kind", "output_tokens",
                    "cost_usd"),
    "predictions": ("id", "system", "repeat", "parsed", "correct", "score", "confidence", "error_kind", "latency_ms",
                    "cost_usd", "text"),
    **dict.fromkeys(("pool", "train", "validation", "heldout"),
                    ("id", "text", "gold_json", "teacher_output", "group", "time", "slices")),
}  # fmt: skip
"""Table -> what one looks at first: which row, what went in, what came out, what became of it and why."""
ALL = "all"
_USUAL: dict[str, object] = {"teacher": 0, "sample": 0, "repeat": 0, "finish_reason": "stop"}
"""Column -> the value that, where every row has it, says nothing."""


@dataclass(frozen=True, slots=True)
class View:
    """Some rows of one table."""

    table: str
    rows: list[dict[str, Any]]
    matching: int
    total: int


def inspect_stage(
    run: Run, stage: str, table: str | None, where: str | None, columns: Sequence[str] | None, limit: int
) -> View:
    """Return rows of a stage's table.

    Raises:
        UsageError: there is no such stage, table or column, or the expression cannot be read.
    """
    directory = run.artifact(stage)
    tables = {path.stem: path for path in sorted(directory.rglob("*.parquet"))}
    if not tables:
        raise UsageError(f"stage {stage!r} of run {run.id} has no table; it has: {_names(directory)}")
    name = table or next((preferred for preferred in PREFERRED if preferred in tables), next(iter(tables)))
    if name not in tables:
        raise UsageError(f"stage {stage!r} has no table {name!r}; it has: {', '.join(tables)}")
    data = read_table(tables[name])
    visible = [column for column in data.column_names if column not in HIDDEN]
    shown = data.column_names if columns == [ALL] else list(columns or visible)
    missing = [column for column in shown if column not in data.column_names]
    if missing:
        raise UsageError(f"table {name!r} has no column {missing[0]!r}; it has: {', '.join(data.column_names)}")
    matching = data.filter(parse_where(where, data.column_names)) if where else data
    rows = matching.select(shown).slice(0, limit).to_pylist()
    return View(name, cast("list[dict[str, Any]]", rows), matching.num_rows, data.num_rows)


def choose_columns(view: View) -> list[str]:
    """Return the telling columns of a view, without those that are empty, or the same as usual, in every row."""
    names = list(view.rows[0]) if view.rows else []
    wanted = [name for name in TELLING.get(view.table, names) if name in names]
    return [name for name in wanted if any(_says_something(name, row) for row in view.rows)] or names


def _says_something(name: str, row: Mapping[str, Any]) -> bool:
    value, usual = row[name], row["id"] if name == "group" else _USUAL.get(name)
    return value not in (None, "", []) and value != usual


def _names(directory: Path) -> str:
    return ", ".join(sorted(path.name for path in directory.iterdir())) or "nothing"


_WORDS = {"true": True, "false": False, "null": None}


def parse_where(text: str, columns: Sequence[str]) -> pc.Expression:
    """Parse `a == 'x' and (b > 3 or not c)` into an Arrow filter; nothing is evaluated as Python.

    Raises:
        UsageError: the text is no such expression, or names a column that does not exist.
    """
    try:
        return _build(ast.parse(text, mode="eval").body, columns)
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise UsageError(f"--where: cannot read {text!r} ({error}); example: reason == 'refusal'") from error


def _build(node: ast.expr, columns: Sequence[str]) -> pc.Expression:
    if isinstance(node, ast.BoolOp):
        parts = [_build(value, columns) for value in node.values]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if isinstance(node.op, ast.And) else joined | part
        return joined
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_build(node.operand, columns)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compare(_build(node.left, columns), node.ops[0], node.comparators[0], columns)
    if isinstance(node, ast.Name):
        if node.id in _WORDS:
            return pc.scalar(_WORDS[node.id])
        if node.id not in columns:
            raise UsageError(f"--where: no column {node.id!r}; columns are: {', '.join(columns)}")
        return pc.field(node.id)
    if isinstance(node, ast.Constant):
        return pc.scalar(node.value)
    raise UsageError(f"--where: {ast.unparse(node)!r} is not a comparison of columns with values")


def _compare(left: pc.Expression, comparison: ast.cmpop, right_node: ast.expr, columns: Sequence[str]) -> pc.Expression:
    if isinstance(comparison, ast.In | ast.NotIn) and isinstance(right_node, ast.List | ast.Tuple):
        values = pa.array([ast.literal_eval(item) for item in right_node.elts])
        found = left.isin(values)
        return found if isinstance(comparison, ast.In) else ~found
    if type(comparison) not in COMPARISONS:
        raise UsageError("--where: use ==, !=, <, <=, >, >=, in, not in")
    is_null = isinstance(right_node, ast.Name) and right_node.id == "null"
    is_none = isinstance(right_node, ast.Constant) and right_node.value is None
    if is_null or is_none:
        return left.is_null() if isinstance(comparison, ast.Eq) else ~left.is_null()
    return COMPARISONS[type(comparison)](left, _build(right_node, columns))

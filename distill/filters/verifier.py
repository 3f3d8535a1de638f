"""`verifier`: keeps answers that a machine can check: by schema, pattern, recomputed numbers, or Python tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, field_validator

from distill.filters.base import RowFilter, cut
from distill.filters.expressions import Expression, to_number
from distill.filters.protocol import FilterContext
from distill.filters.sandbox import Limits, run_tests
from distill.filters.schema_valid import compile_schema, find_schema_error
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

if TYPE_CHECKING:
    import jsonschema_rs


class PythonTests(Frozen):
    """The answer is Python code, and tests decide. Its process has no network and bounded time and memory."""

    tests: str | None = None
    """Tests that every answer must pass; appended to the code."""
    column: str | None = None
    """The row's column with its own tests."""
    time_s: float = Field(default=5.0, gt=0, le=600)
    """Seconds for one answer."""
    memory_mb: int = Field(default=512, ge=64)
    """Megabytes of address space."""


class VerifierConfig(Frozen):
    """What is checked; every check given must hold."""

    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema of the parsed answer."""
    pattern: str | None = None
    """Regular expression that the whole answer must match."""
    expression: str | None = None
    """A condition over `value`, `row` and `gold`, such as `abs(value.total - row.price * row.count) <= 0.01`."""
    equations: bool = False
    """Recompute every `a + b = c` that the answer states."""
    tolerance: float = Field(default=0.005, ge=0)
    """How far a stated result may be off, relative to the right one, or absolutely below 1."""
    python: PythonTests | None = None
    """Python tests."""

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @field_validator("expression")
    @classmethod
    def _check_expression(cls, value: str | None) -> str | None:
        if value is not None:
            Expression(value)
        return value


class _State(NamedTuple):
    config: VerifierConfig
    validator: jsonschema_rs.Validator | None
    pattern: re.Pattern[str] | None
    expression: Expression | None


def _prepare(config: VerifierConfig, context: FilterContext) -> _State:
    del context
    return _State(
        config,
        None if config.schema_ is None else compile_schema(config.schema_),
        None if config.pattern is None else re.compile(config.pattern, re.DOTALL),
        None if config.expression is None else Expression(config.expression),
    )


def _verify(
    state: _State, answer: str | None, value_json: str | None, columns_json: str | None, gold_json: str | None
) -> Verdict:
    text, config = (answer or "").strip(), state.config
    if state.pattern is not None and not state.pattern.fullmatch(text):
        return Verdict(False, "no_match", cut(text))
    if state.validator is not None or state.expression is not None:
        if value_json is None:
            return Verdict(False, "no_value", cut(text))
        if (broken := find_schema_error(state.validator, value_json)) is not None:
            return Verdict(False, "schema_invalid", cut(broken))
    if state.expression is not None:
        names = {"value": value_json, "row": columns_json, "gold": gold_json}
        wrong = _fails(state.expression, {name: json.loads(given or "null") for name, given in names.items()})
        if wrong is not None:
            return Verdict(False, "check_failed", cut(wrong))
    if config.equations and (equation := find_wrong_equation(text, config.tolerance)) is not None:
        return Verdict(False, "wrong_equation", cut(equation))
    return KEEP if config.python is None else _test(text, config.python, columns_json)


def _fails(expression: Expression, names: dict[str, Any]) -> str | None:
    try:
        return None if expression.holds(names) else expression.text
    except ValueError as error:
        return f"{expression.text}: {error}"


_NUMBER = r"[-+]?[$€£]?\d[\d,]*(?:\.\d+)?%?"
_EQUATION = re.compile(
    rf"(?<![\w.])((?:\(?\s*{_NUMBER}\s*\)?\s*[-+*/x×÷·]\s*)+\(?\s*{_NUMBER}\s*\)?)\s*=\s*({_NUMBER})"
)


def find_wrong_equation(text: str, tolerance: float) -> str | None:
    """Return the first stated equation of numbers that does not hold, or None; what cannot be read is passed over."""
    for left, right in _EQUATION.findall(text):
        formula = re.sub(r"[,$€£]", "", left).replace("×", "*").replace("x", "*").replace("·", "*").replace("÷", "/")
        formula = re.sub(r"(\d(?:\.\d+)?)%", r"\1/100", formula)
        try:
            stated = to_number(right)
            margin = tolerance * max(1.0, abs(stated))
            close = Expression(f"abs(({formula}) - ({stated!r})) <= {margin!r}").holds({})
        except ValueError:
            continue
        if not close and not (right.endswith("%") and _holds_in_percent(formula, stated, margin)):
            return f"{left.strip()} = {right}"
    return None


def _holds_in_percent(formula: str, stated: float, margin: float) -> bool:
    return Expression(f"abs(({formula}) * 100 - ({stated!r})) <= {margin!r}").holds({})


_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


def read_code(answer: str) -> str:
    """Return the code of an answer: its fenced blocks, or all of it."""
    blocks: Iterator[str] = iter(_FENCED.findall(answer))
    return "\n\n".join(blocks) or answer


def _test(text: str, config: PythonTests, columns_json: str | None) -> Verdict:
    own = json.loads(columns_json or "{}").get(config.column) if config.column is not None else None
    tests = "\n\n".join(part for part in (config.tests, own) if isinstance(part, str))
    if not tests:
        return Verdict(False, "no_tests", f"no column {config.column!r} with tests")
    ran = run_tests(read_code(text), tests, Limits(config.time_s, config.memory_mb))
    return KEEP if ran.outcome == "passed" else Verdict(False, f"tests_{ran.outcome}", cut(ran.output[-160:]))


VERIFIER = RowFilter(
    "verifier", 1, ("answer", "value_json", "columns_json", "gold_json"), _verify, VerifierConfig, _prepare
)

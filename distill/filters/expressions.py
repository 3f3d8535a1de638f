"""A small language for checks over an answer's value and its row: arithmetic, comparisons, a few functions. No Python.

`value` is the parsed answer, `row` the input's columns, `gold` the right answer (null where there is none):
`abs(value.total - sum(item.price * item.count for item in value.items)) <= 0.01`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from distill.records.comparisons import COMPARISONS

MAX_CHARS = 2000
MAX_ITEMS = 100_000
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    **COMPARISONS,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


def to_number(value: object) -> float:
    """Read a number as people write it: 1,234.5, $12, 7 %.

    Raises:
        ValueError: it is none.
    """
    text = str(value).strip().replace(",", "").replace("_", "").strip("$€£% ")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "min": min, "max": max, "sum": sum, "len": len, "round": round, "all": all, "any": any,
    "sorted": sorted, "number": to_number, "str": str, "lower": str.lower,
}  # fmt: skip
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}


class Expression:
    """A checked expression; `holds(names)` evaluates it.

    Raises:
        ValueError: the text is no such expression.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_CHARS:
            raise ValueError(f"an expression of more than {MAX_CHARS} characters")
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"cannot read {text!r}: {error}") from error
        for node in ast.walk(self._tree):
            _refuse(node)

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Evaluate; the result counts as Python counts truth.

        Raises:
            ValueError: the values do not fit the expression (a missing field, text where a number is needed, too much).
        """
        try:
            return bool(_evaluate(self._tree, dict(names)))
        except (KeyError, IndexError, TypeError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


_ALLOWED = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call,
    ast.IfExp, ast.List, ast.Tuple, ast.GeneratorExp, ast.ListComp, ast.comprehension, ast.Load, ast.Store,
    *_BINARY, *_COMPARE, *_UNARY, ast.And, ast.Or,
)  # fmt: skip


def _refuse(node: ast.AST) -> None:
    if not isinstance(node, _ALLOWED):
        raise ValueError(f"{type(node).__name__} is not allowed in a check")  # noqa: TRY004 the caller's one error
    if isinstance(node, ast.Call) and not (
        isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
    ):
        raise ValueError(f"only these functions are there: {', '.join(_FUNCTIONS)}")


def _evaluate(node: ast.expr, names: dict[str, Any]) -> Any:  # noqa: ANN401, C901  JSON in, JSON out
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _WORDS[name] if name in _WORDS and name not in names else names[name]
        case ast.Attribute(value=inner, attr=field):
            return cast("Mapping[str, Any]", _evaluate(inner, names))[field]
        case ast.Subscript(value=inner, slice=index):
            return _evaluate(inner, names)[_evaluate(index, names)]
        case ast.UnaryOp(op=sign, operand=inner):
            return _UNARY[type(sign)](_evaluate(inner, names))
        case ast.BinOp(left=left, op=sign, right=right):
            return _calculate(sign, _evaluate(left, names), _evaluate(right, names))
        case ast.BoolOp(op=sign, values=parts):
            results = (_evaluate(part, names) for part in parts)
            return all(results) if isinstance(sign, ast.And) else any(results)
        case ast.Compare():
            return _compare(node, names)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _evaluate(body if _evaluate(test, names) else other, names)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, names) for item in items]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_evaluate(argument, names) for argument in arguments))
        case ast.GeneratorExp(elt=body, generators=loops) | ast.ListComp(elt=body, generators=loops):
            return [_evaluate(body, scope) for scope in _loop(loops, names)]
        case _:
            raise TypeError(f"{type(node).__name__} is not allowed in a check")


def _calculate(sign: ast.operator, left: Any, right: Any) -> Any:  # noqa: ANN401 as above
    if not all(isinstance(side, (int, float)) for side in (left, right)):
        raise TypeError(f"arithmetic needs numbers, not {left!r:.40} and {right!r:.40} (number(x) reads one from text)")
    result = _BINARY[type(sign)](left, right)
    if isinstance(result, int) and result.bit_length() > 4096:
        raise OverflowError("a number of more than 4,096 bits")
    return result


def _compare(node: ast.Compare, names: dict[str, Any]) -> bool:
    left = _evaluate(node.left, names)
    for sign, part in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(part, names)
        if not _COMPARE[type(sign)](left, right):
            return False
        left = right
    return True


def _loop(loops: Sequence[ast.comprehension], names: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if len(loops) != 1 or not isinstance(loops[0].target, ast.Name):
        raise TypeError("one loop over one name is allowed")
    items = _evaluate(loops[0].iter, names)
    if len(items) > MAX_ITEMS:
        raise OverflowError(f"a loop over more than {MAX_ITEMS:,} items")
    for item in items:
        scope = {**names, loops[0].target.id: item}
        if all(_evaluate(test, scope) for test in loops[0].ifs):
            yield scope

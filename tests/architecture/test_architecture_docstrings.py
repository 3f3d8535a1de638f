"""A public function that raises says so under `Raises:`; what merely passes through it may be named there too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def find_silent(source: str) -> list[str]:
    """Name the public functions that raise an error in their own body and do not say so.

    Exempt: pydantic's validators (pydantic reports for them) and commands (their docstring is the text of `--help`).
    """
    return [
        function.name
        for function in _public_functions(ast.parse(source))
        if not _is_exempt(function)
        and any(isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) for node in _own_nodes(function))
        and "Raises:" not in (ast.get_docstring(function) or "")
    ]


def _public_functions(tree: ast.Module) -> Iterator[Function]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for holder in (tree, *classes):
        for node in holder.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield node


def _is_exempt(function: Function) -> bool:
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any("validator" in text or text.startswith("click.command") for text in decorators)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, SCOPES):
            yield child
            yield from _own_nodes(child)


def test_public_functions_say_what_they_raise() -> None:
    silent = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "distill").rglob("*.py"))
        if (names := find_silent(path.read_text(encoding="utf-8")))
    }
    assert silent == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('def f():\n    """Do."""\n    raise ValueError("x")', ["f"]),
        ('class A:\n    async def f(self):\n        if self:\n            raise ValueError("x")', ["f"]),
        ('def f():\n    """Do.\n\n    Raises:\n        ValueError: always.\n    """\n    raise ValueError("x")', []),
        ('def _f():\n    raise ValueError("x")', []),
        ('@model_validator(mode="after")\ndef f():\n    raise ValueError("x")', []),
    ],
)
def test_a_silent_function_is_found(source: str, expected: list[str]) -> None:
    assert find_silent(source) == expected

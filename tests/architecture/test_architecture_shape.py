"""The shape of the code: no file too long to read, no import of what belongs elsewhere, nothing at import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "distill"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
NOT_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def test_no_file_is_longer_than_400_lines() -> None:
    too_long = {
        str(path.relative_to(ROOT)): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert len(FILES) > 100
    assert too_long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in FILES if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None]
    assert [str(path.relative_to(ROOT)) for path in silent if path.name != "__init__.py"] == []


def test_modules_are_named_for_the_noun_they_hold() -> None:
    assert [path for path in FILES if path.stem in NOT_NAMES] == []


@pytest.mark.parametrize("heavy", ["torch", "transformers", "peft"])
def test_training_libraries_are_named_in_students_only(heavy: str) -> None:
    users = {path for path in FILES if _imports(path, heavy)}
    assert users
    assert {path.relative_to(PACKAGE).parts[0] for path in users} == {"students"}


def _imports(path: Path, package: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.append(node.module)
        if any(name.split(".")[0] == package for name in names):
            return True
    return False

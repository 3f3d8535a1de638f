"""docs/security.md and the tests name each other: no promise without a test."""

from __future__ import annotations

import re


def _rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| what", "|--"))]


def test_every_line_of_the_threat_model_names_tests_that_exist(repo_root):
    rows = _rows((repo_root / "docs" / "security.md").read_text(encoding="utf-8"))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (repo_root / "tests" / "security").glob("*.py"))
    there = set(re.findall(r"(?m)^def (test_\w+)", sources))
    assert len(rows) >= 25
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test is named: {row}"
        assert set(named) <= there, f"no such test: {set(named) - there}"

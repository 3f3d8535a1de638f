"""The package as others see it: its front, its types, its version."""

from __future__ import annotations

import re
from pathlib import Path

import distill

ROOT = Path(__file__).parents[2]


def test_the_front_is_two_names():
    assert sorted(distill.__all__) == ["__version__", "load_run"]
    assert callable(distill.load_run)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "distill" / "py.typed").is_file()


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert headings[0] == distill.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", distill.__version__)


def test_no_line_of_the_changelog_stands_twice():
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line.startswith("- ")]
    assert sorted(lines) == sorted(set(lines))

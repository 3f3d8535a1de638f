from __future__ import annotations

from pathlib import Path

import pytest

from distill.students.bases import read_licence


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model\nlicense: mit", "apache-2.0"),
        ('---\nlicense: "mit"\n---', "mit"),
        ("# no front matter\nlicense: mit", None),
        ("---\nlanguage: en\n---", None),
    ],
)
def test_the_licence_is_what_the_cards_front_matter_says(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_text(card)
    assert read_licence(tmp_path) == licence


def test_a_base_without_a_card_has_no_licence(tmp_path: Path) -> None:
    assert read_licence(tmp_path) is None

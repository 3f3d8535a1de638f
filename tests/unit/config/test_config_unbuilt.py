from __future__ import annotations

from pathlib import Path

import pytest

from distill.config import load_config
from distill.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("student.lora={variant: qlora}", "student.lora.variant"),
        ("student.objective={hard: 0.0, soft: 1.0}", "student.objective.soft"),
        ("student.objective={hard: 1.0, teacher_model: some/model}", "student.objective.teacher_model"),
        ("student.objective={hard: 1.0, divergence: jsd}", "student.objective.divergence"),
    ],
)
def test_what_is_not_built_is_refused_before_any_spend(repo_root: Path, override: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(repo_root / "configs" / "tiny.yaml", [override], {})
    assert path in {problem.path for problem in caught.value.problems}

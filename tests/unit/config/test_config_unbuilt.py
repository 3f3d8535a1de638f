from __future__ import annotations

from pathlib import Path

import pytest

from distill.config import load_config
from distill.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("student.objective={hard: 0.0, soft: 1.0}", "student.objective.soft"),
        ("student.objective={hard: 1.0, teacher_model: some/model}", "student.objective.teacher_model"),
        ("student.objective={hard: 1.0, divergence: jsd}", "student.objective.divergence"),
    ],
)
def test_what_is_not_built_is_refused_before_any_spend(repo_root: Path, override: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(repo_root / "configs" / "tiny.yaml", [override], {})
    assert path in {problem.path for problem in caught.value.problems}


def test_qlora_without_its_extra_names_it_before_any_spend(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.config.checks.find_spec", lambda name: None if name == "bitsandbytes" else object())
    with pytest.raises(ConfigError, match=r"student\.lora\.variant: .*pip install 'distill\[qlora\]'"):
        load_config(repo_root / "configs" / "tiny.yaml", ["student.lora={variant: qlora}"], {})

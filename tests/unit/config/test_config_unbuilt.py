"""What the design names and the code does not have yet is refused, or said, before anything is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.config import ConfigError, load_config

TINY = Path(__file__).parents[3] / "configs" / "tiny.yaml"


@pytest.mark.parametrize("override", ["student.kind=seq2seq", "teacher.mode=batch"])
def test_what_is_not_built_is_refused_with_its_place(override: str) -> None:
    with pytest.raises(ConfigError, match="is not built yet; use") as caught:
        load_config(TINY, [override], {})
    assert [problem.path for problem in caught.value.problems] == [override.partition("=")[0]]


@pytest.mark.parametrize("override", ["runtime.engine=ray", "runtime.tracking=[mlflow]"])
def test_a_setting_without_effect_is_said(override: str) -> None:
    warnings = load_config(TINY, [override], {}).warnings
    assert any("has no effect" in str(warning) for warning in warnings)


def test_a_plain_config_has_no_such_warning() -> None:
    assert not any("has no effect" in str(warning) for warning in load_config(TINY, [], {}).warnings)

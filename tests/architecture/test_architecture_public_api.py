"""What other people's code may import from the packages' fronts, pinned: a change here is a change for users."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import distill

PUBLIC = {
    "distill.config": {
        "ConfigError",
        "LoadedConfig",
        "PipelineConfig",
        "Problem",
        "RuntimeConfig",
        "dump",
        "json_schema",
        "load_config",
    },
    "distill.errors": {
        "BudgetExceededError",
        "ConfigError",
        "DataError",
        "DistillError",
        "InterruptedRunError",
        "MissingExtraError",
        "Problem",
        "PromotionRefusedError",
        "StoreError",
        "TeacherError",
        "TeacherErrorKind",
        "UnstableValueError",
        "UsageError",
    },
}
HEAVY = {"torch", "transformers", "peft", "sklearn", "datasets", "openai"}
FRONTS = ("cli", "app", "config", "stages", "filters", "gates", "metrics", "costs", "reports", "students", "teachers")


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_the_front_offers_exactly_the_pinned_names(module: str) -> None:
    front = import_module(module)
    own = {name for name, value in vars(front).items() if getattr(value, "__module__", None) == module}
    offered = set(getattr(front, "__all__", own | {"TeacherErrorKind"}))
    assert offered == PUBLIC[module]


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_every_pinned_name_is_there(module: str) -> None:
    front = import_module(module)
    assert [name for name in PUBLIC[module] if not hasattr(front, name)] == []


def test_the_version_is_the_package_s() -> None:
    from importlib.metadata import version

    assert distill.__version__ == version("distill")


def test_the_fronts_import_nothing_heavy() -> None:
    imports = "; ".join(f"import distill.{front}" for front in FRONTS)
    program = f"{imports}; import sys; print(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []

"""The gate rules: one table, listed by hand, from the field a rule is written with to the test behind it.

`decide` judges evidence by rules and never passes what it cannot show. Modules are imported when first used, so that
reading a config does not load the statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from distill.gates.config import GateConfig, RuleConfig

if TYPE_CHECKING:
    from distill.gates.evidence import Evidence, Measured
    from distill.gates.judge import alpha_of, decide
    from distill.gates.question import Question, Tested

__all__ = ["RULES", "Evidence", "GateConfig", "Measured", "RuleConfig", "alpha_of", "decide", "get_rule"]

RULES: dict[str, str] = {
    "margin": "non_inferiority:test_non_inferiority",
    "max": "ceiling:test_ceiling",
    "min": "floor:test_floor",
    "max_ratio": "ratio:test_ratio",
}

_LAZY = {"Evidence": "evidence", "Measured": "evidence", "alpha_of": "judge", "decide": "judge"}


def get_rule(field: str) -> Callable[[Question], Tested]:
    """Return the test behind a rule's field.

    Raises:
        KeyError: no rule is written with that field.
    """
    module, _, name = RULES[field].partition(":")
    return getattr(import_module(f"distill.gates.{module}"), name)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the module's own names, typed above
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"distill.gates.{_LAZY[name]}"), name)

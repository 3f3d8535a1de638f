"""Who the teachers of a run are: what each is called, and that no two would be asked the very same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distill.teachers.config import TeacherConfig
from distill.teachers.requests import provider_identity


def name_teachers(configs: Sequence[TeacherConfig]) -> tuple[str, ...]:
    """Name each by its model; where two share one, with its number (from 1) in the list."""
    shared = Counter(config.model for config in configs)
    return tuple(
        config.model if shared[config.model] == 1 else f"{config.model} (#{number})"
        for number, config in enumerate(configs, 1)
    )


def find_twin(configs: Sequence[TeacherConfig], index: int) -> int | None:
    """Return the number (from 0) of an earlier teacher whose answers this one would be given, or None.

    The journal knows a teacher by provider (and host, never a port), model and temperature.
    """
    mine = _asked(configs[index])
    return next((number for number, other in enumerate(configs[:index]) if _asked(other) == mine), None)


def _asked(config: TeacherConfig) -> tuple[str, str, float | None]:
    return provider_identity(config), config.model, config.temperature

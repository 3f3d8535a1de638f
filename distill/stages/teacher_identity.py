"""What of the teacher decides its answers: the part of the `teacher` section that is identity.

Prices, limits, budget, keys and terms shape only how answers are bought, and stay out of every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from distill.engine.store import digest_file
from distill.errors import DataError
from distill.teachers.config import TeacherConfig
from distill.teachers.requests import provider_identity


@dataclass(frozen=True, slots=True)
class TeacherIdentity:
    """Who answers and under which sampling; `knowledge` are digests of the rehearsal teacher's files."""

    provider: str
    model: str
    temperature: float | None
    samples: int
    top_logprobs: int
    max_output_tokens: int
    structured: str
    knowledge: Mapping[str, str] = field(default_factory=dict[str, str])


def identify_teacher(config: TeacherConfig, base_dir: Path) -> TeacherIdentity:
    """Return the identity of a teacher section.

    Raises:
        DataError: a knowledge file of the rehearsal teacher is missing.
    """
    return TeacherIdentity(
        provider=provider_identity(config),
        model=config.model,
        temperature=config.temperature,
        samples=config.samples,
        top_logprobs=config.top_logprobs,
        max_output_tokens=config.max_output_tokens,
        structured=config.structured,
        knowledge={name: _digest(base_dir / name) for name in config.knowledge},
    )


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise DataError(f"teacher.knowledge: cannot read {path}: {error.strerror}") from error

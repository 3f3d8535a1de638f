"""Before any spend: is the teacher there, is it still on, may its answers be trained on?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

from distill.errors import TeacherError
from distill.teachers.config import TeacherConfig
from distill.teachers.failures import classify
from distill.teachers.protocol import Transport

_TIMEOUT_S = 15.0
_DATE_FIELDS = ("shutdown_date", "sunset_date", "deprecation_date", "retirement_date")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the teacher before it is asked. `sunset` is the day it is switched off, if known."""

    reachable: bool = True
    listed: bool | None = None
    sunset: date | None = None
    days_left: int | None = None
    warnings: tuple[str, ...] = ()


def check_terms(config: TeacherConfig) -> None:
    """Refuse to train on answers whose terms forbid it, or of which nobody has looked.

    Raises:
        TeacherError: of kind `terms`.
    """
    word = config.terms.training_on_outputs
    if config.provider == "rehearsal" or word == "allowed":
        return
    if word == "forbidden":
        raise TeacherError(f"the terms of {config.model!r} forbid training on its outputs "
                           f"({config.terms.source or 'teacher.terms'})", kind="terms")  # fmt: skip
    if config.provider == "openai":
        raise TeacherError(
            f"terms.training_on_outputs of the teacher {config.model!r} is not stated: read the provider's terms and "
            "write terms: {training_on_outputs: allowed, source: URL} before any answer is bought",
            kind="terms",
        )


def sunset_standing(config: TeacherConfig, listed_day: date | None, today: date) -> Standing:
    """Compare the day the model is switched off (stated, else listed) with today.

    Raises:
        TeacherError: of kind `sunset`: the day is past.
    """
    day = config.sunset if isinstance(config.sunset, date) else (listed_day if config.sunset == "auto" else None)
    if day is None:
        return Standing()
    left = (day - today).days
    if left <= 0:
        raise TeacherError(f"{config.model!r} is switched off since {day.isoformat()}; choose another teacher.model",
                           kind="sunset")  # fmt: skip
    warning = f"{config.model!r} is switched off in {left} days ({day.isoformat()})"
    return Standing(sunset=day, days_left=left, warnings=(warning,) if left <= 60 else ())


async def look(config: TeacherConfig, transport: Transport, secrets: tuple[str, ...]) -> Standing:
    """Ask the model listing; a server without one is taken as it is.

    Raises:
        TeacherError: the teacher is not there, refuses the key, or is past its sunset.
    """
    reply = await transport.get("/models", _TIMEOUT_S)
    if reply.status in (401, 403):
        raise classify(reply, secrets)
    models = _models(reply.body) if reply.status == 200 else None
    mine = None if models is None else models.get(config.model)
    standing = sunset_standing(config, None if mine is None else _day(mine), datetime.now(UTC).date())
    listed = None if not models else mine is not None
    unlisted = (f"{config.model!r} is not in the server's model listing",) if listed is False else ()
    return Standing(True, listed, standing.sunset, standing.days_left, standing.warnings + unlisted)


def read_listed_day(body: bytes, model: str) -> date | None:
    """Return the day that a model listing gives for the end of `model`, if it does."""
    mine = (_models(body) or {}).get(model)
    return None if mine is None else _day(mine)


def _models(body: bytes) -> dict[str, dict[str, Any]] | None:
    try:
        loaded: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    data: Any = cast("dict[str, Any]", loaded).get("data") if isinstance(loaded, dict) else None
    if not isinstance(data, list):
        return None
    items = [cast("dict[str, Any]", item) for item in cast("list[Any]", data) if isinstance(item, dict)]
    return {str(item.get("id")): item for item in items}


def _day(model: dict[str, Any]) -> date | None:
    for name in _DATE_FIELDS:
        value = model.get(name)
        try:
            if isinstance(value, str):
                return date.fromisoformat(value[:10])
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC).date()
        except (ValueError, OverflowError, OSError):
            continue
    return None

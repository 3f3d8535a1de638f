"""How long the teachers will be there: the stated day, else what their servers list. Nothing is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from distill.teachers import TeacherConfig, name_teachers
from distill.teachers.listing import ask_listed_day


@dataclass(frozen=True, slots=True)
class Sunset:
    """The day a teacher is switched off; `is_listed`: its server says so, else the config does."""

    teacher: str
    day: date
    days_left: int
    is_listed: bool

    def describe(self) -> str:
        """Say it in one line."""
        word = f"is switched off in {self.days_left} days"
        if self.days_left <= 0:
            word = "is switched off: a run would stop (exit 6)"
        return f"{self.teacher!r} {word} ({self.day}{', as its server lists it' if self.is_listed else ''})"


def find_sunsets(panel: Sequence[TeacherConfig], today: date) -> list[Sunset]:
    """Return the teachers whose last day is known; a server that cannot be asked, or gives no day, is passed over."""
    found: list[Sunset] = []
    for name, teacher in zip(name_teachers(panel), panel, strict=True):
        is_listed = teacher.sunset == "auto"
        day = ask_listed_day(teacher) if is_listed else teacher.sunset
        if isinstance(day, date):
            found.append(Sunset(name, day, (day - today).days, is_listed))
    return found

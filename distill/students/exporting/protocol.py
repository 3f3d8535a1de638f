"""What an exporter must offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from distill.records.json import Json
from distill.records.runtime import RuntimeConfig
from distill.students.parity import FormParity, Probe, compare, describe
from distill.students.reading import NumberType, Reader


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured of a form that was written: in each number type that it may be run in, or why nothing was."""

    forms: list[FormParity] = field(default_factory=list[FormParity])
    unmeasured: str | None = None

    def as_json(self) -> Json:
        """Return export_parity.json: `passes` is null where nothing was measured, and `reason` says why."""
        if self.unmeasured is not None:
            return {"passes": None, "reason": self.unmeasured, "forms": []}
        return describe(self.forms)


def compare_as_served(probe: Probe, form: str, dtype: str, read: Callable[[NumberType], Reader]) -> Outcome:
    """Hold a form against the training stack in float32, which shows what writing it did, and as served: in `dtype`."""
    types: Iterable[NumberType] = dict.fromkeys(("float32", cast("NumberType", dtype)))
    return Outcome([compare(probe, read(run_in), form, run_in) for run_in in types])


class Exporter(Protocol):
    """Writes one form of the student in `source` (a train artifact's student/) into the empty folder `target`."""

    def __call__(self, source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> Outcome:
        """Export, read what was written back, and hold it against the training stack.

        Raises:
            UsageError: this student has no such form, or a tool for it is missing.
            StoreError: the student is damaged.
        """
        ...

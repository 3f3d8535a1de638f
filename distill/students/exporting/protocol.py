"""What an exporter must offer."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from distill.records.runtime import RuntimeConfig
from distill.students.parity import FormParity


class Exporter(Protocol):
    """Writes one form of the student in `source` (a train artifact's student/) into the empty folder `target`."""

    def __call__(self, source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> FormParity | None:
        """Export, read what was written back, and hold it against the training stack; None: it cannot be read here.

        Raises:
            UsageError: this student has no such form, or a tool for it is missing.
            StoreError: the student is damaged.
        """
        ...

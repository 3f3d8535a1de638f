"""Batches under way, noted in the journal before they are made: the next run finds them, whatever ended this one."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from distill.teachers.journal import Journal
from distill.teachers.journal.owner import Owner, host_name, new_owner
from distill.teachers.journal.protocol import Note, Spend, Swap
from distill.teachers.requests import Shape

_PREFIX = "batch:"
_SHORT = 16
MINDED_S = 300.0
"""A batch that nobody has looked at for so long is free to be minded by another process on another machine."""


@dataclass(slots=True)
class UnderWay:
    """One batch, and who minds it. `id` is None from the note until the provider has answered."""

    base_url: str
    keys: frozenset[str]
    id: str | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    worst_usd: float = 0.0
    """Booked in the purse as if it were spent, from the note until all of the batch is in the journal."""
    shape: Shape = "asked"
    purse: str = ""
    noted: str = ""
    """The note as it stands in the journal, or as this process knows it."""
    is_free: bool = False
    """Nobody alive minds it: whoever changes the note first does from then on."""

    def holds(self, key: str) -> bool:
        """Tell whether the request with this key is in the batch."""
        return key[:_SHORT] in self.keys

    def note(self, minder: Owner) -> Note:
        """Return the first note to store: `minder` is about to make the batch."""
        self.noted = self._words(minder)
        return Note(_PREFIX + self.token, self.noted)

    def mind(self, minder: Owner, *, minded: bool = True) -> Swap:
        """Return the change of the note by which `minder` minds the batch from now on, or (not `minded`) nobody does.

        It fails where another process has changed the note: the batch is that one's.
        """
        return Swap(_PREFIX + self.token, self.noted, self._words(minder, minded=minded))

    def forget(self) -> Note:
        """Return the note that says that all of it is in the journal."""
        return Note(_PREFIX + self.token, None)

    def set_aside(self, usd: float) -> tuple[Spend, ...]:
        """Return the booking in the purse of the run that made the batch: it pays, whoever collects."""
        return (Spend(self.purse, usd),) if usd and self.purse else ()

    def _words(self, minder: Owner, *, minded: bool = True) -> str:
        who = [minder.name, minder.host, minder.pid, minder.born]
        said = {"id": self.id, "base_url": self.base_url, "keys": sorted(self.keys), "shape": self.shape,
                "worst_usd": self.worst_usd, "purse": self.purse, "minder": who,
                "until": time.time() + MINDED_S if minded else 0.0}  # fmt: skip
        return json.dumps(said)


def begin(base_url: str, keys: Sequence[str], worst_usd: float, shape: Shape, purse: str) -> UnderWay:
    """Return a batch that is about to be made."""
    return UnderWay(base_url, frozenset(key[:_SHORT] for key in keys), worst_usd=worst_usd, shape=shape, purse=purse)


def read_under_way(journal: Journal, base_url: str) -> list[UnderWay]:
    """Return the batches at `base_url` that no living process minds.

    Raises:
        StoreError: the journal cannot be read.
    """
    return [batch for batch in read_batches(journal, base_url) if batch.is_free]


def read_batches(journal: Journal, base_url: str) -> list[UnderWay]:
    """Return all batches at `base_url` of which something may not yet be in the journal.

    Raises:
        StoreError: the journal cannot be read.
    """
    found: list[UnderWay] = []
    here, now = host_name(), time.time()
    for name, value in journal.notes(_PREFIX).items():
        said: dict[str, Any] = json.loads(value)
        if said["base_url"] == base_url:
            keys = frozenset(str(key) for key in said["keys"])
            token = name.removeprefix(_PREFIX)
            worst_usd, purse = said.get("worst_usd", 0.0), said.get("purse", "")
            is_free = not Owner(*said["minder"]).is_alive(said["until"], now, here)
            found.append(UnderWay(base_url, keys, said["id"], token, worst_usd, said["shape"], purse, value, is_free))
    return found


__all__ = ["UnderWay", "begin", "new_owner", "read_batches", "read_under_way"]

"""Purses: what one run may spend, whoever works on it. Each open journal keeps one account per purse, as a note.

The sum over a purse's accounts is what is gone or promised. An account is written by its owner alone, as absolute
numbers, so that a transaction whose fate is unknown may be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, cast

from distill.teachers.journal.protocol import (
    Answer,
    Attempt,
    Claim,
    Draw,
    Entry,
    Failure,
    Flight,
    Grant,
    Intent,
    Note,
    PurseState,
    Release,
    Result,
    Spend,
    Swap,
    Write,
)

Other: TypeAlias = Intent | Attempt | Answer | Failure | Release | Note | Swap | Flight
"""A write that is not about money."""
_PREFIX = "purse:"
_SLACK_USD = 1e-9
"""Sums of many floats: a call that fits but for this is not refused."""


class Account(NamedTuple):
    """What one owner has spent of a purse, and what it holds for calls that may come."""

    spent_usd: float = 0.0
    held_usd: float = 0.0


class Teller(NamedTuple):
    """The journal's side: `read` gives all notes with a prefix, `live` the owners who may still be at work."""

    read: Callable[[str], Mapping[str, str]]
    live: Callable[[], Collection[str]]


class Carried(NamedTuple):
    """What a batch did to purses: a grant per draw, in order, and the notes that have to be stored with it."""

    grants: tuple[Grant, ...]
    notes: tuple[Note, ...]
    accounts: Mapping[str, Account]


@dataclass(slots=True)
class Books:
    """The accounts of one open journal."""

    owner: str
    accounts: dict[str, Account] = field(default_factory=dict[str, Account])

    def carry_out(self, writes: Iterable[Write], teller: Teller) -> Carried:
        """Work out what the batch's draws and spends come to; `keep` it once it is durable."""
        now = dict(self.accounts)
        grants: list[Grant] = []
        touched: dict[str, None] = {}
        for write in writes:
            if isinstance(write, Spend):
                now[write.purse] = _spend(now.get(write.purse, Account()), write.usd)
            elif isinstance(write, Draw):
                now[write.purse], grant = self._draw(now.get(write.purse, Account()), write, teller)
                grants.append(grant)
            else:
                continue
            touched[write.purse] = None
        return Carried(tuple(grants), tuple(self._note(purse, now[purse]) for purse in touched), now)

    def keep(self, carried: Carried) -> None:
        """Take over what was made durable."""
        self.accounts = dict(carried.accounts)

    def give_back(self) -> list[Note]:
        """Return the notes that free all that is held: this owner leaves."""
        held = {purse: account for purse, account in self.accounts.items() if account.held_usd > 0}
        return [self._note(purse, account._replace(held_usd=0.0)) for purse, account in held.items()]

    def _draw(self, mine: Account, draw: Draw, teller: Teller) -> tuple[Account, Grant]:
        others = _read(teller.read(prefix(draw.purse)))
        others.pop(self.owner, None)
        live = set(teller.live()) if any(account.held_usd for account in others.values()) else set[str]()
        gone = mine.spent_usd + sum(
            account.spent_usd + (0.0 if owner in live else account.held_usd) for owner, account in others.items()
        )
        elsewhere = sum(account.held_usd for owner, account in others.items() if owner in live)
        room = draw.limit_usd - gone - elsewhere - draw.holding_usd
        usd = max(0.0, min(room, draw.most_usd)) if room + _SLACK_USD >= draw.least_usd else 0.0
        if draw.least_usd > 0 and usd > 0:
            usd = max(usd, draw.least_usd)
        return mine._replace(held_usd=draw.holding_usd + usd), Grant(usd, gone, elsewhere)

    def _note(self, purse: str, account: Account) -> Note:
        return Note(prefix(purse) + self.owner, json.dumps(account))


def part(writes: Sequence[Write]) -> list[Other]:
    """Return what of a batch is not about money."""
    return [write for write in writes if not isinstance(write, (Spend, Draw))]


def join(writes: Sequence[Write], results: Iterable[Claim | Entry | None], carried: Carried) -> list[Result]:
    """Put the results of the two halves of a batch back into its order."""
    others, grants = iter(results), iter(carried.grants)
    return [
        next(grants) if isinstance(write, Draw) else None if isinstance(write, Spend) else next(others)
        for write in writes
    ]


def read_purse(notes: Mapping[str, str]) -> PurseState:
    """Sum a purse up from the notes whose names begin with its `prefix`."""
    accounts = _read(notes).values()
    return PurseState(sum(account.spent_usd for account in accounts), sum(account.held_usd for account in accounts))


def prefix(purse: str) -> str:
    """Return how the names of a purse's notes begin."""
    return f"{_PREFIX}{purse}:"


def _spend(account: Account, usd: float) -> Account:
    return Account(account.spent_usd + usd, max(0.0, account.held_usd - max(0.0, usd)))


def _read(notes: Mapping[str, str]) -> dict[str, Account]:
    return {name.rpartition(":")[2]: Account(*cast("list[float]", json.loads(value))) for name, value in notes.items()}

"""Calls whose outcome nobody knows, for their process was killed: the provider may have billed them.

A claim does not say whether its request went out, for claims are made ahead. So each purchase notes how many calls it
may have under way, and of a killed owner's claims as many count. They are counted once, by whoever finds them first,
in a note that outlives the claims.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from distill.teachers.journal.protocol import Flight, Note

FLIGHTS = "flight:"
LOST = "lost:"
"""How the names of the notes begin: per owner and purchase, and per killed owner."""


def flight_note(owner: str, flight: Flight) -> Note:
    """Return the note that says how many calls a purchase may have under way."""
    return Note(f"{FLIGHTS}{owner}:{flight.purchase}", str(flight.calls) if flight.calls else None)


def lost_note(owner: str, claims: int, flights: Mapping[str, str], finder: str) -> Note | None:
    """Return the note on a killed owner with so many claims; None where it had no call under way."""
    calls = min(claims, sum(int(calls) for calls in flights.values()))
    return Note(LOST + owner, json.dumps([calls, finder])) if calls else None


def count_lost(lost: Mapping[str, str], finder: str | None = None) -> int:
    """Sum up the notes on killed owners, or those of one finder."""
    found = [json.loads(value) for value in lost.values()]
    return sum(int(calls) for calls, who in found if finder in (None, who))


def count_unknown(
    lost: Mapping[str, str], flights: Mapping[str, str], claims: Mapping[str, int], live: Collection[str]
) -> int:
    """Count the calls with an unknown outcome: those that were found, and those of killed owners not found yet.

    `claims` are the open claims by owner.
    """
    unfound: dict[str, int] = {}
    for name, calls in flights.items():
        owner = name.removeprefix(FLIGHTS).partition(":")[0]
        if owner not in live and LOST + owner not in lost:
            unfound[owner] = unfound.get(owner, 0) + int(calls)
    return count_lost(lost) + sum(min(calls, claims.get(owner, 0)) for owner, calls in unfound.items())

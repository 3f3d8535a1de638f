"""One line of a channel's history and the chain of hashes through them (docs/operations.md, "The chain").

Every entry holds the hash of the one before it, so no line can be changed, dropped or put between others unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple, cast

from distill.errors import StoreError

Action = Literal["promote", "rollback", "force", "canary", "withdraw"]

SCHEMA = 1
GENESIS = "0" * 64
MOVES: frozenset[str] = frozenset({"promote", "rollback", "force"})
"""Actions that change what a channel serves; `canary` and `withdraw` begin and end a trial beside it."""


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """One version of a channel, immutable.

    `version` counts from 1; `target` is what the entry points at (a path relative to the channel's place);
    `restores` is the version a rollback brought back, or the canary that a withdrawal or a promotion ended;
    `previous` is the hash of the entry before (64 zeros for the first); `hash` is the sha256 of this entry
    without its hash.
    """

    channel: str
    version: int
    action: Action
    target: str
    who: str
    when: str
    why: str
    previous: str
    hash: str
    restores: int | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def label(self) -> str:
        """The version's name in answers, logs and audits: `channel@version`."""
        return f"{self.channel}@{self.version}"


class ChainCheck(NamedTuple):
    """What `verify` found: whole versions, whether a half-written last line was passed over, and what is wrong."""

    versions: int
    torn: bool
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True when every entry is whole, in order and chained to the one before."""
        return not self.problems


def write_entry(body: Mapping[str, object]) -> str:
    """Return the line of an entry: its fields with schema and, last to be computed, its hash."""
    full = {"schema": SCHEMA, **body}
    return _dump({**full, "hash": _digest(full)})


def parse_entry(line: str) -> ChannelEntry:
    """Read one line and check its own hash.

    Raises:
        ValueError: it is damaged, or of a later schema.
    """
    body = cast("dict[str, object]", json.loads(line))
    stated = body.pop("hash")
    if stated != _digest(body):
        raise ValueError("its hash does not match its content")
    if body.pop("schema") != SCHEMA:
        raise ValueError("it was written by a later version of distill")
    return ChannelEntry(hash=cast("str", stated), **body)  # pyright: ignore[reportArgumentType] fields are the hashed body's


def parse_chain(where: str, name: str, lines: Sequence[str]) -> list[ChannelEntry]:
    """Read a whole history, each line chained to the one before; `where` names it in messages.

    Raises:
        StoreError: a line is damaged, missing, added or out of order.
    """
    entries: list[ChannelEntry] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_entry(line)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{where}:{number}: damaged entry ({error}); restore the file from a backup") from error
        previous = entries[-1].hash if entries else GENESIS
        if entry.version != number or entry.previous != previous or entry.channel != name:
            raise StoreError(f"{where}:{number}: the chain is broken here; restore the file from a backup")
        entries.append(entry)
    return entries


def describe_entry(entry: ChannelEntry) -> dict[str, object]:
    """Return an entry as a JSON object, for `--json` and the gateway's health page."""
    return cast("dict[str, object]", asdict(entry))


def _dump(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(body: Mapping[str, object]) -> str:
    return hashlib.sha256(_dump(body).encode("utf-8", "surrogatepass")).hexdigest()

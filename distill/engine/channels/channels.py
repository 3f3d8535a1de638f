"""Channels: named pointers that move and remember. Entries are only ever appended, under compare-and-swap.

A move says which version it expects to replace and is refused when that is not the current one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from distill.engine.channels.entry import (
    GENESIS,
    MOVES,
    Action,
    ChainCheck,
    ChannelEntry,
    parse_chain,
    parse_entry,
    write_entry,
)
from distill.engine.channels.lines import FileLines, Lines, LineStore
from distill.engine.channels.remote import ObjectLines
from distill.errors import PromotionRefusedError, StoreError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ChannelState(NamedTuple):
    """What a channel is at: versions so far, the entry that serves, and the canary beside it while there is one."""

    head: int
    serving: ChannelEntry | None
    canary: ChannelEntry | None


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def is_url(place: Path | str) -> bool:
    """Tell whether a place is an fsspec URL rather than a path."""
    return isinstance(place, str) and "://" in place and not place.startswith("file://")


def open_lines(place: Path | str) -> LineStore:
    """Return where the histories at a place are kept: a directory (also `file://`), or any fsspec URL.

    Raises:
        MissingExtraError: the store's package is not installed.
        StoreError: the URL names no known kind of store.
    """
    if is_url(place):
        return ObjectLines(str(place))
    return FileLines(Path(str(place).removeprefix("file://")))


class Channels:
    """The channels at one place; safe between processes."""

    def __init__(self, root: Path | str, clock: Callable[[], datetime] = utc_now) -> None:
        self._lines = open_lines(root)
        self._clock = clock

    def names(self) -> list[str]:
        """List the channels that have a history, sorted."""
        return self._lines.names()

    def read(self, name: str) -> ChannelEntry | None:
        """Return the entry that serves, or None when the channel was never moved.

        Raises:
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged.
        """
        return self.state(name).serving

    def state(self, name: str) -> ChannelState:
        """Return what the channel is at.

        Raises:
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged.
        """
        return find_state(self.history(name))

    def history(self, name: str) -> list[ChannelEntry]:
        """Return all entries, oldest first; the chain is checked on the way.

        Raises:
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged.
        """
        _check_name(name)
        return self._parse(name, self._lines.read(name))

    def verify(self, name: str) -> ChainCheck:
        """Check the whole chain without raising on what is wrong in it.

        Raises:
            UsageError: `name` cannot be a channel's name.
        """
        _check_name(name)
        lines = self._lines.read(name)
        try:
            entries = self._parse(name, lines)
        except StoreError as error:
            return ChainCheck(len(lines.whole), lines.torn, (str(error),))
        return ChainCheck(len(entries), lines.torn, ())

    def move(
        self,
        name: str,
        target: str,
        *,
        expected_version: int,
        who: str,
        why: str,
        action: Action = "promote",
        restores: int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> ChannelEntry:
        """Append an entry for `target`, if the channel's last version still is `expected_version` (0: none).

        The entry is durable when this returns. A `canary` needs something to run beside.

        Raises:
            PromotionRefusedError: the channel moved meanwhile.
            UsageError: `name` cannot be a channel's name, or a canary has nothing to run beside.
            StoreError: the history is damaged or cannot be written.
        """
        _check_name(name)
        with self._lines.locked(name):
            entries = self.history(name)
            _check_version(name, entries, expected_version)
            state = find_state(entries)
            if action == "canary" and (state.serving is None or state.canary is not None):
                reason = "serves nothing yet" if state.serving is None else "has a canary already"
                raise UsageError(f"channel {name!r} {reason}; a canary runs beside one version that serves")
            return self._append(entries, name, action, target, who, why, restores, metadata or {})

    def rollback(
        self, name: str, to: int | None = None, *, who: str, why: str, expected_version: int | None = None
    ) -> ChannelEntry:
        """Undo the last change: end a canary that is under way, else point back at an older version's target.

        That is a new version, so nothing is lost.

        Args:
            name: the channel.
            to: version to restore; default: the one that the current version replaced.
            who: who asked.
            why: the reason, for the history.
            expected_version: the last version the caller has seen; default: whichever is current.

        Raises:
            UsageError: there is no such version.
            PromotionRefusedError: the channel moved meanwhile.
            StoreError: the history is damaged or cannot be written.
        """
        _check_name(name)
        with self._lines.locked(name):
            entries = self.history(name)
            if expected_version is not None:
                _check_version(name, entries, expected_version)
            state = find_state(entries)
            if to is None and state.canary is not None and state.serving is not None:
                kept, ended = state.serving, state.canary.version
                return self._append(entries, name, "withdraw", kept.target, who, why, ended, kept.metadata)
            goal = find_rollback_goal(entries, to, name)
            return self._append(entries, name, "rollback", goal.target, who, why, goal.version, goal.metadata)

    def _parse(self, name: str, lines: Lines) -> list[ChannelEntry]:
        if lines.torn and not lines.whole:  # one cut-off line may be all that is left of a long history
            where = self._lines.where(name)
            raise StoreError(
                f"{where}:1: damaged: its only line is cut off; restore the file from a backup, "
                "or delete it if the first promotion never ended, and promote again"
            )
        return parse_chain(self._lines.where(name), name, lines.whole)

    def _append(
        self,
        entries: list[ChannelEntry],
        name: str,
        action: Action,
        target: str,
        who: str,
        why: str,
        restores: int | None,
        metadata: Mapping[str, object],
    ) -> ChannelEntry:
        body: dict[str, object] = {
            "channel": name,
            "version": len(entries) + 1,
            "action": action,
            "target": target,
            "who": who,
            "when": self._clock().astimezone(UTC).isoformat(),
            "why": why,
            "restores": restores,
            "metadata": metadata,
            "previous": entries[-1].hash if entries else GENESIS,
        }
        line = write_entry(body)
        if not self._lines.append(name, line, self._lines.read(name)):
            raise PromotionRefusedError(f"channel {name!r} moved meanwhile; look at it and promote again")
        return parse_entry(line)


def find_state(entries: list[ChannelEntry]) -> ChannelState:
    """Return what a history adds up to: the last move serves; a canary after it runs until it is withdrawn."""
    serving = next((entry for entry in reversed(entries) if entry.action in MOVES), None)
    last = entries[-1] if entries else None
    return ChannelState(len(entries), serving, last if last is not None and last.action == "canary" else None)


def find_rollback_goal(entries: list[ChannelEntry], to: int | None, name: str) -> ChannelEntry:
    """Return the version that a rollback restores; without `to`, the one before what the channel now serves.

    Raises:
        UsageError: there is none.
    """
    serving = find_state(entries).serving
    if serving is None:
        raise UsageError(f"channel {name!r} was never promoted to; there is nothing to roll back")
    if to is not None:
        if not 1 <= to <= len(entries):
            raise UsageError(f"channel {name!r} has no version {to}; it has 1 to {len(entries)}")
        if entries[to - 1].action not in MOVES:
            raise UsageError(f"version {to} of channel {name!r} never served whole ({entries[to - 1].action})")
        return entries[to - 1]
    origin = _find_origin(entries, serving)
    older = [entry for entry in entries[: origin.version - 1] if entry.action in ("promote", "force")]
    for entry in reversed(older):
        if entry.target != serving.target:
            return entry
    raise UsageError(f"channel {name!r} has no version before {origin.version} to roll back to")


def _find_origin(entries: list[ChannelEntry], entry: ChannelEntry) -> ChannelEntry:
    """Follow rollbacks to the promotion that first brought this target."""
    while entry.action == "rollback" and entry.restores is not None:
        entry = entries[entry.restores - 1]
    return entry


def _check_version(name: str, entries: list[ChannelEntry], expected: int) -> None:
    if len(entries) != expected:
        last = f", moved by {entries[-1].who} at {entries[-1].when}" if entries else ""
        raise PromotionRefusedError(
            f"channel {name!r} is at version {len(entries)}, not {expected}{last}; "
            "compare with what it serves now and promote again"
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a channel; use letters, digits, '.', '_' and '-'")

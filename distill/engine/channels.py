"""Channels: named pointers that move and remember. `<root>/channels/<name>.jsonl`, one hash-chained entry a line.

Entries are only ever appended; a move says which version it expects to replace and is refused when that is not
the current one. The newline is the commit mark: a last line without one did not happen.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, cast

from distill.engine.store import translate_os_errors
from distill.errors import PromotionRefusedError, StoreError, UsageError

Action = Literal["promote", "rollback", "force"]

SCHEMA = 1
GENESIS = "0" * 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """One version of a channel, immutable.

    `version` counts from 1; `target` is what the channel points at (a path relative to the channel's owner, or
    a key); `restores` is the version a rollback brought back; `previous` is the hash of the entry before
    (64 zeros for the first); `hash` is the sha256 of this entry without its hash.
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


class ChainCheck(NamedTuple):
    """What `verify` found: whole versions, whether a half-written last line was passed over, and what is wrong."""

    versions: int
    torn: bool
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True when every entry is whole, in order and chained to the one before."""
        return not self.problems


class _Lines(NamedTuple):
    whole: list[str]
    torn: bool
    size: int  # bytes up to the last newline


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Channels:
    """The channels under one root directory; safe between processes on one file system."""

    def __init__(self, root: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.directory = root / "channels"
        self._clock = clock

    def names(self) -> list[str]:
        """List the channels that have a history, sorted."""
        return sorted(path.stem for path in self.directory.glob("*.jsonl"))

    def read(self, name: str) -> ChannelEntry | None:
        """Return the current entry, or None when the channel was never moved.

        Raises:
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged.
        """
        entries = self.history(name)
        return entries[-1] if entries else None

    def history(self, name: str) -> list[ChannelEntry]:
        """Return all entries, oldest first; the chain is checked on the way.

        Raises:
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged.
        """
        path = self._path(name)
        return _parse_chain(path, name, _read_lines(path).whole)

    def verify(self, name: str) -> ChainCheck:
        """Check the whole chain without raising on what is wrong in it.

        Raises:
            UsageError: `name` cannot be a channel's name.
        """
        path = self._path(name)
        lines = _read_lines(path)
        try:
            entries = _parse_chain(path, name, lines.whole)
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
        metadata: Mapping[str, object] | None = None,
    ) -> ChannelEntry:
        """Point the channel at `target`, if its version still is `expected_version` (0: never moved).

        The entry is on the disk when this returns.

        Raises:
            PromotionRefusedError: the channel moved meanwhile.
            UsageError: `name` cannot be a channel's name.
            StoreError: the history is damaged or cannot be written.
        """
        with self._locked(name) as path:
            entries = self.history(name)
            _check_version(name, entries, expected_version)
            return self._append(path, entries, name, action, target, who, why, None, metadata or {})

    def rollback(
        self, name: str, to: int | None = None, *, who: str, why: str, expected_version: int | None = None
    ) -> ChannelEntry:
        """Point the channel back at an older version's target; that is a new version, so nothing is lost.

        Args:
            name: the channel.
            to: version to restore; default: the one that the current version replaced.
            who: who asked.
            why: the reason, for the history.
            expected_version: the version to roll back from; default: whichever is current.

        Raises:
            UsageError: there is no such version.
            PromotionRefusedError: the channel moved meanwhile.
            StoreError: the history is damaged or cannot be written.
        """
        with self._locked(name) as path:
            entries = self.history(name)
            if expected_version is not None:
                _check_version(name, entries, expected_version)
            goal = find_rollback_goal(entries, to, name)
            return self._append(path, entries, name, "rollback", goal.target, who, why, goal.version, goal.metadata)

    def _append(
        self,
        path: Path,
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
            "schema": SCHEMA,
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
        line = _dump({**body, "hash": _digest(body)})
        _append_line(path, line, _read_lines(path))
        return _parse_entry(line)

    @contextmanager
    def _locked(self, name: str) -> Generator[Path]:
        path = self._path(name)
        with translate_os_errors(path):
            self.directory.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield path

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a channel; use letters, digits, '.', '_' and '-'")
        return self.directory / f"{name}.jsonl"


def find_rollback_goal(entries: list[ChannelEntry], to: int | None, name: str) -> ChannelEntry:
    """Return the version that a rollback restores; without `to`, the one before what the channel now serves.

    Raises:
        UsageError: there is none.
    """
    if not entries:
        raise UsageError(f"channel {name!r} was never promoted to; there is nothing to roll back")
    if to is not None:
        if not 1 <= to <= len(entries):
            raise UsageError(f"channel {name!r} has no version {to}; it has 1 to {len(entries)}")
        return entries[to - 1]
    current = entries[-1]
    origin = _find_origin(entries, current)
    older = [entry for entry in entries[: origin.version - 1] if entry.action != "rollback"]
    for entry in reversed(older):
        if entry.target != current.target:
            return entry
    raise UsageError(f"channel {name!r} has no version before {origin.version} to roll back to")


def _find_origin(entries: list[ChannelEntry], entry: ChannelEntry) -> ChannelEntry:
    """Follow `restores` to the promotion that first brought this target."""
    while entry.restores is not None:
        entry = entries[entry.restores - 1]
    return entry


def _check_version(name: str, entries: list[ChannelEntry], expected: int) -> None:
    if len(entries) != expected:
        last = f", moved by {entries[-1].who} at {entries[-1].when}" if entries else ""
        raise PromotionRefusedError(
            f"channel {name!r} is at version {len(entries)}, not {expected}{last}; "
            "compare with what it serves now and promote again"
        )


def _read_lines(path: Path) -> _Lines:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Lines([], torn=False, size=0)
    size = data.rfind(b"\n") + 1
    whole = data[:size].decode("utf-8", "replace").split("\n")[:-1]
    return _Lines(whole, torn=size < len(data), size=size)


def _append_line(path: Path, line: str, present: _Lines) -> None:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        if present.torn:
            os.ftruncate(descriptor, present.size)
        os.lseek(descriptor, present.size, os.SEEK_SET)
        data = f"{line}\n".encode()
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        parent = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _parse_chain(path: Path, name: str, lines: list[str]) -> list[ChannelEntry]:
    entries: list[ChannelEntry] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = _parse_entry(line)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path}:{number}: damaged entry ({error}); restore the file from a backup") from error
        previous = entries[-1].hash if entries else GENESIS
        if entry.version != number or entry.previous != previous or entry.channel != name:
            raise StoreError(f"{path}:{number}: the chain is broken here; restore the file from a backup")
        entries.append(entry)
    return entries


def _parse_entry(line: str) -> ChannelEntry:
    body = cast("dict[str, object]", json.loads(line))
    stated = body.pop("hash")
    if stated != _digest(body):
        raise ValueError("its hash does not match its content")
    if body.pop("schema") != SCHEMA:
        raise ValueError("it was written by a later version of distill")
    return ChannelEntry(hash=cast("str", stated), **body)  # pyright: ignore[reportArgumentType] fields are the hashed body's


def _dump(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(body: Mapping[str, object]) -> str:
    return hashlib.sha256(_dump(body).encode("utf-8", "surrogatepass")).hexdigest()


def describe_entry(entry: ChannelEntry) -> dict[str, object]:
    """Return an entry as a JSON object, for `--json` and the gateway's health page."""
    return cast("dict[str, object]", asdict(entry))

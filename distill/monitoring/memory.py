"""What the monitor remembers of one version between checks, so that each check reads new rows only."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from distill.costs.live import LiveTally, load_tally
from distill.errors import MissingExtraError
from distill.filters.language import LanguageConfig, open_judge
from distill.monitoring.config import MonitorConfig, RateConfig
from distill.monitoring.signals import DETECTORS, SIGNALS
from distill.records.live import Audit, ServedRequest
from distill.statistics.change import ShiryaevRoberts

WIDTH = 512
SCHEMA = 2
_WORD = re.compile(r"\w+")
_MIN_LETTERS = 20


@dataclass(slots=True)
class Tally:
    """One detector: its value, labels seen, bad events among them, and the label at which it first alarmed."""

    value: float = 0.0
    seen: int = 0
    events: int = 0
    alarm_at: int | None = None

    def add(self, event: bool, rate: RateConfig, limit: float) -> None:
        """Take in one label."""
        detector = ShiryaevRoberts(rate.acceptable, rate.bad, limit, self.value, self.seen)
        if detector.update(event) and self.alarm_at is None:
            self.alarm_at = detector.seen
        self.value, self.seen, self.events = detector.value, detector.seen, self.events + event


@dataclass(slots=True)
class Window:
    """What drift tests need of some requests; no text. `words`: hashed column -> count, None where no text is kept."""

    lengths: list[int] = field(default_factory=list[int])
    languages: list[str | None] = field(default_factory=list["str | None"])
    words: list[dict[str, int] | None] = field(default_factory=list["dict[str, int] | None"])

    def add(self, row: ServedRequest) -> None:
        """Take in one request."""
        self.lengths.append(row.length_chars)
        self.languages.append(detect_language(row.text))
        self.words.append(None if row.text is None else hash_words(row.text))

    def keep_last(self, size: int) -> None:
        """Forget all but the newest."""
        for values in (self.lengths, self.languages, self.words):
            del values[:-size]


@dataclass(slots=True)
class Memory:
    """A version's tallies, slices, windows, and how far the log was read."""

    version: str
    request_number: int = 0
    audit_number: int = 0
    last_request: float = 0.0
    last_audit: float = 0.0
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    fixed: dict[str, list[int]] = field(default_factory=dict[str, "list[int]"])
    slices: dict[str, list[int]] = field(default_factory=dict[str, "list[int]"])
    first: Window = field(default_factory=Window)
    last: Window = field(default_factory=Window)
    paged: tuple[str, ...] = ()
    paged_at: float = 0.0
    spend: LiveTally = field(default_factory=LiveTally)

    @property
    def requests(self) -> int:
        """Requests seen."""
        return self.tallies["unanswered"].seen if "unanswered" in self.tallies else 0

    @property
    def audits(self) -> int:
        """Shadow audits seen."""
        return self.tallies["disagreement"].seen if "disagreement" in self.tallies else 0

    def absorb(self, requests: Sequence[ServedRequest], audits: Sequence[Audit], config: MonitorConfig) -> None:
        """Take in rows of this version, oldest first, that were not taken in before."""
        limit = alarm_limit(config)
        for row in requests:
            self.spend.add_request(row)
            self._add_request(row, config, limit)
        for audit in audits:
            self.spend.add_audit(audit)
            self._add_audit(audit, config, limit)

    def _add_request(self, row: ServedRequest, config: MonitorConfig, limit: float) -> None:
        for name, judge in SIGNALS.items():
            event = judge(row, config)
            if event is not None:
                self._tally(name).add(event, cast("RateConfig", getattr(config, name)), limit)
        for column, value in row.slices.items():
            counts = self.slices.setdefault(f"{column}={value}", [0, 0])
            counts[0] += bool(row.reason)
            counts[1] += 1
        if len(self.first.lengths) < config.drift_window:
            self.first.add(row)
        else:
            self.last.add(row)
            if len(self.last.lengths) > 2 * config.drift_window:
                self.last.keep_last(config.drift_window)
        self.request_number, self.last_request = max(self.request_number, row.number), max(self.last_request, row.time)

    def _add_audit(self, audit: Audit, config: MonitorConfig, limit: float) -> None:
        if audit.kind == "shadow":
            self._tally("disagreement").add(not audit.agreed, config.disagreement, limit)
            self.last_audit = max(self.last_audit, audit.time)
        else:
            counts = self.fixed.setdefault(audit.kind, [0, 0])
            counts[0] += not audit.agreed
            counts[1] += 1
        self.audit_number = max(self.audit_number, audit.number)

    def _tally(self, name: str) -> Tally:
        return self.tallies.setdefault(name, Tally())


def alarm_limit(config: MonitorConfig) -> float:
    """Return the detectors' limit.

    M_t minus t is a supermartingale while the rate is acceptable, so by Doob's inequality an alarm within N labels
    has a chance of at most N / limit; the limit makes that each detector's share of `false_alarm`.
    """
    return config.horizon * DETECTORS / config.false_alarm


def hash_words(text: str) -> dict[str, int]:
    """Return hashed column -> count of a text's words, in `WIDTH` columns."""
    counts: dict[str, int] = {}
    for word in _WORD.findall(text.lower()):
        column = str(zlib.crc32(word.encode("utf-8", "replace")) % WIDTH)
        counts[column] = counts.get(column, 0) + 1
    return counts


def detect_language(text: str | None) -> str | None:
    """Return a text's language; None where it cannot be told, or the detector is not installed."""
    try:
        found = open_judge(LanguageConfig(min_chars=_MIN_LETTERS)).detect(text)
    except MissingExtraError:
        return None
    return None if found is None else found.code


def load_memory(path: Path, version: str) -> Memory:
    """Return what is remembered of a version; a new memory for another one, or where the file is damaged."""
    try:
        body = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        if body.pop("schema") != SCHEMA or body["version"] != version:
            return Memory(version)
        body["tallies"] = {name: Tally(**values) for name, values in body["tallies"].items()}
        body["first"], body["last"] = Window(**body["first"]), Window(**body["last"])
        body["paged"], body["spend"] = tuple(body["paged"]), load_tally(body["spend"])
        return Memory(**body)
    except FileNotFoundError:
        return Memory(version)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Memory(version)  # everything is still in the log: it is read again from the start


def save_memory(memory: Memory, path: Path) -> None:
    """Write a memory, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"schema": SCHEMA, **asdict(memory)}), encoding="utf-8")
    temporary.replace(path)

"""What `doctor` asks of the network: hub, teacher, clock. Short timeouts; no example is sent and nothing spent."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from distill.app.findings import Finding
from distill.config import LoadedConfig
from distill.errors import DistillError
from distill.teachers import TeacherConfig, open_teacher

HUB_URL = "https://huggingface.co"
TIMEOUT_S = 4.0
MAX_SKEW_S = 60.0


class _Asked(NamedTuple):
    """What a server said of itself: an empty `problem`, and its clock in seconds since 1970 where it gives one."""

    problem: str
    clock_s: float | None


def check_network(loaded: LoadedConfig | None, *, now: Callable[[], float] = time.time) -> list[Finding]:
    """Ask the hub (`HF_ENDPOINT`) and, with a config, its teachers; compare their clock with this machine's."""
    hub_url = os.environ.get("HF_ENDPOINT", HUB_URL)
    hub = _ask(hub_url)
    findings = [_word_hub(hub_url, hub)]
    clocks = [hub.clock_s]
    if loaded is not None:
        findings += [_check_teacher(loaded, teacher) for teacher in loaded.pipeline.panel]
        url = loaded.pipeline.reference_teacher.base_url
        clocks.append(_ask(url.rstrip("/") + "/models").clock_s if url and hub.clock_s is None else None)
    told = next((clock for clock in clocks if clock is not None), None)
    return [*findings, _word_clock(told, now())]


def _ask(url: str) -> _Asked:
    if urlsplit(url).scheme not in ("http", "https"):
        return _Asked("not an http(s) address", None)
    try:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "distill"})  # noqa: S310  (checked above)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310
            return _Asked("", _clock(reply.headers.get("Date")))
    except urllib.error.HTTPError as error:  # it answered: that is all that is asked
        return _Asked("", _clock(error.headers.get("Date")))
    except (OSError, ValueError) as error:
        return _Asked(" ".join(str(getattr(error, "reason", error)).split())[:120] or type(error).__name__, None)


def _clock(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def _word_hub(url: str, hub: _Asked) -> Finding:
    if not hub.problem:
        return Finding("hub", "ok", f"{url} answers")
    words = (f"{url} cannot be reached ({hub.problem}); models and data must be local, in the hub's cache, or come "
             f"from the package index (extra `quickstart`)")  # fmt: skip
    return Finding("hub", "warn", words)


def _word_clock(told_s: float | None, now_s: float) -> Finding:
    if told_s is None:
        return Finding("clock", "warn", "not checked: no server was there to compare with")
    skew_s = now_s - told_s
    if abs(skew_s) <= MAX_SKEW_S:
        return Finding("clock", "ok", "agrees with the servers'")
    way = "fast" if skew_s > 0 else "slow"
    return Finding(
        "clock", "warn", f"{abs(skew_s):.0f} s {way}: leases, prices by day and certificates go by it; set it"
    )


def _check_teacher(loaded: LoadedConfig, config: TeacherConfig) -> Finding:
    subject = f"teacher {config.model}"
    if config.provider == "rehearsal":
        return Finding(subject, "ok", "a rehearsal: it is started with the run")
    if config.provider == "replay":
        return Finding(subject, "ok", "recorded answers: nothing is sent")
    try:
        with open_teacher(config, loaded.runtime) as teacher:
            standing = teacher.check(training=True)
    except DistillError as error:
        return Finding(subject, "fail", str(error))
    said = "; ".join(standing.warnings)
    return Finding(subject, "warn" if said else "ok", said or "there, key accepted, price known, terms stated")

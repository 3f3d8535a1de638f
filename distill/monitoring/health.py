"""Is the served student still good? A pure judgement over what is remembered; no data is never healthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from distill.costs.live import LiveTally
from distill.monitoring.config import MonitorConfig, RateConfig
from distill.monitoring.drift import find_drift, find_parity
from distill.monitoring.findings import Finding
from distill.monitoring.memory import Memory, Tally
from distill.monitoring.signals import DETECTORS, SIGNALS
from distill.records.live import Audit, ServedRequest
from distill.statistics.confidence_sequence import confidence_sequence

Status = Literal["healthy", "unhealthy", "no_data"]


@dataclass(frozen=True, slots=True)
class Health:
    """The monitor's word. `actions` are what was done about it; `spend` is what the version's traffic cost."""

    status: Status
    channel: str
    version: str
    findings: tuple[Finding, ...]
    actions: tuple[str, ...] = ()
    spend: LiveTally = field(default_factory=LiveTally)

    def alarms(self) -> set[str]:
        """Return the signals that alarm."""
        return {finding.signal for finding in self.findings if finding.status == "alarm"}

    def warns(self, prefix: str) -> bool:
        """Tell whether a signal beginning with `prefix` warns."""
        return any(finding.status == "warn" and finding.signal.startswith(prefix) for finding in self.findings)


def judge(
    channel: str,
    version: str,
    requests: Sequence[ServedRequest],
    audits: Sequence[Audit],
    config: MonitorConfig,
    now: float,
) -> Health:
    """Judge one version from all its requests and audits, oldest first; `now` is in seconds since the epoch."""
    memory = Memory(version)
    own = [audit for audit in audits if audit.version == version]
    memory.absorb([row for row in requests if row.version == version], own, config)
    return judge_memory(channel, memory, config, now)


def judge_memory(channel: str, memory: Memory, config: MonitorConfig, now: float) -> Health:
    """Judge one version from what is remembered of it."""
    tallies = memory.tallies
    findings = [
        judge_tally("disagreement", tallies.get("disagreement"), config.disagreement),
        _level(tallies.get("disagreement"), config),
        *(judge_tally(name, tallies.get(name), getattr(config, name)) for name in SIGNALS),
        _fixed("teacher_drift", memory.fixed.get("canary_teacher"), config, "warn"),
        _fixed("student_drift", memory.fixed.get("canary_student"), config, "alarm"),
        *find_drift(memory, config),
        *find_parity(memory, config),
        _presence("requests", memory.requests, memory.last_request, config.min_requests, config, now),
        _presence("audits", memory.audits, memory.last_audit, config.min_audits, config, now),
    ]
    statuses = {finding.status for finding in findings}
    missing = any(finding.status == "no_data" for finding in findings if finding.signal in ("requests", "audits"))
    status: Status = "unhealthy" if "alarm" in statuses else "no_data" if missing else "healthy"
    return Health(status, channel, memory.version, tuple(findings), spend=memory.spend)


def judge_tally(signal: str, tally: Tally | None, rate: RateConfig) -> Finding:
    """Put one detector into words."""
    if tally is None or tally.seen == 0:
        return Finding(signal, "no_data", "nothing to judge")
    share = tally.events / tally.seen
    if tally.alarm_at is None:
        return Finding(signal, "ok", f"{share:.1%} of {tally.seen}", tally.seen, share, rate.acceptable)
    message = f"rose above {rate.acceptable:.1%}: alarm at number {tally.alarm_at} of {tally.seen}, {share:.1%} in all"
    return Finding(signal, "alarm", message, tally.seen, share, rate.acceptable)


def _level(tally: Tally | None, config: MonitorConfig) -> Finding:
    if tally is None or tally.seen == 0:
        return Finding("disagreement_level", "no_data", "no audits")
    low, high = confidence_sequence(tally.events, tally.seen, config.false_alarm / DETECTORS)
    limit = config.disagreement.acceptable
    message = f"between {low:.1%} and {high:.1%}; acceptable {limit:.1%}"
    return Finding("disagreement_level", "alarm" if low > limit else "ok", message, tally.seen, low, limit)


def _fixed(signal: str, counts: list[int] | None, config: MonitorConfig, bad: Literal["warn", "alarm"]) -> Finding:
    """Compare answers to the fixed inputs with those first recorded."""
    if counts is None:
        return Finding(signal, "no_data", "no fixed inputs were asked (`fixed_set` of the gateway)")
    changed, n = counts
    low, _ = confidence_sequence(changed, n, 0.01)
    status = bad if low > config.fixed_change else "ok"
    return Finding(signal, status, f"{changed} of {n} answers changed", n, low, config.fixed_change)


def _presence(signal: str, n: int, last: float, least: int, config: MonitorConfig, now: float) -> Finding:
    if n < least:
        return Finding(signal, "no_data", f"{n} so far, {least} needed", n)
    silence = now - last
    if silence > config.max_silence_s:
        return Finding(signal, "no_data", f"none for {silence:.0f} s", n)
    return Finding(signal, "ok", f"{n}", n)

"""Is the served student still good? A pure judgement over logged requests and audits; no data is never healthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distill.monitoring.config import MonitorConfig, RateConfig
from distill.monitoring.drift import Finding, find_drift, find_parity
from distill.records.live import Audit, ServedRequest
from distill.statistics.change import ShiryaevRoberts
from distill.statistics.confidence_sequence import confidence_sequence

Status = Literal["healthy", "unhealthy", "no_data"]
DETECTORS = 6
ESCALATED = "low_confidence"


@dataclass(frozen=True, slots=True)
class Health:
    """The monitor's word. `actions` are what was done about it."""

    status: Status
    channel: str
    version: str
    findings: tuple[Finding, ...]
    actions: tuple[str, ...] = ()

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
    """Judge one version from its requests and audits, oldest first; `now` is in seconds since the epoch."""
    requests = [row for row in requests if row.version == version]
    own = [audit for audit in audits if audit.version == version]
    shadow = [audit for audit in own if audit.kind == "shadow"]
    findings = [
        detect("disagreement", [not audit.agreed for audit in shadow], config.disagreement, config),
        _level([not audit.agreed for audit in shadow], config),
        detect("invalid", [_is_invalid(row) for row in requests], config.invalid, config),
        detect("slow", [row.latency_ms > config.slow_ms for row in requests], config.slow, config),
        detect("escalation", [bool(row.reason) for row in requests], config.escalation, config),
        detect("unanswered", [row.answered_by == "none" for row in requests], config.unanswered, config),
        _teacher_drift(own),
        *find_drift(requests, config),
        *find_parity(requests, config),
        _presence("requests", [row.time for row in requests], config.min_requests, config, now),
        _presence("audits", [audit.time for audit in shadow], config.min_audits, config, now),
    ]
    statuses = {finding.status for finding in findings}
    missing = any(finding.status == "no_data" for finding in findings if finding.signal in ("requests", "audits"))
    status: Status = "unhealthy" if "alarm" in statuses else "no_data" if missing else "healthy"
    return Health(status, channel, version, tuple(findings))


def detect(signal: str, events: Sequence[bool], rate: RateConfig, config: MonitorConfig) -> Finding:
    """Run one Shiryaev-Roberts e-detector over all events.

    The detector M_t minus t is a supermartingale while the rate is acceptable, so by Doob's inequality an alarm within
    N events has a chance of at most N / limit; the limit makes that the detector's share of `false_alarm`.
    """
    if not events:
        return Finding(signal, "no_data", "nothing to judge")
    limit = config.horizon * DETECTORS / config.false_alarm
    detector = ShiryaevRoberts(rate.acceptable, rate.bad, limit)
    first = next((number for number, event in enumerate(events, 1) if detector.update(event)), None)
    share = sum(events) / len(events)
    if first is None:
        return Finding(signal, "ok", f"{share:.1%} of {len(events)}", len(events), share, rate.acceptable)
    message = f"rose above {rate.acceptable:.1%}: alarm at number {first} of {len(events)}, {share:.1%} over all"
    return Finding(signal, "alarm", message, len(events), share, rate.acceptable)


def _level(events: Sequence[bool], config: MonitorConfig) -> Finding:
    if not events:
        return Finding("disagreement_level", "no_data", "no audits")
    low, high = confidence_sequence(sum(events), len(events), config.false_alarm / DETECTORS)
    limit = config.disagreement.acceptable
    message = f"between {low:.1%} and {high:.1%}; acceptable {limit:.1%}"
    return Finding("disagreement_level", "alarm" if low > limit else "ok", message, len(events), low, limit)


def _is_invalid(row: ServedRequest) -> bool:
    first = row.reason.partition(",")[0]
    return row.answered_by == "none" or first not in ("", ESCALATED)


def _teacher_drift(audits: Sequence[Audit]) -> Finding:
    """Compare the teacher with its own recorded answers on the fixed inputs."""
    canary = [audit for audit in audits if audit.kind == "canary_teacher"]
    if not canary:
        return Finding("teacher_drift", "no_data", "no canary answers")
    changed = sum(not audit.agreed for audit in canary)
    low, _ = confidence_sequence(changed, len(canary), 0.05)
    status = "warn" if low > 0.02 else "ok"
    return Finding("teacher_drift", status, f"{changed} of {len(canary)} answers changed", len(canary), low, 0.02)


def _presence(signal: str, times: Sequence[float], least: int, config: MonitorConfig, now: float) -> Finding:
    if len(times) < least:
        return Finding(signal, "no_data", f"{len(times)} so far, {least} needed", len(times))
    silence = now - max(times)
    if silence > config.max_silence_s:
        return Finding(signal, "no_data", f"none for {silence:.0f} s", len(times))
    return Finding(signal, "ok", f"{len(times)}", len(times))

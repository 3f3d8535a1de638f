"""What /metrics shows. Names are used by deploy/'s rules and dashboard; a test holds them together."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from distill.serving.gateway import Gateway, Outcome

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    """The gateway's counters, gauges and histograms, in a registry of their own."""

    def __init__(self, gateway: Gateway, in_flight: Callable[[], int], dropped: Callable[[], int]) -> None:
        """Bind the gateway; the callables are read when somebody looks."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "distill_requests", "Requests by who answered", ["answered_by", "status", "side"], registry=self.registry
        )
        self.reasons = Counter(
            "distill_escalations", "Student answers not taken, by reason", ["reason", "side"], registry=self.registry
        )
        self.seconds = Histogram(
            "distill_request_seconds", "Time to answer", ["answered_by"], buckets=_SECONDS, registry=self.registry
        )
        self.spent = Counter("distill_fallback_usd", "Fallback spend in USD", registry=self.registry)
        self.audits = Counter("distill_shadow_audits", "Shadow audits by word", ["agreed"], registry=self.registry)
        self._gauge("distill_in_flight", "Requests being answered", in_flight)
        self._gauge("distill_fallback_usd_last_hour", "Fallback spend of the last hour", lambda: gateway.cap.spent_usd)
        self._gauge("distill_fallback_cap_usd_per_hour", "The cap; 0: none", lambda: gateway.cap.cap_usd or 0.0)
        self._gauge("distill_swap_failed", "1: a new version could not be loaded", lambda: _is_broken(gateway))
        self._gauge("distill_canary_share", "Share of keys that the canary gets", lambda: gateway.arms.share)
        self._gauge("distill_shadow_rate", "Share of answers put to the teacher", lambda: gateway.shadow_rate)
        self._gauge("distill_threshold_raised", "Added to the threshold by the monitor", lambda: gateway.threshold_add)
        self._gauge("distill_log_rows_dropped", "Request log rows lost to a full queue", dropped)
        self._gauge("distill_draining", "1: shutting down", lambda: gateway.draining)

    def answered(self, outcome: Outcome, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(outcome.answered_by, "200", outcome.side).inc()
        self.seconds.labels(outcome.answered_by).observe(seconds)
        if outcome.reason:
            self.reasons.labels(outcome.reason.partition(",")[0], outcome.side).inc()
        if outcome.cost_usd:
            self.spent.inc(outcome.cost_usd)

    def refused(self, status: int) -> None:
        """Count a request that got an error."""
        self.requests.labels("none", str(status), "main").inc()

    def audited(self, agreed: bool) -> None:
        """Count an audit."""
        self.audits.labels("yes" if agreed else "no").inc()

    def show(self) -> bytes:
        """Return the text of /metrics."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(lambda: float(read()))


def _is_broken(gateway: Gateway) -> float:
    return float(gateway.swap_error is not None or gateway.canary_error is not None)

"""What counts as healthy. Never part of a run's identity."""

from __future__ import annotations

from pydantic import Field, model_validator

from distill.records.frozen import Frozen


class RateConfig(Frozen):
    """A bad event's rate: `acceptable` is healthy, `bad` is what must be found soon."""

    acceptable: float = Field(gt=0, lt=1)
    """Rate up to which there is no alarm (but for the stated chance)."""
    bad: float = Field(gt=0, lt=1)
    """Rate that the detector is tuned to find."""

    @model_validator(mode="after")
    def check_order(self) -> RateConfig:
        if not self.acceptable < self.bad:
            raise ValueError("acceptable must be below bad")
        return self


class MonitorConfig(Frozen):
    """The monitor."""

    disagreement: RateConfig = RateConfig(acceptable=0.03, bad=0.08)
    """Student against teacher, on the shadow sample."""
    schema_errors: RateConfig = RateConfig(acceptable=0.02, bad=0.06)
    """Student answers that do not parse or do not fit the task, or that crash the student."""
    failed: RateConfig = RateConfig(acceptable=0.01, bad=0.04)
    """Student calls that time out or find no upstream."""
    truncated: RateConfig = RateConfig(acceptable=0.01, bad=0.04)
    """Answers or inputs cut at a length limit."""
    refusal: RateConfig = RateConfig(acceptable=0.005, bad=0.02)
    """Student answers that decline the task."""
    repetition: RateConfig = RateConfig(acceptable=0.005, bad=0.02)
    """Student answers stuck in a loop."""
    slow: RateConfig = RateConfig(acceptable=0.05, bad=0.15)
    """Requests over `slow_ms`."""
    escalation: RateConfig = RateConfig(acceptable=0.65, bad=0.8)
    """Requests where the student was not sure enough or gave no answer; set it from the gate's coverage."""
    unanswered: RateConfig = RateConfig(acceptable=0.01, bad=0.04)
    """Requests nobody could answer."""
    slow_ms: float = Field(default=1000.0, gt=0)
    """Latency that counts as slow."""
    false_alarm: float = Field(default=0.05, gt=0, lt=1)
    """Chance at most of any false alarm within `horizon` requests, over all detectors together."""
    horizon: int = Field(default=10_000, ge=1)
    """Requests (and audits) that `false_alarm` speaks of."""
    min_requests: int = Field(default=50, ge=1)
    """Fewer requests than this in the window: no data."""
    min_audits: int = Field(default=30, ge=1)
    """Fewer audits than this of the current version: no data."""
    max_silence_s: float = Field(default=86_400.0, gt=0)
    """No request, or no audit, for this long: no data."""
    fixed_change: float = Field(default=0.02, gt=0, lt=1)
    """Share of answers to the fixed inputs that may change from pass to pass."""
    drift_window: int = Field(default=300, ge=50)
    """Requests in the reference (the first after promotion) and in the current window of the drift tests."""
    drift_p: float = Field(default=0.001, gt=0, lt=1)
    """p-value below which a drift test warns, divided by the number of tests."""
    raised_shadow_rate: float = Field(default=0.2, gt=0, le=1)
    """Shadow rate asked for while the input drifts."""
    parity_gap: float = Field(default=0.15, gt=0, lt=1)
    """A slice that surely escalates this much more often than the rest is a warning."""
    widen_by: float = Field(default=0.0, ge=0, le=1)
    """Added to the threshold while unhealthy; 0: not."""
    webhook: str | None = None
    """URL that gets the health as JSON when it becomes unhealthy, when alarms change, and every `repeat_page_s`."""
    repeat_page_s: float = Field(default=3600.0, gt=0)
    """How often an unchanged bad health is sent again."""
    rollback: bool = False
    """Roll back when the student's own answers alarm and the teacher is steady."""
    judge_canary: bool = True
    """Promote or withdraw a channel's canary by the rules in its history."""

"""The `evaluate` section: what is measured on the sealed held-out set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from distill.records.frozen import Frozen

RiskOver = Literal["answered", "traffic"]


class FallbackConfig(Frozen):
    """Where the student gives way to the teacher."""

    threshold: Literal["auto"] | float = "auto"
    """Confidence from which the student answers; `auto` certifies one on validation (Learn then Test)."""
    target_risk: float = Field(default=0.05, gt=0, lt=1)
    """Error rate that `auto` certifies."""
    risk_over: RiskOver = "answered"
    """`answered`: wrong among the student's own answers; `traffic`: the student's wrong answers among all requests."""
    delta: float = Field(default=0.1, gt=0, lt=1)
    """Chance that the certificate is wrong."""
    own_rows: bool = True
    """Certify on validation rows that training did not choose its checkpoint by (half of them)."""


class ModelConfig(Frozen):
    """A model behind an OpenAI-compatible endpoint, asked the teacher's prompt."""

    model: str
    """Model name, a pinned snapshot where the provider has them."""
    base_url: str | None = None
    """Endpoint; default: the provider's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key, never the key."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; null leaves it to the provider."""
    max_output_tokens: int = Field(default=256, ge=1)
    """Output tokens per answer at most."""
    input_usd: float | None = Field(default=None, ge=0)
    """USD per million input tokens; default: the price book of the day."""
    output_usd: float | None = Field(default=None, ge=0)
    """USD per million output tokens; default: the price book of the day."""


TAKEN = frozenset({"student", "teacher", "cascade", "judge", "majority", "linear_probe", "base", "few_shot"})


class RivalConfig(ModelConfig):
    """A cheaper model as a system of its own on the sealed set: perhaps no student is needed."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Its name in reports and in `versus`."""

    @field_validator("name")
    @classmethod
    def check_free(cls, name: str) -> str:
        if name in TAKEN:
            raise ValueError(f"{name!r} is the name of a system that is always there; choose another")
        return name


class JudgeConfig(ModelConfig):
    """A model that says which of two answers is better, asked in both orders."""

    criteria: str = "correctness first, then completeness, then brevity"
    """What better means."""


class EvaluateConfig(Frozen):
    """What is measured."""

    fallback: FallbackConfig | None = None
    """The cascade's threshold; null: the student answers everything."""
    metrics: tuple[str, ...] | None = None
    """Metric names; default: the usual ones of the task's output kind."""
    baselines: tuple[str, ...] = ("majority",)
    """Baselines: majority, linear_probe, base (untuned) and few_shot (the base with examples before it)."""
    few_shot_examples: int = Field(default=8, ge=1)
    """Lessons shown to `few_shot`."""
    models: tuple[RivalConfig, ...] = ()
    """Cheaper models to hold against the student."""
    judge: JudgeConfig | None = None
    """Who compares the student's answers with the teacher's (for `judge_win_rate`)."""
    latency_rows: int = Field(default=100, ge=1)
    """Held-out rows that the student answers one at a time, for its latency; the rest goes in batches."""
    cold_starts: int = Field(default=1, ge=1, le=1000)
    """Times that the student is loaded anew for its first answer (`cold_p95_latency_ms`; 59 can bound a p95)."""
    repeats: int = Field(default=1, ge=1)
    """Evaluations of each system, for the noise floor."""
    bootstrap_resamples: int = Field(default=9999, ge=999)
    """Resamples of intervals that need them."""
    seed: int = 0
    """Seed of resampling."""

"""The `teacher` section: who answers, at what price, within which limits."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen


class PriceConfig(Frozen):
    """Prices in USD per million tokens."""

    input: float = Field(ge=0)
    """Input tokens."""
    cached_input: float | None = Field(default=None, ge=0)
    """Cached input tokens; default: the input price."""
    output: float = Field(ge=0)
    """Output tokens (reasoning tokens included)."""
    batch_factor: float = Field(default=0.5, ge=0, le=1)
    """Batch price as a share of the realtime one."""


class LimitsConfig(Frozen):
    """The provider's rate limits for this key."""

    requests_per_minute: int = Field(default=5000, ge=1)
    """Requests per minute."""
    tokens_per_minute: int = Field(default=2_000_000, ge=1)
    """Input plus output tokens per minute."""


class TermsConfig(Frozen):
    """May the answers be trained on? Must be stated before a run trains on bought answers."""

    training_on_outputs: Literal["allowed", "forbidden", "unstated"] = "unstated"
    """What the provider's terms say."""
    source: str | None = None
    """Where they say it (goes into the model card)."""


class SmokeConfig(Frozen):
    """The first rows are bought, parsed and filtered before the rest is."""

    rows: int = Field(default=16, ge=1)
    """Rows to try first."""
    min_accepted: int = Field(default=15, ge=0)
    """Accepted answers needed to go on."""


class TeacherConfig(Frozen):
    """Who answers and how it is asked."""

    provider: Literal["openai", "replay", "rehearsal"] = "openai"
    """`openai` is any OpenAI-compatible endpoint; `replay` sends nothing; `rehearsal` is the offline stand-in."""
    model: str
    """Model name, a pinned snapshot where the provider has them."""
    base_url: str | None = None
    """Endpoint; `${ENV}` is expanded. Default: the provider's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key, never the key."""
    knowledge: tuple[str, ...] = ()
    """Rehearsal only: files with known answers, merged by `id`."""
    knowledge_input: str = "text"
    """Rehearsal only: the column of the files that is the input."""
    knowledge_answer: str = "answer"
    """Rehearsal only: the column of the files that is the answer."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; null leaves it to the provider."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers per row."""
    top_logprobs: int = Field(default=0, ge=0, le=20)
    """Alternatives per token to record."""
    max_output_tokens: int = Field(default=256, ge=1)
    """Output tokens per answer at most."""
    structured: Literal["auto", "json_schema", "json_object", "off"] = "auto"
    """`auto` sends the task's JSON Schema as response_format and falls back where a server refuses it."""
    mode: Literal["realtime", "batch"] = "realtime"
    """`batch` uses the provider's batch endpoint at its lower price."""
    price: Literal["auto"] | PriceConfig = "auto"
    """`auto` looks the model up in the price book of the day; else USD per million tokens."""
    price_is_assumption: bool = False
    """The price is an assumption, and the report says so."""
    budget_usd: float | None = Field(default=None, gt=0)
    """The run stops before a call that could pass this (exit 5), and can be resumed.

    It bounds all that is bought for these rows, this prompt and this teacher: every stage, resumption and worker."""
    limits: LimitsConfig = LimitsConfig()
    """The provider's rate limits."""
    sunset: Literal["auto"] | date | None = "auto"
    """Day the model is switched off; `auto` reads it from the model listing where given."""
    terms: TermsConfig = TermsConfig()
    """Terms on training with outputs."""
    smoke: SmokeConfig = SmokeConfig()
    """The trial before the spend."""
    allow_model_mismatch: bool = False
    """Accept answers from another snapshot than the pinned one (reported either way)."""

"""How a channel is served. Never part of a run's identity; secrets are named by environment variable only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen


class FallbackConfig(Frozen):
    """The teacher that answers where the student should not."""

    base_url: str = "https://api.openai.com/v1"
    """Endpoint of an OpenAI-compatible API."""
    model: str
    """Model name."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key."""
    timeout_s: float = Field(default=20.0, gt=0)
    """Time for one call."""
    attempts: int = Field(default=2, ge=1, le=5)
    """Tries within the request's own time limit; a refusal of the key or the request is not tried again."""
    max_output_tokens: int = Field(default=256, ge=1)
    """Output tokens at most."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; null leaves it to the provider."""
    input_usd_per_million: float | None = Field(default=None, ge=0)
    """Price of input tokens; null: unknown, and then a dollar cap cannot be set."""
    output_usd_per_million: float | None = Field(default=None, ge=0)
    """Price of output tokens."""
    cap_usd_per_hour: float | None = Field(default=None, gt=0)
    """Spend in any 60 minutes at most, shadow calls not included; null: no cap."""
    concurrency: int = Field(default=32, ge=1)
    """Calls in flight at most."""


class UpstreamConfig(Frozen):
    """A student served elsewhere (vLLM with the exported adapter)."""

    base_url: str
    """Endpoint ending in /v1."""
    model: str = "student"
    """Name the server knows the student by."""
    api_key_env: str | None = None
    """Name of the environment variable with its key; null: none."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Time for one call."""
    max_output_tokens: int = Field(default=256, ge=1)
    """Output tokens at most."""
    logprobs: bool = True
    """Ask for token log-probabilities: the confidence is exp(their mean)."""


class LogConfig(Frozen):
    """What the request log keeps."""

    text: Literal["redacted", "full", "off"] = "redacted"
    """Inputs and answers: with e-mail addresses, numbers and keys masked, as they are, or not at all."""
    retention_days: float = Field(default=30.0, gt=0)
    """Older rows are deleted."""
    max_rows: int = Field(default=5_000_000, ge=1)
    """The oldest rows over this number are deleted."""
    redact: tuple[str, ...] = ()
    """More regular expressions to mask, beside the built-in ones."""


class ShadowConfig(Frozen):
    """The uniform sample of student answers that the teacher is asked about, in the background."""

    rate: float = Field(default=0.02, ge=0, le=1)
    """Share of the student's answers."""
    cap_usd_per_hour: float | None = Field(default=None, gt=0)
    """Spend in any 60 minutes at most; null: the fallback's cap, kept apart."""
    max_per_hour: int = Field(default=500, ge=0)
    """Calls in any 60 minutes at most."""


class FixedSetConfig(Frozen):
    """Fixed inputs that student and teacher answer again each day, to tell who of them changed."""

    path: str
    """JSON-lines file with the task's columns."""
    max_rows: int = Field(default=50, ge=1, le=1000)
    """The first rows of it; each is one teacher call a pass, outside the hourly caps."""
    every_hours: float = Field(default=24.0, gt=0)
    """Time between passes."""


class ServeConfig(Frozen):
    """The gateway."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port; 0 takes a free one."""
    auth: Literal["auto", "on", "off"] = "auto"
    """API keys: `auto` asks for them unless the address is loopback."""
    api_key_env: str = "DISTILL_SERVE_KEYS"
    """Name of the environment variable with the accepted keys, separated by commas."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    """Larger bodies get 413."""
    max_input_chars: int = Field(default=65_536, ge=1)
    """Longer inputs get 400 (context_length_exceeded)."""
    max_input_tokens: int = Field(default=16_384, ge=1)
    """Inputs of more tokens (a token counted as four bytes) get 400 (context_length_exceeded)."""
    max_output_tokens: int = Field(default=32_768, ge=1)
    """Requests that ask for more in `max_tokens` get 400."""
    max_in_flight: int = Field(default=2048, ge=1)
    """Requests being answered at most; more get 429 with Retry-After."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """Time for the body to arrive (408)."""
    request_timeout_s: float = Field(default=30.0, gt=0)
    """Time for one answer, fallback included (503 after it)."""
    student_timeout_s: float = Field(default=5.0, gt=0)
    """Time for the student's answer; then the teacher is asked."""
    drain_timeout_s: float = Field(default=30.0, gt=0)
    """Time for answers under way after SIGTERM."""
    max_batch: int = Field(default=64, ge=1)
    """Prompts in one forward pass at most."""
    max_wait_ms: float = Field(default=0.0, ge=0, le=1000)
    """Time to wait for a fuller batch; 0: what has gathered while the last batch ran."""
    poll_s: float = Field(default=1.0, gt=0)
    """How often the channel and the monitor's policy are read."""
    keep_warm: bool = True
    """Keep the version before the one that serves loaded, so that a rollback waits for no load."""
    retry_load_s: float = Field(default=30.0, gt=0)
    """How soon a version that could not be loaded is tried again."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Overrides the threshold stored with the student."""
    log_prompts: bool = False
    """Write prompt texts to the process log at debug level."""
    models: tuple[str, ...] = ()
    """More names that callers may use in `model`, e.g. the teacher's, for a drop-in."""
    fallback: FallbackConfig | None = None
    """The teacher; null: no fallback."""
    upstream: UpstreamConfig | None = None
    """A student served elsewhere; null: in this process."""
    log: LogConfig | None = LogConfig()
    """The request log; null: none."""
    shadow: ShadowConfig = ShadowConfig()
    """Shadow sample."""
    fixed_set: FixedSetConfig | None = None
    """Fixed inputs; null: none, and a change of the teacher cannot be told from one of the student."""

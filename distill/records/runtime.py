"""How a run is run: paths, device, concurrency. Never hashed, never part of identity."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"]
"""A kernel of attention, by its name in transformers."""


class RuntimeConfig(Frozen):
    """The `runtime` section; flags and DISTILL_* variables override it."""

    concurrency: int = Field(default=64, ge=1)
    """Teacher calls in flight at most."""
    request_timeout_s: float = Field(default=120.0, gt=0)
    """Time for one attempt of a teacher call."""
    request_deadline_s: float = Field(default=600.0, gt=0)
    """Time for one teacher call with all its retries."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    attention: Attention = "auto"
    """Kernel of attention while training; auto: the base's own, mostly sdpa (flash kernels: untried, no GPU)."""
    engine: Literal["local", "ray"] = "local"
    """Where filters run."""
    journal: str | None = None
    """sqlite:///PATH or postgresql://...; default: journal.db in the state directory."""
    state_dir: Path = Path(".distill")
    """Artifacts, journal and channels."""
    runs_dir: Path = Path("runs")
    """Run directories."""
    tracking: tuple[Literal["mlflow", "tensorboard", "wandb"], ...] = ()
    """Where training curves go; each needs the extra of its name."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Log level of stderr."""

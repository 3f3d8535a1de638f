"""The `data` section: where rows come from and what their columns mean."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from distill.records.frozen import Frozen


class HeldoutConfig(Frozen):
    """The sealed held-out set: a source of its own, a number of rows, or a share of them (exactly one)."""

    source: str | None = None
    """File (same formats as `data.source`) with the held-out rows."""
    size: int | None = Field(default=None, ge=1)
    """Rows to hold out."""
    fraction: float | None = Field(default=None, gt=0, lt=1)
    """Share of the rows to hold out."""
    allowed_looks: int = Field(default=1, ge=1)
    """Evaluations of this set that are tested at full alpha; later ones spend alpha/(k(k+1))."""

    @model_validator(mode="after")
    def check_exactly_one(self) -> HeldoutConfig:
        if sum(value is not None for value in (self.source, self.size, self.fraction)) != 1:
            raise ValueError("give exactly one of source, size, fraction")
        return self


class ValidationConfig(Frozen):
    """The validation set, cut from the training rows; thresholds and early stopping use it."""

    fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the training rows."""


class DataConfig(Frozen):
    """Rows and the meaning of their columns."""

    source: str
    """jsonl, csv, tsv or parquet (globs, .gz), `hf:owner/name[@revision][:split]`, or chat logs."""
    format: Literal["auto", "rows", "chat"] = "auto"
    """`chat` rows carry `messages`; the last assistant message becomes the recorded teacher answer."""
    id: str | None = None
    """Column with a unique id; default: hash of the content."""
    gold: str | None = None
    """Column with the right answer, where there is one."""
    teacher_output: str | None = None
    """Column with teacher answers already recorded; nothing is bought for those rows."""
    slices: tuple[str, ...] = ()
    """Columns whose values become slices."""
    group: str | None = None
    """Column whose value never crosses train and held-out."""
    time: str | None = None
    """Column with a timestamp: held-out is then the newest part."""
    heldout: HeldoutConfig = HeldoutConfig(fraction=0.2)
    """The sealed held-out set."""
    validation: ValidationConfig = ValidationConfig()
    """The validation set."""
    near_duplicate_threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of word sets from which two rows count as near-duplicates."""
    paraphrase_threshold: float | None = Field(default=0.9, gt=0, le=1)
    """Cosine of rare word stems from which a train row is suspected to paraphrase a held-out one; null: no search."""
    remove_paraphrases: bool = False
    """Leave suspected paraphrases out of train too (they are counted and shown either way)."""
    embargo_days: float = Field(default=0.0, ge=0)
    """With `time`: rows this close before the oldest held-out row are left out of train."""
    max_malformed_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of malformed lines above which ingest stops."""
    seed: int = 0
    """Seed of the splits."""

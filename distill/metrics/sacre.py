"""What BLEU and chrF share: sacrebleu behind one door, and texts in the form it reads."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from distill.errors import UsageError
from distill.metrics.words import answer_text, as_text
from distill.records.prediction import Prediction


def load_sacrebleu(metric: str) -> Any:  # noqa: ANN401 - a module of an optional package
    """Return `sacrebleu.metrics`.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        return import_module("sacrebleu.metrics")
    except ImportError as error:
        raise UsageError(f"the metric {metric!r} needs sacrebleu: pip install 'distill[text]'") from error


def texts_of(predictions: Sequence[Prediction]) -> list[tuple[str, str]]:
    """Return (answer, reference) per prediction; a failed answer is empty."""
    return [(answer_text(p), as_text(p.reference)) for p in predictions]

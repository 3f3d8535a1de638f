"""What a metric must offer: a score per example, and an aggregate with an interval. Failures count as wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from distill.records.prediction import Prediction
from distill.records.score import Score

Floats = NDArray[np.float64]
Combine = Callable[[Floats], Floats]

Kind = Literal["mean", "corpus", "quantile"]


class Metric(Protocol):
    """One metric over predictions of one system.

    `kind` decides how differences are tested: `mean` is the mean of per-item scores, `corpus` a function of
    summed per-item vectors (macro-F1, BLEU), `quantile` the `q`-quantile of per-item numbers.
    """

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def q(self) -> float | None: ...

    def item(self, prediction: Prediction) -> float | None:
        """Score one prediction; None where the metric does not apply or was not measured."""
        ...

    def is_measured(self, prediction: Prediction) -> bool:
        """Say whether this prediction has what the metric is made of."""
        ...

    def over_repeats(self, values: Sequence[float]) -> float | None:
        """Make one value of an example's repeats (their mean, or pass@k); None where it cannot."""
        ...

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        """Return one (n, K) matrix per system over shared columns, and the map from sums (R, K) to values (R,)."""
        ...

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        """Return the metric of one system with a two-sided interval."""
        ...

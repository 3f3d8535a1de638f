"""What the gate decides on: predictions of every system on the sealed set, and numbers measured elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from distill.records.prediction import Prediction
from distill.records.score import Score

Floats = NDArray[np.float64]
Combine = Callable[[Floats], Floats]


class Measure(Protocol):
    """What the gate needs of a metric; every member of `distill.metrics` is one."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def kind(self) -> Literal["mean", "corpus", "quantile"]: ...
    @property
    def q(self) -> float | None: ...

    def item(self, prediction: Prediction) -> float | None:
        """Score one prediction; None where it was not measured."""
        ...

    def is_measured(self, prediction: Prediction) -> bool:
        """Say whether this prediction has what the metric is made of."""
        ...

    def over_repeats(self, values: Sequence[float]) -> float | None:
        """Make one value of an example's repeats; None where it cannot."""
        ...

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        """Return one (n, K) matrix per system, and the map from sums (R, K) to values (R,)."""
        ...

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        """Return the metric of one system with a two-sided interval."""
        ...


class Measured(NamedTuple):
    """A number measured outside the predictions, with its bounds; None: unknown, and then nothing passes."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a decision stands on.

    `expected` maps the sealed set's ids to content hashes ('' where unknown); `predictions` maps a system to its
    answers on it; `metrics` maps a metric's name to the metric; `measured` maps metric, then system, to a number;
    `samples` likewise to numbers of which the metric is a quantile (starts, not rows);
    `reference` is gold, or teacher where there is none; `self_agreement` is how often the teacher agrees with
    itself; `look` numbers this verdict on the sealed set, and `evaluations` (None: as many) led up to it;
    `problems` were found elsewhere and make the decision invalid, `remarks` are told beside it; `channels` are
    the versions of the channels compared against.
    """

    expected: Mapping[str, str]
    predictions: Mapping[str, Sequence[Prediction]]
    metrics: Mapping[str, Measure]
    measured: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict[str, Mapping[str, Measured]])
    samples: Mapping[str, Mapping[str, Sequence[float]]] = field(
        default_factory=dict[str, Mapping[str, Sequence[float]]]
    )
    reference: Literal["gold", "teacher"] = "gold"
    self_agreement: float | None = None
    look: int = 1
    evaluations: int | None = None
    allowed_looks: int = 1
    heldout_digest: str = ""
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    channels: Mapping[str, int] = field(default_factory=dict[str, int])
    resamples: int = 9999
    seed: int = 0

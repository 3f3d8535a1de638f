"""Resampling of examples: BCa for a mean, and the paired bootstrap for metrics of a whole corpus."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from distill.statistics.interval import Interval

Floats = NDArray[np.float64]
_CHUNK = 4_000_000  # weights held at once, to bound memory


def bca_interval(
    values: Sequence[float] | Floats, confidence: float = 0.95, resamples: int = 9999, seed: int = 0
) -> Interval:
    """Return the bias-corrected accelerated bootstrap interval of a mean (Efron 1987, JASA 82:171).

    All values equal gives that value twice.

    Raises:
        ValueError: fewer than two values.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        raise ValueError("BCa needs two values or more")
    if np.ptp(x) == 0:
        return Interval(float(x[0]), float(x[0]))
    means = np.concatenate([w @ x / len(x) for w in _resample_weights(len(x), None, resamples, seed)])
    share = (np.sum(means < x.mean()) + np.sum(means == x.mean()) / 2) / len(means)
    bias = special.ndtri(np.clip(share, 1 / len(means), 1 - 1 / len(means)))
    centred = x.mean() - x
    acceleration = np.sum(centred**3) / (6 * np.sum(centred**2) ** 1.5) * -1
    z = special.ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    adjusted = special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    low, high = np.quantile(means, adjusted)
    return Interval(float(low), float(high))


def bootstrap_sums(vectors: Floats, resamples: int, seed: int, clusters: Sequence[Hashable] | None = None) -> Floats:
    """Return the column sums of resampled rows: vectors (n, K) -> (resamples, K).

    A corpus metric is a function of such sums; both systems of a pair go in as columns of one matrix, so they
    share each resample. With `clusters`, whole clusters are drawn.
    """
    return np.concatenate([w @ vectors for w in _resample_weights(len(vectors), clusters, resamples, seed)])


def paired_bootstrap(
    student: Floats, teacher: Floats, combine: Callable[[Floats], Floats], resamples: int = 9999, seed: int = 0
) -> Floats:
    """Return `resamples` values of combine(student sums) - combine(teacher sums), both from the same draw of rows.

    `student` and `teacher` are (n, K); `combine` maps sums (R, K) to metric values (R,).

    Raises:
        ValueError: the two do not have the same rows.
    """
    if len(student) != len(teacher):
        raise ValueError(f"{len(student)} student rows but {len(teacher)} teacher rows")
    sums = bootstrap_sums(np.hstack([student, teacher]), resamples, seed)
    width = student.shape[1]
    return combine(sums[:, :width]) - combine(sums[:, width:])


def percentile_interval(draws: Floats, confidence: float = 0.95) -> Interval:
    """Return the central percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(low), float(high))


def bootstrap_p(draws: Floats, bound: float, *, above: bool) -> float:
    """Return (1 + draws on the wrong side of `bound`) / (draws + 1), for the claim `above` (or below) it."""
    wrong = np.sum(draws <= bound) if above else np.sum(draws >= bound)
    return float((1 + wrong) / (len(draws) + 1))


def _resample_weights(n: int, clusters: Sequence[Hashable] | None, resamples: int, seed: int):  # noqa: ANN202
    rng = np.random.default_rng(seed)
    codes = None
    units = n
    if clusters is not None:
        seen: dict[Hashable, int] = {}
        codes = np.array([seen.setdefault(name, len(seen)) for name in clusters])
        units = len(seen)
    batch = max(1, _CHUNK // max(n, 1))
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        weights = rng.multinomial(units, np.full(units, 1 / units), size=size).astype(np.float64)
        yield weights if codes is None else weights[:, codes]

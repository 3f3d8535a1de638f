"""Black-box shift estimation: how the label mix changed (Lipton et al. 2018, arXiv:1802.03916)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def label_shift_weights(joint: Sequence[Sequence[float]] | Floats, target_marginal: Sequence[float] | Floats) -> Floats:
    """Return w[y] = target P(y) / source P(y) for L labels, never negative.

    `joint[i, j]` (L, L) is the source probability of predicting i when j is true; `target_marginal[i]` (L) the
    share of i among the predictions now. It assumes that P(input | label) did not change.

    Raises:
        ValueError: shapes do not fit, or the confusion matrix cannot be inverted.
    """
    C, mu = np.asarray(joint, np.float64), np.asarray(target_marginal, np.float64)
    if C.shape != (len(mu), len(mu)):
        raise ValueError(f"joint must be {len(mu)} x {len(mu)}, got {C.shape}")
    if np.linalg.cond(C) > 1e10:
        raise ValueError("the confusion matrix cannot be inverted: some labels are never told apart")
    return np.maximum(np.linalg.solve(C, mu), 0.0)

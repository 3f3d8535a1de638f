"""One bijective mix of 64-bit integers, on whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
MIX = np.uint64(0x9E3779B97F4A7C15)


def scramble(values: U64) -> U64:
    """Return a bijective 64-bit mix of `values` (splitmix64 finaliser; Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

"""128 bits that stand for a text: equal digests mean equal normal forms.

Among a billion texts, some two that differ share a digest with a chance of 1 in 10^20.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xxhash
from numpy.typing import NDArray

from distill.similarity.normalise import normalise_all

Digests = NDArray[np.bytes_]


def digest_texts(texts: Iterable[str]) -> Digests:
    """Return the digest of each text's normal form, 16 bytes each."""
    return np.fromiter(map(_digest, normalise_all(texts)), "S16")


def _digest(normal: str) -> bytes:
    return xxhash.xxh3_128_digest(normal.encode("utf-8", "surrogatepass"))

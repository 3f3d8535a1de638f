"""Connected components over pairs: what must never be torn apart by a split."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def components(n: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Return for each of `n` nodes the smallest node of its component.

    Args:
        n: Number of nodes; pairs name nodes 0 to n - 1.
        pairs: Edges in any order and direction; a longer tuple's further fields are not read.

    Raises:
        IndexError: a pair names a node outside 0 to n - 1.
    """
    parents = list(range(n))

    def find(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for pair in pairs:
        if not (0 <= pair[0] < n and 0 <= pair[1] < n):
            raise IndexError(f"pair {pair!r} names a node outside 0 to {n - 1}")
        left, right = find(pair[0]), find(pair[1])
        parents[max(left, right)] = min(left, right)
    return np.array([find(node) for node in range(n)], np.int64)

"""Near copies on Ray: texts are encoded block by block, then a shuffle brings together the sets that share a band.

The shuffle is made of plain tasks: a task keys a range of sets and cuts the keys into parts, another takes the same
part of all of them. A bucket of a band is never cut, and its sets keep their order, so the same pairs are proposed as
in one process. Every task is pure: one whose worker dies is run again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from distill.similarity import (
    LOCAL,
    WORDS,
    Digests,
    Joined,
    Profile,
    ShingleSets,
    Shingling,
    Sides,
    choose_banding,
    digest_texts,
    encode,
    iterate_bands,
    make_profile,
    propose,
    take_sets,
    verify,
)

T = TypeVar("T")
I64 = NDArray[np.int64]
BLOCK_TEXTS = 16_384
BLOCK_SETS = 65_536
MAX_PARTS = 256
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


class Keyed(NamedTuple):
    """Sets by the keys of their bands."""

    band: NDArray[np.int16]
    key: NDArray[np.uint64]
    member: I64


class Shared(NamedTuple):
    """What every task of a join reads; Ray keeps one copy a machine."""

    sets: ShingleSets
    profile: Profile
    sides: Sides | None


class RayJoiner(NamedTuple):
    """Digests, encodes and joins on the Ray that this process is connected to."""

    ray: Any
    block_texts: int = BLOCK_TEXTS
    block_sets: int = BLOCK_SETS

    def digest(self, texts: Iterable[str]) -> Digests:
        """Digest texts block by block."""
        blocks = self._map(digest_texts, self._cut(texts))
        return np.concatenate([digest_texts(()), *blocks])

    def encode(self, texts: Iterable[str], shingling: Shingling = WORDS) -> ShingleSets:
        """Encode texts block by block, then give them one vocabulary."""
        return merge_blocks(list(self._map(encode, self._cut(texts), shingling)))

    def join(self, sets: ShingleSets, threshold: float, sides: Sides | None) -> Joined:
        """Return the verified pairs: keys by range of sets, a shuffle by key, pairs within each part."""
        total = len(sets.offsets) - 1
        if total < 2:
            return LOCAL.join(sets, threshold, sides)
        shared = self.ray.put(Shared(sets, make_profile(sets), sides))
        parts = max(2, min(MAX_PARTS, -(-total // self.block_sets)))
        key = self.ray.remote(key_range).options(num_returns=parts)
        starts = range(0, total, self.block_sets)
        keyed = [key.remote(shared, start, min(start + self.block_sets, total), threshold, parts) for start in starts]
        pair = self.ray.remote(pair_part)
        found = self.ray.get([pair.remote(shared, threshold, *column) for column in zip(*keyed, strict=True)])
        return _together(found)

    def _cut(self, texts: Iterable[str]) -> Iterator[list[str]]:
        stream = iter(texts)
        return iter(lambda: list(islice(stream, self.block_texts)), [])

    def _map(self, work: Callable[..., T], blocks: Iterable[list[str]], *more: object) -> Iterator[T]:
        """Yield the work's results in the order of the blocks; few blocks are under way at once."""
        task = self.ray.remote(work)
        most = 2 * max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        waiting: deque[Any] = deque()
        for block in blocks:
            if len(waiting) >= most:
                yield cast("T", self.ray.get(waiting.popleft()))
            waiting.append(task.remote(block, *more))
        while waiting:
            yield cast("T", self.ray.get(waiting.popleft()))


def merge_blocks(blocks: Sequence[ShingleSets]) -> ShingleSets:
    """Put lists of sets behind each other, over one vocabulary in the order of its hashes."""
    if not blocks:
        return encode(())
    hashes = np.unique(np.concatenate([block.hashes for block in blocks]))
    ids = [np.searchsorted(hashes, block.hashes).astype(np.uint32)[block.ids] for block in blocks]
    sizes = np.concatenate([np.diff(block.offsets) for block in blocks])
    return ShingleSets(np.append(0, np.cumsum(sizes)).astype(np.int64), np.concatenate(ids), hashes)


def key_range(shared: Shared, start: int, stop: int, threshold: float, parts: int) -> list[Keyed]:
    """Key the sets from `start` to `stop` by each band, and cut the keys into parts."""
    members = np.arange(start, stop)
    bands = list(iterate_bands(take_sets(shared.sets, members), choose_banding(threshold)))
    key = np.concatenate(bands)
    band = np.repeat(np.arange(len(bands), dtype=np.int16), len(members))
    part = (key % np.uint64(parts)).astype(np.int64)
    order = np.argsort(part, kind="stable")
    cuts = np.searchsorted(part[order], np.arange(1, parts))
    member = np.tile(members, len(bands))
    return [Keyed(band[mine], key[mine], member[mine]) for mine in np.split(order, cuts)]


def pair_part(shared: Shared, threshold: float, *ranges: Keyed) -> Joined:
    """Propose and verify the pairs of a part: all sets that share a key of a band are in it, in ascending order."""
    band, key, member = (np.concatenate(column) for column in zip(*ranges, strict=True))
    packed = [np.zeros(0, np.uint64)]
    for number in np.unique(band).tolist():
        chosen = np.flatnonzero(band == number)
        mine = member[chosen]
        profile = Profile(shared.profile.sizes[mine], shared.profile.sketch[mine])
        sides = None if shared.sides is None else shared.sides[mine]
        near = propose(key[chosen], profile, threshold, sides)
        packed.append(_pack(mine[(near >> _HALF).astype(np.int64)], mine[(near & _LOW).astype(np.int64)]))
    return verify(shared.sets, np.unique(np.concatenate(packed)), threshold)


def _pack(left: I64, right: I64) -> NDArray[np.uint64]:
    return left.astype(np.uint64) << _HALF | right.astype(np.uint64)


def _together(found: Sequence[Joined]) -> Joined:
    left, right, score = (np.concatenate(column) for column in zip(*found, strict=True))
    _, once = np.unique(_pack(left, right), return_index=True)
    return Joined(left[once], right[once], score[once])

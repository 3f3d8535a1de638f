"""The shuffle of bands, task by task in this process: the pairs of a join that sees all sets at once."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fakes.inline_ray import InlineRay
from fakes.planted import make_short_texts, near_copy

from distill.similarity import (
    LOCAL,
    Joined,
    ShingleSets,
    Shingling,
    cross_pairs,
    digest_texts,
    encode,
    near_duplicate_pairs,
)
from distill.stages.ray_joiner import RayJoiner, merge_blocks


def make_texts(count: int) -> list[str]:
    draw = random.Random(5)
    texts = list(make_short_texts(count, 3))
    return [*texts, *(near_copy(text, draw) for text in texts[::4]), *texts[::9], "", "?"]


def read(sets: ShingleSets) -> list[set[int]]:
    hashes = sets.hashes[sets.ids].tolist()
    return [set(hashes[a:b]) for a, b in zip(sets.offsets[:-1].tolist(), sets.offsets[1:].tolist(), strict=True)]


@pytest.mark.parametrize("block_sets", [7, 60, 10_000])
def test_near_pairs_are_those_of_one_process(block_sets: int) -> None:
    texts, ray = make_texts(300), InlineRay()
    found = near_duplicate_pairs(texts, 0.7, joiner=RayJoiner(ray, 50, block_sets))
    here = near_duplicate_pairs(texts, 0.7)
    assert len(here.left) > 80
    assert all(np.array_equal(one, other) for one, other in zip(found, here, strict=True))
    assert ray.tasks > len(texts) // 50


def test_pairs_across_two_lists_are_those_of_one_process() -> None:
    texts = make_texts(200)
    found = cross_pairs(texts[:180], texts[180:], 0.7, joiner=RayJoiner(InlineRay(), 30, 25))
    here = cross_pairs(texts[:180], texts[180:], 0.7)
    assert len(here.left) > 40
    assert all(np.array_equal(one, other) for one, other in zip(found, here, strict=True))


def test_a_large_bucket_is_looked_at_as_far_as_in_one_process() -> None:
    texts = [f"the very same words are in all of these rows but one {n}" for n in range(400)]
    found = near_duplicate_pairs(texts, 0.8, joiner=RayJoiner(InlineRay(), 64, 33))
    here = near_duplicate_pairs(texts, 0.8)
    assert np.array_equal(found.left, here.left)
    assert np.array_equal(found.right, here.right)


@pytest.mark.parametrize("shingling", [Shingling(), Shingling(width=3)])
def test_blocks_are_encoded_as_the_whole(shingling: Shingling) -> None:
    texts = make_texts(40)
    assert read(RayJoiner(InlineRay(), 7).encode(iter(texts), shingling)) == read(encode(texts, shingling))


def test_digests_come_in_the_order_of_the_texts() -> None:
    texts = make_texts(40)
    digests = RayJoiner(InlineRay(), 7).digest(iter(texts))
    assert np.array_equal(digests, digest_texts(texts))
    assert len(set(digests.tolist())) == len(set(digest_texts([t.upper() for t in texts]).tolist()))


def test_equal_normal_forms_have_equal_digests_and_others_do_not() -> None:
    one, same, other = digest_texts(["Send 50, please!", "send  50 please", "send 60 please"]).tolist()
    assert one == same != other


@pytest.mark.parametrize("texts", [[], ["one text"]])
def test_nothing_to_compare_is_no_pair(texts: list[str]) -> None:
    joiner = RayJoiner(InlineRay())
    assert len(near_duplicate_pairs(texts, 0.8, joiner=joiner).left) == 0
    assert len(joiner.digest(texts)) == len(texts)
    assert read(merge_blocks([])) == []


def test_few_blocks_are_under_way_at_once() -> None:
    taken = 0

    def stream():
        nonlocal taken
        for text in make_texts(100):
            taken += 1
            yield text

    results = RayJoiner(InlineRay(), 5)._map(encode, RayJoiner(InlineRay(), 5)._cut(stream()))
    next(results)
    assert taken <= 5 * 5


def test_joined_pairs_of_several_parts_are_named_once() -> None:
    sets = encode([" ".join(f"w{n}" for n in range(start, start + 40)) for start in range(12)])
    found: Joined = RayJoiner(InlineRay(), 10, 3).join(sets, 0.8, None)
    assert all(np.array_equal(one, other) for one, other in zip(found, LOCAL.join(sets, 0.8, None), strict=True))

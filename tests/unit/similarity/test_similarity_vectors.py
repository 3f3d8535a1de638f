from __future__ import annotations

import numpy as np
import pytest

from distill.similarity import best_cosines, cross_pairs, cross_set_pairs, encode, near_vector_pairs, pick_spread


def unit(rows: int, seed: int = 3) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("rows", [0, 1, 50, 2500])
def test_vector_pairs_are_those_of_brute_force(rows: int) -> None:
    vectors = unit(rows)
    cosine = np.round((vectors @ vectors.T).astype(float), 5)
    left, right = np.nonzero(np.triu(cosine >= 0.93, 1))
    found = near_vector_pairs(vectors, 0.93)
    assert (found.left.tolist(), found.right.tolist()) == (left.tolist(), right.tolist())


def test_equal_vectors_have_a_cosine_of_exactly_one() -> None:
    vectors = np.repeat(unit(1), 3, axis=0)
    assert near_vector_pairs(vectors, 1.0).jaccard.tolist() == [1.0] * 3


def test_best_cosines_are_those_of_brute_force() -> None:
    vectors, others = unit(1500), unit(30, seed=4)
    assert np.allclose(best_cosines(vectors, others), (vectors @ others.T).max(axis=1), atol=1e-4)
    assert best_cosines(vectors[:2], others[:0]).tolist() == [-1.0, -1.0]


def test_spread_takes_one_of_each_cluster_before_a_second_of_any() -> None:
    centres = np.eye(8, dtype=np.float32)
    vectors = np.repeat(centres, 5, axis=0)
    taken = pick_spread(vectors, 8)
    assert sorted(index // 5 for index in taken) == list(range(8))
    assert len(set(pick_spread(vectors, 40))) == 40


def test_spread_of_nothing_is_nothing() -> None:
    assert pick_spread(unit(0), 5) == []


def test_pairs_across_sets_are_pairs_across_texts() -> None:
    a = ["one two three", "four five six", "", "seven"]
    b = ["two one three", "seven", "eight nine", ""]
    assert list(cross_set_pairs(encode(a), encode(b), 0.8).tuples()) == [(0, 0, 1.0), (3, 1, 1.0)]
    assert list(cross_pairs(a, b, 0.8).tuples()) == [(0, 0, 1.0), (3, 1, 1.0)]

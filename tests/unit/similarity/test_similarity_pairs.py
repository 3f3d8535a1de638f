import json
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from distill.similarity import (
    WORDS,
    Shingling,
    components,
    cross_pairs,
    jaccard,
    near_duplicate_pairs,
    normalise,
    shingles,
)
from distill.similarity.minhash import choose_banding

BANKING = Path(__file__).parents[4] / "shared" / "data" / "banking77"


def texts(n=600, seed=3):
    rng = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(300)]
    rows = []
    while len(rows) < n:
        words = [rng.choice(vocabulary) for _ in range(rng.randint(3, 30))]
        rows.append(" ".join(words))
        rows.append(" ".join([*words[:-1], rng.choice(vocabulary)]))
        edited = [*words]
        edited[rng.randrange(len(words))] = rng.choice(vocabulary)
        rows.append(" ".join(rng.sample(edited, len(edited))))
    return rows


def brute_force(rows, threshold, shingling=WORDS):
    sets = [shingles(row, shingling) for row in rows]
    return {(i, j) for i, j in combinations(range(len(rows)), 2) if jaccard(sets[i], sets[j]) >= threshold}


@pytest.mark.parametrize("shingling", [WORDS, Shingling("word", 2), Shingling("char", 3)])
@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_pairs_are_those_of_brute_force(threshold, shingling):
    rows = texts()
    found = {(i, j) for i, j, _ in near_duplicate_pairs(rows, threshold, shingling).tuples()}
    wanted = brute_force(rows, threshold, shingling)
    assert found <= wanted
    assert len(found) >= 0.95 * len(wanted)
    assert wanted


def test_every_jaccard_is_the_true_one():
    rows = texts()
    for i, j, score in near_duplicate_pairs(rows, 0.7).tuples():
        assert score == pytest.approx(jaccard(shingles(rows[i]), shingles(rows[j])))


def test_order_of_texts_decides_nothing():
    rows = texts()
    order = random.Random(1).sample(range(len(rows)), len(rows))
    here = {frozenset((rows[i], rows[j])) for i, j, _ in near_duplicate_pairs(rows, 0.8).tuples()}
    there = [rows[i] for i in order]
    assert here == {frozenset((there[i], there[j])) for i, j, _ in near_duplicate_pairs(there, 0.8).tuples()}


def test_a_thousand_equal_texts_stay_linear_and_connected():
    pairs = near_duplicate_pairs(["same words here"] * 1000 + ["", "other"], 0.8)
    assert len(pairs.left) < 3000
    assert len(set(components(1002, pairs.tuples()).tolist())) == 3


def test_cross_pairs_name_each_side():
    pairs = list(cross_pairs(["a b c", "x y z"], ["z y x", "a b d", "A, b; C!"], 0.8).tuples())
    assert pairs == [(0, 2, 1.0), (1, 0, 1.0)]


def test_no_texts_no_pairs():
    assert not list(near_duplicate_pairs([], 0.8).tuples())
    assert not list(cross_pairs(["a"], [], 0.8).tuples())
    assert not list(near_duplicate_pairs(["", ""], 0.8).tuples())


@pytest.mark.parametrize("threshold", [0.0, 1.1, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        near_duplicate_pairs(["a"], threshold)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0])
def test_banding_finds_pairs_at_the_threshold(threshold):
    assert choose_banding(threshold).recall_at(threshold) >= 0.995


def test_components_refuse_unknown_nodes():
    assert components(4, [(2, 1), (3, 2)]).tolist() == [0, 1, 1, 1]
    with pytest.raises(IndexError):
        components(2, [(0, 2)])


@pytest.fixture(scope="module")
def banking():
    if not BANKING.exists():
        pytest.skip("../shared/data/banking77 is not here")
    return [
        [json.loads(line)["input"] for line in (BANKING / name).read_text("utf-8").rstrip("\n").split("\n")]
        for name in ("train.jsonl", "heldout.jsonl")
    ]


def test_published_split_leaks_six_exact_and_twenty_five_normalised_copies(banking):
    train, heldout = banking
    assert sum(text in set(train) for text in heldout) == 6
    normal = {normalise(text) for text in train}
    assert sum(normalise(text) in normal for text in heldout) == 25


def test_published_split_leaks_490_near_copies(banking):
    train, heldout = banking
    pairs = cross_pairs(train, heldout, 0.8)
    found = np.unique(pairs.right)
    assert 485 <= len(found) <= 490
    normal = {normalise(text) for text in train}
    assert {i for i, text in enumerate(heldout) if normalise(text) in normal} <= set(found.tolist())

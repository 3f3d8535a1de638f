from __future__ import annotations

import random

from fakes.candidates import LABEL_TASK, candidate, judge
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.filters import FilterContext, Heldout, hash_runs
from distill.similarity import jaccard, shingles

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def test_chain_of_near_copies_keeps_the_end_that_is_far_from_the_kept_row() -> None:
    a, b, c = " ".join(WORDS[:10]), " ".join(WORDS[1:11]), " ".join(WORDS[2:12])
    verdicts = judge("near_duplicate", [candidate("a", a), candidate("b", b), candidate("c", c)], threshold=0.8)
    assert jaccard(shingles(b), shingles(c)) > 0.8 > jaccard(shingles(a), shingles(c))
    assert [verdict.keep for verdict in verdicts] == [True, False, True]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), max_size=30), st.sampled_from([0.5, 0.7, 0.9])
)
def test_no_row_is_dropped_that_is_not_near_to_the_kept_row(texts: list[list[str]], threshold: float) -> None:
    rows = [candidate(f"r{i:03}", " ".join(words)) for i, words in enumerate(texts)]
    verdicts = dict(
        zip((str(row["id"]) for row in rows), judge("near_duplicate", rows, threshold=threshold), strict=True)
    )
    sets = {str(row["id"]): shingles(str(row["text"])) for row in rows}
    for name, verdict in verdicts.items():
        if not verdict.keep:
            owner = verdict.evidence.split()[1]
            assert verdicts[owner].keep
            assert jaccard(sets[name], sets[owner]) >= threshold


def test_more_than_64_equal_rows_leave_one_beside_an_earlier_near_row() -> None:
    near = " ".join(WORDS)
    rows = [candidate("a", f"{near} extra")] + [candidate(f"b{i:03}", near) for i in range(200)]
    assert [verdict.keep for verdict in judge("near_duplicate", rows)] == [True] + [False] * 200


def test_planted_near_copies_are_found_and_clean_rows_stay() -> None:
    draw = random.Random(11)
    vocabulary = [f"w{i}" for i in range(4000)]
    rows = [candidate(f"c{i:05}", " ".join(draw.sample(vocabulary, 24))) for i in range(2000)]
    planted: set[str] = set()
    for i, row in enumerate(draw.sample(rows, 100)):
        words = str(row["text"]).split()
        words[draw.randrange(24)] = f"edit{i}"
        draw.shuffle(words)
        rows.append(candidate(f"p{i:05}", " ".join(words)))
        planted.add(f"p{i:05}")
    verdicts = judge("near_duplicate", rows, threshold=0.8)
    dropped = {str(row["id"]) for row, verdict in zip(rows, verdicts, strict=True) if not verdict.keep}
    assert len(dropped & planted) >= 0.95 * len(planted)
    assert dropped <= planted


def test_exact_copies_are_the_same_after_normalisation_but_numbers_stay() -> None:
    rows = [candidate("a", "Send 50 euros!"), candidate("b", "send 50  EUROS"), candidate("c", "send 60 euros")]
    assert [verdict.reason for verdict in judge("exact_duplicate", rows)] == ["", "exact_duplicate", ""]


def test_copy_with_another_answer_is_a_conflict() -> None:
    rows = [candidate("a", "where is it"), candidate("b", "Where is it?", "card"), candidate("c", "where is IT")]
    for name in ("exact_duplicate", "near_duplicate"):
        assert [verdict.reason for verdict in judge(name, rows)] == ["", "duplicate_conflict", name]


def test_copy_that_agrees_with_one_of_several_samples_is_no_conflict() -> None:
    rows = [candidate("a", "x y"), candidate("a", "x y", "card", sample=1), candidate("b", "X y", "card")]
    assert [verdict.reason for verdict in judge("exact_duplicate", rows)] == ["", "", "exact_duplicate"]


def test_contamination_needs_13_words_in_a_row_or_the_whole_short_text() -> None:
    heldout = " ".join(f"h{i}" for i in range(20))
    context = FilterContext(LABEL_TASK, Heldout(frozenset([*hash_runs(heldout), *hash_runs("Hello there")])))
    run = [f"h{i}" for i in range(3, 16)]
    texts = [" ".join(["so", *run]), " ".join(["so", *run[:12]]), "hello, THERE!", "hello there you"]
    verdicts = judge("contamination", [candidate(f"r{i}", text) for i, text in enumerate(texts)], context)
    assert [verdict.keep for verdict in verdicts] == [False, True, False, True]

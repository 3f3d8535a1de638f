"""Planted paraphrases: copies in other words, of which an exact detector sees none."""

from __future__ import annotations

import random
import re

import pytest

from distill.similarity import cross_pairs, normalise
from distill.similarity.paraphrase import paraphrase_pairs

SUBJECTS = ("parcel", "invoice", "router", "contract", "licence", "voucher", "camera", "laptop", "garden", "passport")
ACTIONS = (
    "cancelled",
    "delivered",
    "damaged",
    "renewed",
    "refunded",
    "blocked",
    "translated",
    "duplicated",
    "measured",
)
PLACES = ("Lisbon", "Bergen", "Krakow", "Dublin", "Vienna", "Tallinn", "Zagreb", "Seville", "Antwerp", "Malmo")
CAUSES = ("flooding", "overtime", "inflation", "lightning", "negligence", "maintenance", "vacation", "arbitration")


def sentence(rng: random.Random) -> str:
    return (
        f"My {rng.choice(SUBJECTS)} number {rng.randint(100, 999)} was {rng.choice(ACTIONS)} in {rng.choice(PLACES)} "
        f"because of {rng.choice(CAUSES)} last {rng.choice(['week', 'month', 'winter'])}"
    )


def turn_around(text: str) -> str:
    first, _, rest = text.partition(" because ")
    return f"Because {rest}, {first[0].lower()}{first[1:]}."


def inflect(text: str) -> str:
    """Every noun in the plural, two verbs in another form: no rare word is spelled as before."""
    plural = re.sub(r"(\w+) number", r"\1s number", text)
    plural = plural.replace("cancelled", "cancelling").replace("delivered", "delivery")
    return re.sub(r"because of (\w+)", r"because of \1s", plural) + "s"


def shuffle_words(text: str) -> str:
    words = text.split()
    random.Random(text).shuffle(words)
    return " ".join(words)


def plant(rewrite, n: int = 60) -> tuple[list[str], list[str]]:
    """Return a pool whose first n rows are rewritten held-out rows, and the held-out rows."""
    rng = random.Random(7)
    rows = list(dict.fromkeys(sentence(rng) for _ in range(500)))
    heldout, pool = rows[:n], rows[n:]
    return [*map(rewrite, heldout), *pool], heldout


def found_share(pairs, n: int = 60) -> float:
    return len({(i, j) for i, j in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True) if i == j}) / n


@pytest.mark.parametrize("rewrite", [turn_around, inflect, shuffle_words])
def test_rewritten_leaks_are_found_where_an_exact_detector_sees_none(rewrite) -> None:
    pool, heldout = plant(rewrite)
    assert not {normalise(text) for text in pool} & {normalise(text) for text in heldout}
    assert found_share(paraphrase_pairs(pool, heldout, 0.85)) >= 0.95


def test_inflected_words_escape_the_word_sets_and_not_the_stems() -> None:
    pool, heldout = plant(lambda text: shuffle_words(inflect(text)))
    assert found_share(cross_pairs(pool, heldout, 0.8)) < 0.05
    assert found_share(paraphrase_pairs(pool, heldout, 0.85)) >= 0.95


def test_rows_of_one_template_that_differ_in_facts_are_not_all_suspected() -> None:
    rng = random.Random(1)
    rows = list(dict.fromkeys(sentence(rng) for _ in range(400)))
    pairs = paraphrase_pairs(rows[200:], rows[:200], 0.9)
    assert len(set(pairs.right.tolist())) <= 4


def test_synonyms_are_out_of_reach_and_that_is_said() -> None:
    from distill.similarity import paraphrase

    assert "sees no synonyms" in (paraphrase.__doc__ or "")
    assert not paraphrase_pairs(["the automobile broke down"], ["my car stopped working"], 0.5).left.size


def test_order_and_empty_sides_do_not_matter() -> None:
    a, b = ["alpha beta gamma delta", "other words entirely here"], ["delta gamma beta alpha"]
    assert paraphrase_pairs(a, b).tuples().__next__()[:2] == (0, 0)
    assert paraphrase_pairs(b, a[::-1]).right.tolist() == [1]
    assert paraphrase_pairs([], b).left.size == paraphrase_pairs(a, []).left.size == 0


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        paraphrase_pairs(["a"], ["b"], 0.0)

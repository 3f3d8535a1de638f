"""Many texts at once give what each of them gives alone."""

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from distill.similarity import RUN_WORDS, encode, hash_runs, normalise, normalise_all, share_runs, shingles, split_words
from distill.similarity.words import find_words, join_words, key_words

PIECES = [
    *(
        "card",
        "CARD",
        "Straße",
        "İi",
        "我的卡",
        "ﬁ",
        "e\u0301",
        "\u0301",
        "\ud800",
        "ไทย",
        "12",
        "antidisestablishment",
    ),
    *(" ", "  ", "\n", "\x1f", "\x00", "\u3000", "\u200b", "?", "!", ".", ",", "1.50", "3,", ",3", "$", "£"),
]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join), max_size=6)


def hash_word(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def runs_of(text: str) -> set[str]:
    words = [word for word in normalise(text).split(" ") if word]
    starts = range(max(1, len(words) - RUN_WORDS + 1)) if words else ()
    return {f"{hash_word(' '.join(words[start : start + RUN_WORDS])):016x}" for start in starts}


@given(TEXTS)
def test_normal_forms_of_many_are_those_of_each(texts):
    assert list(normalise_all(texts)) == [normalise(text) for text in texts]


@given(TEXTS)
def test_words_of_many_are_those_of_each(texts):
    found = find_words(texts)
    words = [found.buffer[a:b].decode("utf-8", "surrogatepass") for a, b in zip(found.starts, found.ends, strict=True)]
    assert words == [word for text in texts for word in split_words(text)]
    assert found.counts.tolist() == [len(split_words(text)) for text in texts]


@given(TEXTS)
def test_joined_words_are_the_same_with_one_byte_between(texts):
    found = find_words(texts, unspaced=False)
    joined = join_words(found)
    last = np.cumsum(joined.counts)[joined.counts > 0] - 1
    first = (last + 1) - joined.counts[joined.counts > 0]
    spans = zip(joined.starts[first], joined.ends[last], strict=True)
    normals = [normal for text in texts if (normal := normalise(text))]
    assert [joined.buffer[a:b].decode("utf-8", "surrogatepass") for a, b in spans] == normals
    assert joined.counts.tolist() == found.counts.tolist()


@given(TEXTS)
def test_sets_of_many_are_those_of_each(texts):
    sets = encode(texts)
    hashes = sets.hashes[sets.ids].tolist()
    spans = zip(sets.offsets[:-1], sets.offsets[1:], strict=True)
    found = [sorted(hashes[first:last]) for first, last in spans]
    assert found == [sorted(hash_word(word) for word in shingles(text)) for text in texts]
    assert len(np.unique(sets.hashes)) == len(sets.hashes)


@given(TEXTS)
def test_keys_are_equal_where_words_are(texts):
    found = find_words(texts)
    words = [found.buffer[a:b] for a, b in zip(found.starts, found.ends, strict=True)]
    assert len(set(zip(words, key_words(found).tolist(), strict=True))) == len(set(words))
    assert len(set(key_words(found).tolist())) == len(set(words))


@given(TEXTS)
def test_runs_of_many_are_those_of_each(texts):
    texts = [text * 5 for text in texts]
    assert set(hash_runs(*texts)) == {run for text in texts for run in runs_of(text)}
    known = frozenset(run for text in texts[::2] for run in runs_of(text))
    assert share_runs(texts, known).tolist() == [not runs_of(text).isdisjoint(known) for text in texts]


@pytest.mark.parametrize(("words", "shares"), [(12, False), (13, True), (20, True)])
def test_thirteen_words_in_a_row_are_a_run(words, shares):
    sealed = " ".join(f"s{n}" for n in range(30))
    text = " ".join(["before", *(f"S{n}," for n in range(5, 5 + words)), "after"])
    assert share_runs([text], set(hash_runs(sealed))).tolist() == [shares]


def test_chunks_have_no_seam():
    texts = [f"message {n % 700} of {n}" for n in range(2500)]
    sets = encode(texts)
    assert len(sets.hashes) == len({word for text in texts for word in split_words(text)})
    assert set(np.diff(sets.offsets)) == {3, 4}
    assert list(normalise_all(texts)) == texts

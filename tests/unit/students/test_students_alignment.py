"""Log-probabilities move from one tokenizer to another by bytes; where they do not map, nothing is invented."""

from __future__ import annotations

import math

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from distill.records.completion import TopLogprobs
from distill.students.alignment import align
from distill.students.soft_rows import collate_soft, make_soft_row
from distill.students.tiny import train_tokenizer
from distill.students.token_bytes import TokenBytes, read_token_bytes

END = 99


def vocabulary(*words: str) -> TokenBytes:
    ids = {word.encode(): i for i, word in enumerate(words)}
    return TokenBytes({i: text for text, i in ids.items()}, ids, {"<end>": END})


def spoken(*steps: dict[str, float]) -> TopLogprobs:
    """Each step: alternatives with probabilities, the sampled one first."""
    return TopLogprobs(
        tuple(next(iter(step)) for step in steps),
        tuple(math.log(next(iter(step.values()))) for step in steps),
        tuple(tuple(step) for step in steps),
        tuple(tuple(math.log(p) for p in step.values()) for step in steps),
    )


def rounded(known):
    return None if known is None else tuple((token, round(p, 6)) for token, p in known)


def test_same_tokens_take_the_distribution_over():
    tokens = vocabulary("co", "ld", "hot", "me")
    known = align(spoken({"co": 0.7, "hot": 0.2}, {"ld": 0.9, "me": 0.1}), [0, 1, END], tokens)
    assert [rounded(k) for k in known] == [((0, 0.7), (2, 0.2)), ((1, 0.9), (3, 0.1)), None]


def test_longer_own_token_takes_the_product_and_the_rest_stays_in_the_tail():
    known = align(spoken({"co": 0.7, "hot": 0.2}, {"ld": 0.9, "me": 0.1}), [0, END], vocabulary("cold", "hot", "co"))
    assert [rounded(k) for k in known] == [((0, 0.63), (1, 0.2)), None]


def test_longer_own_token_also_takes_the_teachers_alternative_of_the_same_bytes():
    known = align(spoken({"co": 0.5, "cold": 0.3}, {"ld": 0.9}), [0, END], vocabulary("cold"))
    assert rounded(known[0]) == ((0, 0.75),)


def test_shorter_own_token_takes_all_alternatives_that_begin_with_it():
    known = align(spoken({"cold": 0.6, "cool": 0.2, "hot": 0.1}), [0, 1, END], vocabulary("co", "ld", "hot"))
    assert [rounded(k) for k in known] == [((0, 0.8), (2, 0.1)), None, None]


def test_alternative_without_a_token_goes_to_the_longest_token_it_begins_with():
    known = align(spoken({"cold": 0.6, "hotter": 0.1, "zzz": 0.2}), [0, END], vocabulary("cold", "hot", "h"))
    assert rounded(known[0]) == ((0, 0.6), (1, 0.1))


def test_answer_inside_a_longer_text_is_found_and_text_that_was_rewritten_is_not():
    steps = spoken({"Label: ": 1.0}, {"cold": 0.6, "hot": 0.3}, {".": 1.0})
    assert rounded(align(steps, [0, END], vocabulary("cold", "hot"))[0]) == ((0, 0.6), (1, 0.3))
    assert align(steps, [1, END], vocabulary("cold", "warm")) == [None, None]


def test_answer_that_occurs_twice_does_not_map():
    assert align(spoken({"cold": 1.0}, {" cold": 1.0}), [0, END], vocabulary("cold")) == [None, None]


def test_tokens_that_cross_map_nowhere():
    known = align(spoken({"abc": 0.9}, {"def": 0.8}), [0, 1, END], vocabulary("abcd", "ef"))
    assert known == [None, None, None]


def test_teachers_own_end_token_teaches_when_to_stop():
    known = align(spoken({"cold": 0.9}, {"<end>": 0.7, "er": 0.3}), [0, END], vocabulary("cold", "er"))
    assert rounded(known[1]) == ((END, 0.7), (1, 0.3))


def test_probabilities_never_sum_to_more_than_one():
    known = align(spoken({"cold": 0.8, "hot": 0.4}), [0, END], vocabulary("cold", "hot"))
    assert sum(p for _, p in known[0]) == pytest.approx(1.0)


def test_bytes_of_a_byte_level_tokenizer_spell_any_text():
    tokenizer = train_tokenizer("causal_lm", ["naïve café 日本", "hello hello"], 320)
    tokens, text = read_token_bytes(tokenizer), "naïve hello 日 🎈\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(tokens.of[i] for i in ids) == text.encode()
    assert "<|im_end|>" in tokens.special


def test_bytes_of_a_sentence_piece_tokenizer():
    core = Tokenizer(models.BPE({"<0x0A>": 0, "\u2581hot": 1, "ter": 2}, [], byte_fallback=True))
    core.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback()])
    tokens = read_token_bytes(PreTrainedTokenizerFast(tokenizer_object=core))
    assert tokens.of == {0: b"\n", 1: b" hot", 2: b"ter"}


def test_other_tokenizers_say_that_they_cannot_be_read():
    core = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    assert read_token_bytes(PreTrainedTokenizerFast(tokenizer_object=core)) is None


def test_soft_rows_of_different_width_share_a_batch():
    one = make_soft_row([((4, 0.6), (5, 0.3)), None], [4, 9])
    two = make_soft_row([((7, 0.5), (1, 0.2), (2, 0.2))], [7])
    batch = collate_soft([one, two])
    assert batch["soft_ids"].tolist() == [[4, 5, 4], [9, 9, 9], [7, 1, 2]]
    assert batch["soft_probs"].tolist() == [
        pytest.approx(p) for p in ([0.6, 0.3, 0, 0.1], [1, 0, 0, 0], [0.5, 0.2, 0.2, 0.1])
    ]
    assert batch["has_soft"].tolist() == [True, False, True]

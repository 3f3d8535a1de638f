"""A long text cut before it is tokenised gives the tokens that the whole would have given, for every tokenizer."""

from __future__ import annotations

from functools import cache

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from distill.students import long_texts
from distill.students.long_texts import encode_heads, encode_tail, splits_between_words
from distill.students.text_encoding import encode_texts, truncate_ids
from distill.students.tiny import train_tokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SAMPLE = [
    "the lost card was paid twice 2024",
    "Übergröße, naïve café: don't we're 100000 €",
    "a b  c\n\nd\te 你好 z",
] * 40
WORDS = ["the", "card", "don't", "we'RE", "2024", "123456789", "a", "é", "e\u0301", "你好", "Ünder", "x" * 30, "ﬁ"]
PIECES = [*WORDS, "\u0301", "[SEP]", "<|end|>", "...", "'s", "▁", "\u00a0", "-"]
SPACES = [" ", " ", " ", "", "  ", "\n", " \n ", "\t"]
TEXTS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(SPACES)), max_size=120).map(
    lambda parts: "".join(piece + space for piece, space in parts)
)


def wrap(core: tokenizers.Tokenizer, *, closes: bool) -> PreTrainedTokenizerFast:
    if closes:
        ids = {name: core.token_to_id(name) for name in ("[CLS]", "[SEP]")}
        core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=list(ids.items()))
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@cache
def make(name: str) -> PreTrainedTokenizerFast:
    if name in ("encoder", "causal_lm"):
        return train_tokenizer(name, SAMPLE, 400)
    if name == "wordpiece":
        core = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        core.train_from_iterator(SAMPLE, trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIALS))
        return wrap(core, closes=True)
    core = tokenizers.Tokenizer(models.Unigram())
    core.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    if name == "unigram by words":
        core.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.train_from_iterator(
        SAMPLE, trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIALS, unk_token="[UNK]", show_progress=False)
    )
    return wrap(core, closes=True)


CUT = ["encoder", "causal_lm", "wordpiece", "unigram by words"]
WHOLE = ["unigram over spaces"]


def test_what_is_known_to_split_at_spaces_is_cut_and_nothing_else():
    assert [splits_between_words(make(name)) for name in (*CUT, *WHOLE)] == [True] * 4 + [False]
    odd = make("encoder").__class__(
        tokenizer_object=tokenizers.Tokenizer.from_str(make("encoder").backend_tokenizer.to_str())
    )
    odd.add_tokens(["the card"])
    assert not splits_between_words(odd)


@pytest.mark.parametrize("name", CUT + WHOLE)
@settings(max_examples=120, deadline=None)
@given(text=TEXTS, limit=st.integers(4, 40))
def test_the_beginning_has_the_tokens_of_the_whole(name: str, text: str, limit: int):
    tokenizer = make(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "CHARS_PER_TOKEN", 1)
        patch.setattr(long_texts, "MARGIN_TOKENS", 2)
        (head,) = encode_heads(tokenizer, [text], limit)
    (whole,) = encode_texts(tokenizer, [text])
    assert (len(head) > limit) == (len(whole) > limit)
    assert truncate_ids(tokenizer, head, limit) == truncate_ids(tokenizer, whole, limit)


@pytest.mark.parametrize("name", CUT + WHOLE)
@settings(max_examples=120, deadline=None)
@given(text=TEXTS, limit=st.integers(4, 40))
def test_the_end_has_the_tokens_of_the_whole(name: str, text: str, limit: int):
    tokenizer = make(name)

    def encode(part: str) -> list[int]:
        return tokenizer(part, add_special_tokens=False)["input_ids"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "CHARS_PER_TOKEN", 1)
        patch.setattr(long_texts, "MARGIN_TOKENS", 0)
        tail = encode_tail(tokenizer, text, limit, encode)
    whole = encode(text)
    assert tail == whole[len(whole) - len(tail) :]
    assert len(tail) > limit or tail == whole


@pytest.mark.parametrize("name", CUT)
def test_a_megabyte_is_not_tokenised_whole(name: str):
    tokenizer, read = make(name), []

    class Counting:
        def __getattr__(self, attribute: str) -> object:
            return getattr(tokenizer, attribute)

        def __call__(self, texts: list[str], **options: object) -> object:
            read.extend(map(len, texts))
            return tokenizer(texts, **options)

    text = "the lost card was paid twice " * 35_000
    (head,) = encode_heads(Counting(), [text], 128)
    assert len(head) > 128
    assert sum(read) < 10_000
    tail = encode_tail(tokenizer, text, 128, lambda part: read.append(len(part)) or tokenizer(part)["input_ids"])
    assert len(tail) > 128
    assert sum(read) < 30_000

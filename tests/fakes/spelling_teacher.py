"""A teacher that knows the exact probability of every answer and says one in the tokens of a real tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from distill.records.completion import TopLogprobs
from distill.records.token_names import write_name
from distill.students.token_bytes import read_token_bytes
from distill.teachers.rehearsal.spelling import spell_out

END = "<|end|>"
ALL = 10_000
Split = Callable[[str], Sequence[str]]


def say(
    said: str, answers: Mapping[str, float], split: Split, top: int = ALL, *, shows_end: bool = True
) -> TopLogprobs:
    """Return the log-probabilities of `said`, one of `answers` (text -> probability)."""
    steps = spell_out(said, answers, split, top, END)
    steps = steps if shows_end else steps[:-1]
    return TopLogprobs(
        sampled_tokens=tuple(step.token for step in steps),
        sampled_logprobs=tuple(math.log(step.probability) for step in steps),
        tokens=tuple(tuple(token for token, _ in step.top) for step in steps),
        logprobs=tuple(tuple(math.log(p) for _, p in step.top) for step in steps),
    )


def as_columns(logprobs: TopLogprobs) -> dict[str, object]:
    """Return log-probabilities as the columns of a row."""
    return {
        "sampled_tokens": list(logprobs.sampled_tokens),
        "sampled_logprobs": list(logprobs.sampled_logprobs),
        "top_tokens": [list(tokens) for tokens in logprobs.tokens],
        "top_logprobs": [list(values) for values in logprobs.logprobs],
    }


def train_characters(texts: Sequence[str], vocabulary: int) -> Split:
    """Train a BPE tokenizer over characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False))
    return lambda text: tokenizer.encode(text).tokens


def train_bytes(texts: Sequence[str], vocabulary: int) -> Split:
    """Train a byte-level BPE tokenizer; a token that is part of a character is named by its bytes, as OpenAI does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + vocabulary, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainer)
    read = read_token_bytes(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert read is not None
    return lambda text: [write_name(read.of[i]) for i in tokenizer.encode(text).ids]

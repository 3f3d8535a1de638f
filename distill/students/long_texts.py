"""The first or last tokens of a text without tokenising all of it: one row of a megabyte must not hold up a training.

A text is cut between two words (an ASCII letter or digit, one space, another), and only for tokenizers known to split
there whatever comes before and after. Then the tokens before the cut are those of the whole text. For any other
tokenizer the whole text is tokenised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from distill.records.training import Prompt
from distill.students.text_encoding import encode_texts, join_prompt
from distill.students.tokenizer_parts import GPT2, LLAMA3, QWEN2, list_steps, read_parts

CHARS_PER_TOKEN, MARGIN_TOKENS = 8, 16
_BETWEEN_WORDS = re.compile(r"(?<=[A-Za-z0-9]) (?=[A-Za-z0-9])")
_PATTERNS = {QWEN2, LLAMA3, GPT2}
"""How Qwen, Llama 3 and GPT-2 split words. Each takes a space together with what follows it, or by itself."""
_LOCAL = {
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Lowercase",
    "StripAccents",
    "BertNormalizer",
    "Precompiled",
    "Strip",
    "Prepend",
}
"""Normalizers that look no further than the characters they change, which are never a space between two words."""
_SPLITTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_HARMLESS = {"Punctuation", "Digits"}
"""They split at single characters, and leave the split at a space to another."""


def encode_heads(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Return ids with special tokens: of a text of at most `limit` tokens all, of a longer one more than `limit`.

    Those that `truncate_ids` leaves of the latter are those that it would leave of the whole.
    """
    if not any(len(text) > CHARS_PER_TOKEN * limit for text in texts) or not splits_between_words(tokenizer):
        return encode_texts(tokenizer, texts)
    ends = tuple(str(token) for token in tokenizer.all_special_tokens)
    sizes = [len(text) if text.rstrip().endswith(ends) else _cut_after(text, CHARS_PER_TOKEN * limit) for text in texts]
    encoded = encode_texts(tokenizer, [text[:size] for text, size in zip(texts, sizes, strict=True)])
    for i, text in enumerate(texts):
        while sizes[i] < len(text) and len(encoded[i]) <= limit + MARGIN_TOKENS:
            sizes[i] = _cut_after(text, 2 * sizes[i])
            encoded[i] = encode_texts(tokenizer, [text[: sizes[i]]])[0]
    return encoded


def encode_start(tokenizer: PreTrainedTokenizerBase, limit: int, prompt: Prompt) -> list[int]:
    """Return the ids of a prompt; of one that has more than `limit`, of its beginning, as `encode_heads` does."""
    return encode_heads(tokenizer, [join_prompt(prompt)], limit)[0]


def encode_tail(
    tokenizer: PreTrainedTokenizerBase, text: str, limit: int, encode: Callable[[str], list[int]]
) -> list[int]:
    """Return ids without special tokens: of a text of at most `limit` tokens all, of a longer one its last.

    Of the latter there are more than `limit`. `encode` is how the whole would be encoded.
    """
    size = CHARS_PER_TOKEN * limit
    if len(text) <= size or not splits_between_words(tokenizer):
        return encode(text)
    while size < len(text):
        begin = _cut_after(text, len(text) - size)
        first = _cut_after(text, begin + 1)
        if first < len(text):
            ids = encode(text[begin:])[len(encode(text[begin:first])) :]
            if len(ids) > limit + MARGIN_TOKENS:
                return ids
        size *= 2
    return encode(text)


def splits_between_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Say whether a tokenizer is known to split at a space between two words, however the text goes on."""
    parts = read_parts(tokenizer)
    if parts is None:
        return False
    words = [str(token["content"]) for token in parts["added_tokens"]]
    if any(_BETWEEN_WORDS.search(word) or word[-1:].isalnum() for word in words):
        return False
    splitters = list_steps(parts["pre_tokenizer"], "pretokenizers")
    return (
        all(_is_local(part) for part in list_steps(parts["normalizer"], "normalizers"))
        and all(_splits(part) or part["type"] in _HARMLESS or _is_bare_bytes(part) for part in splitters)
        and any(_splits(part) for part in splitters)
        and parts["model"].get("dropout") is None
    )


def _cut_after(text: str, size: int) -> int:
    found = _BETWEEN_WORDS.search(text, size) if size < len(text) else None
    return len(text) if found is None else found.start()


def _is_local(normalizer: dict[str, Any]) -> bool:
    if normalizer["type"] == "Replace":
        return normalizer["pattern"] in ({"Regex": " {2,}"}, {"String": " "})
    return normalizer["type"] in _LOCAL


def _splits(part: dict[str, Any]) -> bool:
    kind = part["type"]
    if kind == "Split":
        return part["behavior"] == "Isolated" and not part["invert"] and part["pattern"].get("Regex") in _PATTERNS
    return (
        kind in _SPLITTERS
        or (kind == "ByteLevel" and bool(part.get("use_regex", True)))
        or (kind == "Metaspace" and bool(part.get("split", True)))
    )


def _is_bare_bytes(part: dict[str, Any]) -> bool:
    return part["type"] == "ByteLevel" and not part.get("use_regex", True)

"""The bytes that each token of a tokenizer stands for: what two tokenizers have in common."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import cast

from transformers import PreTrainedTokenizerBase

from distill.students.tokenizer_parts import read_parts

SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True)
class TokenBytes:
    """`of` maps a token id to its bytes (special tokens are left out), `ids` bytes to an id, `special` names to ids."""

    of: dict[int, bytes]
    ids: dict[bytes, int]
    special: dict[str, int]

    def longest_prefix(self, text: bytes) -> int | None:
        """Return the id of the longest token that `text` begins with; None when there is none."""
        return next((self.ids[text[:n]] for n in range(len(text), 0, -1) if text[:n] in self.ids), None)


def read_token_bytes(tokenizer: PreTrainedTokenizerBase) -> TokenBytes | None:
    """Return the bytes of every token of a byte-level or SentencePiece tokenizer; None for other kinds."""
    parts = read_parts(tokenizer)
    decoder = "" if parts is None else json.dumps(parts.get("decoder"), ensure_ascii=False)
    if "ByteLevel" in decoder:
        decode = partial(_byte_level, alphabet=_byte_alphabet())
    elif "ByteFallback" in decoder or SPACE in decoder or "Metaspace" in decoder:
        decode = _sentence_piece
    else:
        return None
    added = {int(i) for i in cast("dict[int, object]", tokenizer.added_tokens_decoder)}
    vocabulary = tokenizer.get_vocab()
    of = {i: value for token, i in vocabulary.items() if i not in added and (value := decode(token))}
    ids: dict[bytes, int] = {}
    for i in sorted(of):
        ids.setdefault(of[i], i)
    return TokenBytes(of, ids, {token: i for token, i in vocabulary.items() if i in added})


def _byte_level(token: str, alphabet: dict[str, int]) -> bytes:
    return bytes(alphabet[c] for c in token) if all(c in alphabet for c in token) else b""


def _sentence_piece(token: str) -> bytes:
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(SPACE, " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """Return the printable character of each byte in byte-level BPE (Radford et al. 2019, GPT-2's encoder)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(others)}

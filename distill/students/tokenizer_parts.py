"""What a tokenizer is made of, as its own file says: the steps before it merges, and how known ones split words."""

from __future__ import annotations

import json
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def read_parts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    """Return what tokenizer.json would hold; None of a tokenizer that has no such file."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return None if backend is None else cast("dict[str, Any]", json.loads(backend.to_str()))


def list_steps(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Return the steps of a normalizer or pre-tokenizer in order; a sequence of them lies under `name`."""
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [step for inner in cast("list[dict[str, Any]]", part[name]) for step in list_steps(inner, name)]
    return [part]

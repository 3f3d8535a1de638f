"""How a byte-level BPE tokenizer splits text before it merges, by the name under which llama.cpp does the same."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")


class Splitter(NamedTuple):
    """What decides the split: steps before merging, and whether a whole word in the vocabulary is taken unmerged."""

    steps: tuple[object, ...]
    ignores_merges: bool


SPLITTERS: dict[str, Splitter] = {
    "gpt-2": Splitter(("bytes",), ignores_merges=False),
    "smollm": Splitter(("digits", "bytes"), ignores_merges=False),
    "qwen2": Splitter((_QWEN2,), ignores_merges=False),
    "llama-bpe": Splitter((_LLAMA3,), ignores_merges=True),
}
"""llama.cpp's name -> what it does. llama.cpp normalises no text, so NFC before the split is passed over."""


def name_splitter(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return llama.cpp's name for the way in which a tokenizer splits text, or None where it has none that we know."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    saved = json.loads(backend.to_str())
    if saved["model"].get("type") != "BPE" or (saved["normalizer"] or {"type": "NFC"})["type"] != "NFC":
        return None
    found = Splitter(tuple(_read_steps(saved["pre_tokenizer"])), bool(saved["model"].get("ignore_merges")))
    return next((name for name, splitter in SPLITTERS.items() if splitter == found), None)


def _read_steps(step: dict[str, Any] | None) -> list[object]:
    """Return the steps of a pre-tokenizer in short; one that none of `SPLITTERS` has is kept as it is."""
    match step:
        case {"type": "Sequence", "pretokenizers": steps}:
            return [short for one in steps for short in _read_steps(one)]
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": uses}:
            return ["bytes"] if uses else []
        case {"type": "Digits", "individual_digits": True}:
            return ["digits"]
        case {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}:
            return [regex]
        case _:
            return [json.dumps(step)]

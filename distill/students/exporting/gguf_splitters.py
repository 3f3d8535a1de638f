"""How a byte-level BPE tokenizer splits text before it merges, by the name under which llama.cpp does the same."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from distill.students.tokenizer_parts import LLAMA3, QWEN2, list_steps, read_parts


class Splitter(NamedTuple):
    """What decides the split: steps before merging, and whether a whole word in the vocabulary is taken unmerged."""

    steps: tuple[object, ...]
    ignores_merges: bool


SPLITTERS: dict[str, Splitter] = {
    "gpt-2": Splitter(("bytes",), ignores_merges=False),
    "smollm": Splitter(("digits", "bytes"), ignores_merges=False),
    "qwen2": Splitter((QWEN2,), ignores_merges=False),
    "llama-bpe": Splitter((LLAMA3,), ignores_merges=True),
}
"""llama.cpp's name -> what it does. llama.cpp normalises no text, so NFC before the split is passed over."""


def name_splitter(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return llama.cpp's name for the way in which a tokenizer splits text, or None where it has none that we know."""
    saved = read_parts(tokenizer)
    if saved is None:
        return None
    if saved["model"].get("type") != "BPE" or (saved["normalizer"] or {"type": "NFC"})["type"] != "NFC":
        return None
    steps = [short for step in list_steps(saved["pre_tokenizer"], "pretokenizers") for short in _shorten(step)]
    found = Splitter(tuple(steps), bool(saved["model"].get("ignore_merges")))
    return next((name for name, splitter in SPLITTERS.items() if splitter == found), None)


def _shorten(step: dict[str, Any]) -> list[object]:
    """Return a step of a pre-tokenizer in short; one that none of `SPLITTERS` has is kept as it is."""
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": uses}:
            return ["bytes"] if uses else []
        case {"type": "Digits", "individual_digits": True}:
            return ["digits"]
        case {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}:
            return [regex]
        case _:
            return [json.dumps(step)]

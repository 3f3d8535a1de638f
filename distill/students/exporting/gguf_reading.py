"""A GGUF file read back by llama.cpp, through llama-cpp-python: what it says, and how its own tokenizer reads."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from distill.students.reading import Question


class Llama(NamedTuple):
    """A model as llama.cpp runs it, with its default key-value cache (16 bits)."""

    module: Any
    model: Any

    def ids(self, text: str) -> list[int]:
        """Return how llama.cpp's server reads a rendered prompt: its own first token, special tokens understood."""
        return cast("list[int]", self.model.tokenize(text.encode(), add_bos=True, special=True))

    def ends_at(self, token: int) -> bool:
        """Whether llama.cpp stops generating at a token."""
        vocabulary = self.module.llama_model_get_vocab(self.model.model)
        return bool(self.module.llama_vocab_is_eog(vocabulary, token))

    def read(self, question: Question) -> Tensor:
        """Return logits_NV where each token of the answer is chosen."""
        ids = [*question.ids, *question.answer[:-1]]
        self.model.reset()
        self.model.eval(ids)
        return torch.from_numpy(self.model.scores[len(question.ids) - 1 : len(ids)].copy())


def open_gguf(path: Path, questions: Sequence[Question]) -> Llama | None:
    """Open a file with room for the longest of `questions`; None where llama-cpp-python is not installed.

    Raises:
        ValueError: llama.cpp cannot load it.
    """
    try:
        module: Any = importlib.import_module("llama_cpp")
    except ImportError:
        return None
    longest = max((len(q.ids) + len(q.answer) for q in questions), default=1)
    return Llama(module, module.Llama(str(path), n_ctx=longest + 1, n_gpu_layers=0, logits_all=True, verbose=False))

"""Exported graphs read back by onnxruntime as a server would run them: the prompt at once, then token by token.

Letters: B rows (1 here), T positions, N answer positions, V vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.students.reading import Question, Reader

Array = NDArray[Any]


class Graph:
    """One graph. A cache is what its outputs after the logits are called, and goes in again under `prefix`."""

    def __init__(self, path: Path) -> None:
        """Load it for the CPU."""
        import onnxruntime  # noqa: PLC0415 the export extra

        self.session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.inputs: dict[str, list[Any]] = {given.name: given.shape for given in self.session.get_inputs()}
        self.outputs: list[str] = [made.name for made in self.session.get_outputs()]

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        """Return every output by name."""
        return dict(zip(self.outputs, self.session.run(None, feeds), strict=True))

    def begin(self) -> dict[str, Array]:
        """Return the cache of no token, for one row."""
        shapes = {name: shape for name, shape in self.inputs.items() if name.startswith("past_key_values.")}
        return {name: np.zeros((1, shape[1], 0, shape[3]), dtype=np.float32) for name, shape in shapes.items()}


def read_classifier_graph(path: Path) -> Reader:
    """Return the reader of an exported classifier."""
    graph = Graph(path)

    def read(question: Question) -> Tensor:
        ids_BT = _row(question.ids)
        return torch.from_numpy(graph.run({"input_ids": ids_BT, "attention_mask": np.ones_like(ids_BT)})["logits"])

    return read


def read_causal_graph(path: Path) -> Reader:
    """Return the reader of an exported causal language model."""
    graph = Graph(path)

    def read(question: Question) -> Tensor:
        return _answer(graph, "input_ids", [question.ids, *([i] for i in question.answer[:-1])], {})

    return read


def read_seq2seq_graphs(encoder_path: Path, decoder_path: Path, start_id: int) -> Reader:
    """Return the reader of an exported encoder-decoder whose answers begin at `start_id`."""
    encoder, decoder = Graph(encoder_path), Graph(decoder_path)

    def read(question: Question) -> Tensor:
        ids_BT = _row(question.ids)
        mask_BT = np.ones_like(ids_BT)
        fixed = encoder.run({"input_ids": ids_BT, "attention_mask": mask_BT}) | {"encoder_attention_mask": mask_BT}
        return _answer(decoder, "decoder_input_ids", [[start_id], *([i] for i in question.answer[:-1])], fixed)

    return read


def _answer(graph: Graph, tokens: str, steps: list[list[int]], fixed: dict[str, Array]) -> Tensor:
    """Feed `steps` one after the other with the cache, and return the logits_NV at the end of each."""
    cache, read, logits_NV = graph.begin(), 0, []
    for step in steps:
        read += len(step)
        feeds = {tokens: _row(step), **fixed, **cache}
        if "attention_mask" in graph.inputs:
            feeds["attention_mask"] = np.ones((1, read), dtype=np.int64)
        made = graph.run(feeds)
        logits_NV.append(made["logits"][0, -1])
        cache = {name: made[name.replace("past_key_values", "present")] for name in cache}
    return torch.from_numpy(np.stack(logits_NV))


def _row(ids: list[int]) -> Array:
    return np.array([ids], dtype=np.int64)

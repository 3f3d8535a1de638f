"""ONNX graphs with free batch and length. Language models come without a key-value cache: each step reads all again.

`model.onnx` takes input_ids and attention_mask and gives logits (classifier: after pooling and head); a seq2seq
student is `encoder.onnx` and `decoder.onnx`. Letters: B rows, T positions, U decoded positions, V vocabulary.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from distill.errors import MissingExtraError, UsageError
from distill.records.runtime import RuntimeConfig
from distill.students.classifier_model import ClassifierModel
from distill.students.exporting.merged import open_merged
from distill.students.manifest import write_manifest
from distill.students.parity import FormParity, compare, read_probe
from distill.students.reading import Question, Reader
from distill.students.seq2seq import find_codes

Array = NDArray[Any]
_FREE = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> FormParity:
    """Write the graphs with the tokenizer and distill.json, and read them back with onnxruntime.

    Raises:
        UsageError: another number type than float32 was asked for.
        MissingExtraError: the `export` extra is not installed.
        StoreError: the student is damaged.
    """
    if dtype != "float32":
        raise UsageError(f"--format onnx writes float32, not {dtype}; quantise the graph with onnxruntime's own tools")
    _require_extra()
    merged = open_merged(source, runtime.model_copy(update={"device": "cpu"}))
    model = merged.model
    if isinstance(model, ClassifierModel):
        _write(_ClassifierGraph(model), ("input_ids", "attention_mask"), target / "model.onnx")
    elif merged.manifest.kind == "seq2seq":
        _write(_EncoderGraph(model), ("input_ids", "attention_mask"), target / "encoder.onnx")
        names = ("decoder_input_ids", "encoder_hidden_states", "encoder_attention_mask")
        _write(_DecoderGraph(model), names, target / "decoder.onnx", width=int(model.config.hidden_size))
    else:
        _write(_CausalGraph(model), ("input_ids", "attention_mask"), target / "model.onnx")
    merged.tokenizer.save_pretrained(target)
    write_manifest(target, merged.manifest)
    seq2seq = isinstance(model, PreTrainedModel) and merged.manifest.kind == "seq2seq"
    start = find_codes(cast("PreTrainedModel", model), merged.tokenizer).start if seq2seq else None
    reader = read_onnx(target, start, classes=isinstance(model, ClassifierModel))
    return compare(read_probe(source), reader, "onnx float32")


def read_onnx(directory: Path, start_id: int | None, *, classes: bool) -> Reader:
    """Return a reader over exported graphs, run by onnxruntime on the CPU; `start_id` for a seq2seq student."""
    import onnxruntime  # noqa: PLC0415 the export extra

    names = ("model.onnx",) if start_id is None else ("encoder.onnx", "decoder.onnx")
    graphs: list[Any] = [
        onnxruntime.InferenceSession(str(directory / name), providers=["CPUExecutionProvider"]) for name in names
    ]

    def run(which: int, *inputs: Array) -> Array:
        wanted = [given.name for given in graphs[which].get_inputs()]
        return graphs[which].run(None, dict(zip(wanted, inputs, strict=True)))[0]

    def read(question: Question) -> Tensor:
        given = question.ids if start_id is not None or classes else [*question.ids, *question.answer[:-1]]
        ids_BT = np.array([given], dtype=np.int64)
        mask_BT = np.ones_like(ids_BT)
        first = torch.from_numpy(run(0, ids_BT, mask_BT))
        if classes:
            return first
        if start_id is None:
            return first[0, len(question.ids) - 1 :]
        decoder_BU = np.array([[start_id, *question.answer[:-1]]], dtype=np.int64)
        return torch.from_numpy(run(1, decoder_BU, first.numpy(), mask_BT))[0]

    return read


class _ClassifierGraph(nn.Module):
    def __init__(self, model: ClassifierModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.logits(input_ids, attention_mask)


class _CausalGraph(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output: Any = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        return cast("Tensor", output.logits)


class _EncoderGraph(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.encoder = cast("nn.Module", model.get_encoder())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return cast("Tensor", self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state)


class _DecoderGraph(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, decoder_input_ids: Tensor, encoder_hidden_states: Tensor, encoder_attention_mask: Tensor
    ) -> Tensor:
        output: Any = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=cast("Any", encoder_hidden_states)),
            attention_mask=encoder_attention_mask,
            decoder_input_ids=decoder_input_ids,
            use_cache=False,
        )
        return cast("Tensor", output.logits)


def _write(graph: nn.Module, names: tuple[str, ...], path: Path, width: int | None = None) -> None:
    ids_BT, mask_BT = torch.randint(1, 4, (2, 7)), torch.ones((2, 7), dtype=torch.long)
    inputs = (ids_BT, mask_BT) if width is None else (torch.randint(1, 4, (2, 5)), torch.randn(2, 7, width), mask_BT)
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            inputs,
            str(path),
            dynamo=True,
            dynamic_shapes=dict.fromkeys(names, _FREE),
            input_names=list(names),
            output_names=["hidden_states" if path.stem == "encoder" else "logits"],
            verbose=False,
        )


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep the exporter's notices (absent torchvision, its own deprecations) from the user."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _require_extra() -> None:
    try:
        import onnx  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
        import onnxscript  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingExtraError(str(error.name), "export") from error

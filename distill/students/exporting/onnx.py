"""ONNX graphs with free batch and length; language models come with their key-value cache as inputs and outputs.

A classifier and a causal language model are `model.onnx`, a seq2seq student is `encoder.onnx` and `decoder.onnx`.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distill.errors import MissingExtraError, UsageError
from distill.records.runtime import RuntimeConfig
from distill.students.classifier_model import ClassifierModel
from distill.students.exporting.merged import Merged, open_merged
from distill.students.exporting.onnx_graphs import (
    CausalGraph,
    ClassifierGraph,
    DecoderGraph,
    EncoderGraph,
    empty,
    name_cache,
)
from distill.students.exporting.onnx_reading import read_causal_graph, read_classifier_graph, read_seq2seq_graphs
from distill.students.exporting.protocol import Outcome
from distill.students.manifest import write_manifest
from distill.students.parity import compare, read_probe
from distill.students.reading import Reader
from distill.students.seq2seq import find_codes

_TOKENS = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
_CACHE = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}


class _Signature(NamedTuple):
    """Example inputs of a graph, which of their sizes are free, and the names of what goes in and comes out."""

    inputs: tuple[Tensor | list[Tensor], ...]
    free: tuple[object, ...]
    names_in: list[str]
    names_out: list[str]


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> Outcome:
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
    reader = write_graphs(merged, target)
    merged.tokenizer.save_pretrained(target)
    write_manifest(target, merged.manifest)
    return Outcome([compare(read_probe(source), reader, "onnx")])


def write_graphs(merged: Merged, target: Path) -> Reader:
    """Write the graphs of a student, and return what reads them back."""
    model, file = merged.model, target / "model.onnx"
    ids_BT, mask_BT = torch.randint(1, 4, (2, 7)), torch.ones((2, 7), dtype=torch.long)
    tokens = ["input_ids", "attention_mask"]
    if isinstance(model, ClassifierModel):
        _write(ClassifierGraph(model), _Signature((ids_BT, mask_BT), (_TOKENS, _TOKENS), tokens, ["logits"]), file)
        return read_classifier_graph(file)
    if merged.manifest.kind != "seq2seq":
        _write(CausalGraph(model), _sign_causal(model, ids_BT), file)
        return read_causal_graph(file)
    start = find_codes(model, merged.tokenizer).start
    encoder, decoder = target / "encoder.onnx", target / "decoder.onnx"
    graph = EncoderGraph(model, start)
    with torch.no_grad():
        cross = graph.eval()(ids_BT, mask_BT)
    kept = name_cache("cross", len(cross))
    _write(graph, _Signature((ids_BT, mask_BT), (_TOKENS, _TOKENS), tokens, kept), encoder)
    _write(DecoderGraph(model), _sign_decoder(cross, mask_BT), decoder)
    return read_seq2seq_graphs(encoder, decoder, start)


def _sign_causal(model: PreTrainedModel, ids_BT: Tensor) -> _Signature:
    with torch.no_grad():
        kept = model(input_ids=ids_BT, use_cache=True).past_key_values
    past = [tensor[:, :, :4] for tensor in empty(kept)]
    mask_BT = torch.ones((2, 4 + ids_BT.shape[1]), dtype=torch.long)
    return _Signature(
        (ids_BT, mask_BT, past),
        (_TOKENS, _TOKENS, [_CACHE] * len(past)),
        ["input_ids", "attention_mask", *name_cache("past_key_values", len(past))],
        ["logits", *name_cache("present", len(past))],
    )


def _sign_decoder(cross: list[Tensor], mask_BT: Tensor) -> _Signature:
    past = [tensor[:, :, :4] for tensor in cross]
    caches = [[_CACHE] * len(cross), [_CACHE] * len(past)]
    names = [*name_cache("cross", len(cross)), *name_cache("past_key_values", len(past))]
    return _Signature(
        (torch.randint(1, 4, (2, 5)), mask_BT, cross, past),
        (_TOKENS, _TOKENS, *caches),
        ["decoder_input_ids", "encoder_attention_mask", *names],
        ["logits", *name_cache("present", len(past))],
    )


def _write(graph: nn.Module, signature: _Signature, path: Path) -> None:
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            cast("tuple[Any, ...]", signature.inputs),
            str(path),
            dynamo=True,
            dynamic_shapes=cast("tuple[Any, ...]", signature.free),
            input_names=signature.names_in,
            output_names=cast("Sequence[str]", signature.names_out),
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

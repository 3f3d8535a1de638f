"""One plain model without adapters: merged in fp32, then cast. Its folder is a student in itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.students import get_student
from distill.students.causal_lm import open_causal
from distill.students.classifier import open_classifier, save_student
from distill.students.classifier_model import ClassifierModel
from distill.students.exporting.protocol import Outcome, compare_as_served
from distill.students.manifest import StudentManifest, read_manifest, write_manifest
from distill.students.parity import read_probe
from distill.students.reading import NumberType
from distill.students.seq2seq import open_seq2seq


class Merged(NamedTuple):
    """A student in memory, adapters folded in, fp32."""

    model: PreTrainedModel | ClassifierModel
    tokenizer: PreTrainedTokenizerBase
    manifest: StudentManifest


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> Outcome:
    """Write the merged model as safetensors with its tokenizer and distill.json.

    Raises:
        UsageError: `dtype` is no number type of plain weights.
        StoreError: the student is damaged.
    """
    if dtype not in get_args(NumberType):
        raise UsageError(f"--format merged writes {', '.join(get_args(NumberType))}, not {dtype}; use --format gguf")
    write_merged(open_merged(source, runtime), target, dtype)
    student = get_student(read_manifest(target).kind)
    return compare_as_served(
        read_probe(source),
        f"merged {dtype}",
        dtype,
        lambda run_in: student.read_form(target, runtime, merge=True, number_type=run_in),
    )


def open_merged(source: Path, runtime: RuntimeConfig) -> Merged:
    """Load a student with its adapters merged in fp32; a language model says to servers where its answers end.

    Raises:
        StoreError: the student is damaged.
    """
    kind = read_manifest(source).kind
    if kind == "classifier":
        model, foundation, manifest = open_classifier(source, runtime, merge=True)
        return Merged(model, foundation.tokenizer, manifest)
    if kind == "seq2seq":
        return Merged(*open_seq2seq(source, runtime, merge=True))
    lm, chat, manifest = open_causal(source, runtime, merge=True)
    lm.generation_config = GenerationConfig(
        eos_token_id=list(chat.stop_ids),
        bos_token_id=lm.config.bos_token_id,
        pad_token_id=chat.tokenizer.pad_token_id,
        do_sample=False,
    )
    return Merged(lm, chat.tokenizer, manifest)


def write_merged(merged: Merged, target: Path, dtype: str) -> None:
    """Write a merged student in `dtype`; a classifier's head stays fp32."""
    whole = replace(merged.manifest, config=merged.manifest.config.model_copy(update={"lora": None}))
    wanted: torch.dtype = getattr(torch, dtype)
    if isinstance(merged.model, ClassifierModel):
        cast_weights(merged.model.encoder, wanted)
        save_student(target, merged.model, merged.tokenizer, whole)
        return
    cast_weights(merged.model, wanted)
    merged.model.save_pretrained(target)
    merged.tokenizer.save_pretrained(target)
    write_manifest(target, whole)


def cast_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast a model in place, and say so in its config."""
    model.to(dtype)
    config: Any = getattr(model, "config", None)
    if config is not None:
        config.dtype = dtype

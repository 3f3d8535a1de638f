"""The base as it was before training, asked the same question: what the lessons were worth.

Generative bases answer the teacher's own prompt, with or without examples in it. An encoder has no head yet: it answers
with the label whose name (and whose example texts, where they are given) lies nearest in its feature space.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Prompt, TrainingRow
from distill.students import get_student
from distill.students.batching import pack_sorted
from distill.students.classifier_model import pool
from distill.students.config import LoraConfig
from distill.students.device import place
from distill.students.foundation import reload_foundation
from distill.students.likelihood import context_limit
from distill.students.manifest import StudentManifest, read_manifest, write_manifest
from distill.students.protocol import Predictor
from distill.students.text_encoding import encode_texts, join_prompt, limit_tokens, pad_ids

if TYPE_CHECKING:
    from distill.students.causal_lm import CausalPredictor
    from distill.students.seq2seq import Seq2SeqPredictor

WEIGHTS = ("adapter_model.safetensors", "adapter_config.json", "model.safetensors", "head.safetensors")
BATCH_TOKENS = 4096
DEFAULT_CONTEXT, MAX_CONTEXT = 2048, 8192
"""Tokens that a base reads where its config does not say, and at most."""
SHARPNESS = 20.0
"""Factor on cosines before the softmax that makes them a confidence; it orders answers and calibrates nothing."""


@dataclass(frozen=True, slots=True)
class Untuned:
    """A base as a predictor; `limit` is the longest prompt it reads, in tokens.

    `reads_instructions`: it answers the teacher's prompt, with examples before it; an encoder was shown them already.
    """

    predictor: Predictor
    manifest: StudentManifest
    limit: int
    reads_instructions: bool

    def fit_examples(
        self, prompts: Sequence[Prompt], examples: Sequence[TrainingRow]
    ) -> tuple[Sequence[TrainingRow], list[Prompt]]:
        """Return the most examples that push no prompt over the limit which fits without them, and all prompts."""
        predictor = cast("CausalPredictor | Seq2SeqPredictor", self.predictor)
        fitting = [prompt for prompt in prompts if predictor.count_tokens(prompt) <= self.limit]
        longest = max(fitting, key=predictor.count_tokens, default=None)
        count = len(examples)
        while longest is not None and count:
            if predictor.count_tokens(show_examples(longest, examples[:count])) <= self.limit:
                break
            count -= 1
        return examples[:count], [show_examples(prompt, examples[:count]) for prompt in prompts]

    def describe(self, examples: Sequence[TrainingRow]) -> dict[str, object]:
        """Return what decides its answers, for the key of its cache."""
        return {
            "base": dict(self.manifest.base),
            "kind": self.manifest.kind,
            "config": self.manifest.config.model_dump(mode="json"),
            "limit": self.limit,
            "examples": [[row.prompt.user, row.target] for row in examples],
        }


def open_untuned(student_dir: Path, examples: Sequence[TrainingRow], runtime: RuntimeConfig) -> Untuned:
    """Return the base of a trained student; `examples` are what an encoder is shown (none: zero-shot).

    A language model may read as much as its base can, not only what the student was trained on: the teacher's prompt
    and examples are longer than the student's own.

    Raises:
        StoreError: the directory is damaged, or the base found here is not the one trained on.
        ConfigError: the base cannot be found.
    """
    manifest = read_manifest(student_dir)
    if manifest.kind == "classifier":
        nearest = NearestLabel(student_dir, _with_adapters(manifest), examples, runtime)
        return Untuned(nearest, manifest, manifest.config.max_length_tokens, reads_instructions=False)
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "base"
        shutil.copytree(student_dir, bare, ignore=lambda place, _: WEIGHTS if Path(place) == student_dir else ())
        write_manifest(bare, _with_adapters(manifest))
        predictor = cast("CausalPredictor | Seq2SeqPredictor", get_student(manifest.kind).load(bare, runtime))
    room = context_limit(predictor.model, DEFAULT_CONTEXT) - manifest.config.max_new_tokens
    predictor.limit = max(predictor.limit, min(room, MAX_CONTEXT))
    return Untuned(predictor, manifest, predictor.limit, reads_instructions=True)


def _with_adapters(manifest: StudentManifest) -> StudentManifest:
    """Return the manifest of a student of the same base without weights of its own, whatever was tuned."""
    config = manifest.config.model_copy(update={"lora": LoraConfig()})
    return replace(manifest, config=config)


def show_examples(prompt: Prompt, examples: Sequence[TrainingRow]) -> Prompt:
    """Return the prompt with solved examples before it."""
    if not examples:
        return prompt
    solved = "\n\n".join(f"{row.prompt.user}\n=> {row.target}" for row in examples)
    return prompt._replace(
        user=f"Examples, each with its right answer:\n\n{solved}\n\nNow this one:\n\n{prompt.user}\n=>"
    )


def choose_examples(rows: Sequence[TrainingRow], count: int) -> list[TrainingRow]:
    """Choose lessons to show: one of each answer in turn, the shortest first, so that many answers fit."""
    by_target: dict[str, list[TrainingRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (len(row.prompt.user), row.id)):
        by_target[row.target].append(row)
    chosen: list[TrainingRow] = []
    depth = 0
    while len(chosen) < min(count, len(rows)):
        layer = [members[depth] for _, members in sorted(by_target.items()) if len(members) > depth]
        chosen += layer[: count - len(chosen)]
        depth += 1
    return chosen


class NearestLabel:
    """An encoder without a head: the label with the nearest name and examples."""

    def __init__(
        self, directory: Path, manifest: StudentManifest, examples: Sequence[TrainingRow], runtime: RuntimeConfig
    ) -> None:
        """Load the bare base and place the labels in its feature space."""
        foundation = reload_foundation("encoder", directory, manifest)
        self._tokenizer: PreTrainedTokenizerBase = foundation.tokenizer
        self._device = place(runtime.device).device
        moved = foundation.model.to(self._device)  # pyright: ignore[reportArgumentType] transformers types it unbound
        self._model: PreTrainedModel = moved.eval()
        self._config, self._labels = manifest.config, manifest.labels
        self._anchors_LH = self._place_labels(examples)

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts, in order."""
        scores_BL = (self._features([join_prompt(prompt) for prompt in prompts]) @ self._anchors_LH.T) * SHARPNESS
        sure_B, best_B = scores_BL.softmax(-1).max(-1)
        return [
            Answer(prompt.id, self._labels[best], confidence)
            for prompt, best, confidence in zip(prompts, best_B.tolist(), sure_B.tolist(), strict=True)
        ]

    def _place_labels(self, examples: Sequence[TrainingRow]) -> Tensor:
        """Return anchors_LH: the mean of a label's name and of its examples' features."""
        anchors_LH = self._features([label.replace("_", " ") for label in self._labels])
        for index, label in enumerate(self._labels):
            texts = [join_prompt(row.prompt) for row in examples if row.target == label]
            if texts:
                anchors_LH[index] = torch.cat([anchors_LH[index : index + 1], self._features(texts)]).mean(0)
        return functional.normalize(anchors_LH, dim=-1)

    def _features(self, texts: Sequence[str]) -> Tensor:
        limit = limit_tokens(self._config, self._tokenizer)
        encoded = [ids[:limit] for ids in encode_texts(self._tokenizer, texts)]
        found: list[Tensor] = [torch.empty(0)] * len(texts)
        for rows in pack_sorted([len(ids) for ids in encoded], BATCH_TOKENS):
            ids_BT, mask_BT = pad_ids([encoded[i] for i in rows], int(cast("int", self._tokenizer.pad_token_id or 0)))
            with torch.inference_mode():
                output = self._model(input_ids=ids_BT.to(self._device), attention_mask=mask_BT.to(self._device))
                pooled_BH = pool(output.last_hidden_state, mask_BT.to(self._device), self._config.pooling)
            for i, features_H in zip(rows, functional.normalize(pooled_BH, dim=-1).cpu(), strict=True):
                found[i] = features_H
        return torch.stack(found)

"""A loaded classifier answering prompts: batched by length, confidence from temperature-scaled probabilities."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from distill.records.training import Answer, Prompt
from distill.students.batching import pack_sorted
from distill.students.classifier_model import ClassifierModel
from distill.students.device import Placement
from distill.students.label_rows import LabelRows
from distill.students.manifest import StudentManifest
from distill.students.text_encoding import encode_texts, join_prompt, limit_tokens, pad_ids

BATCH_TOKENS = 4096
MIN_ROWS_FOR_TEMPERATURE = 50


class ClassifierPredictor:
    """Answers with the most likely label (or set of labels), its probability as confidence."""

    def __init__(
        self,
        model: ClassifierModel,
        tokenizer: PreTrainedTokenizerBase,
        manifest: StudentManifest,
        placement: Placement,
    ) -> None:
        """Bind a model in eval mode to its tokenizer and labels."""
        self.model, self.tokenizer, self.manifest, self.placement = model, tokenizer, manifest, placement
        self.limit = limit_tokens(manifest.config, tokenizer)

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts in order; one too long has `error_kind` "overlong". `latency_ms`: batch time / batch size."""
        start = time.perf_counter()
        encoded = encode_texts(self.tokenizer, [join_prompt(prompt) for prompt in prompts])
        encoding_ms = (time.perf_counter() - start) * 1000 / max(1, len(prompts))
        answers = [
            Answer(p.id, "", None, len(ids), 0, encoding_ms, "overlong")
            for p, ids in zip(prompts, encoded, strict=True)
        ]
        fits = [i for i, ids in enumerate(encoded) if len(ids) <= self.limit]
        for batch in pack_sorted([len(encoded[i]) for i in fits], BATCH_TOKENS):
            rows = [fits[i] for i in batch]
            start = time.perf_counter()
            logits_BL = self._run([encoded[i] for i in rows])
            each_ms = encoding_ms + (time.perf_counter() - start) * 1000 / len(rows)
            for i, logits_L in zip(rows, logits_BL, strict=True):
                text, confidence = self._decide(logits_L)
                answers[i] = Answer(prompts[i].id, text, confidence, len(encoded[i]), 1, each_ms)
        return answers

    def logits(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return logits_BL of prompts, in order, before temperature; every prompt must fit."""
        encoded = encode_texts(self.tokenizer, [join_prompt(prompt) for prompt in prompts])
        logits_BL = np.empty((len(prompts), len(self.manifest.labels)), dtype=np.float32)
        for rows in pack_sorted([len(ids) for ids in encoded], BATCH_TOKENS):
            logits_BL[rows] = self._run([encoded[i] for i in rows])
        return logits_BL

    def _run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        device, autocast = self.placement
        ids_BT, mask_BT = pad_ids(ids, int(cast("int", self.tokenizer.pad_token_id or 0)))
        with torch.inference_mode(), torch.autocast(device.type, autocast, enabled=autocast is not None):
            logits_BL = self.model.logits(ids_BT.to(device), mask_BT.to(device))
        return logits_BL.float().cpu().numpy()

    def _decide(self, logits_L: NDArray[np.float32]) -> tuple[str, float]:
        scaled_L = logits_L.astype(np.float64) / self.manifest.temperature
        labels = self.manifest.labels
        if self.manifest.task.output == "labels":
            probs_L = 1 / (1 + np.exp(-scaled_L))
            chosen = sorted(label for label, p in zip(labels, probs_L, strict=True) if p >= 0.5)
            return json.dumps(chosen, ensure_ascii=False), float(np.maximum(probs_L, 1 - probs_L).prod())
        exp_L = np.exp(scaled_L - scaled_L.max())
        best = int(scaled_L.argmax())
        return labels[best], float(exp_L[best] / exp_L.sum())


def fit_temperature(model: ClassifierModel, rows: LabelRows, device: torch.device) -> float:
    """Return the temperature that minimises validation loss (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    1.0 for label sets and under 50 rows, where the fit would be noise.
    """
    if model.multi or len(rows.ids) < MIN_ROWS_FOR_TEMPERATURE:
        return 1.0
    model.eval()
    logits, targets = [], []
    with torch.inference_mode():
        for batch_rows in pack_sorted(rows.lengths, BATCH_TOKENS):
            batch = rows.collate(batch_rows)
            logits.append(model.logits(batch["ids"].to(device), batch["mask"].to(device)).float().cpu())
            targets.append(batch["hard"].argmax(-1))
    logits_NL, target_N = torch.cat(logits).double(), torch.cat(targets)
    grid = np.exp(np.linspace(np.log(0.25), np.log(4.0), 97))
    losses = [torch.nn.functional.cross_entropy(logits_NL / float(t), target_N).item() for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 6)

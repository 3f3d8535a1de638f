"""How surprised a causal base is by an answer, with its prompt and without.

Letters: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from distill.students.batching import pack_sorted
from distill.students.config import StudentConfig
from distill.students.device import place
from distill.students.foundation import lay_foundation
from distill.students.text_encoding import pad_ids

MAX_PROMPT_TOKENS = 1024
MAX_ANSWER_TOKENS = 512
BATCH_TOKENS = 4096


class Surprise(NamedTuple):
    """Mean negative log-likelihood per answer token."""

    given_prompt: float
    alone: float


def measure_surprise(
    pairs: Sequence[tuple[str, str]], config: StudentConfig, work_dir: Path, device: str = "auto"
) -> list[Surprise]:
    """Return the base's surprise at each (prompt, answer), in order; long texts are cut at their far ends.

    Raises:
        ConfigError: the base cannot be found, or the device is not there.
    """
    texts = [f"{prompt}\n{answer}" for prompt, answer in pairs]
    tokenizer, model, _ = lay_foundation("causal_lm", config, texts, work_dir)
    placed = place(device).device
    model = model.to(placed).eval()  # pyright: ignore[reportArgumentType, reportCallIssue]  (transformers' own stub)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    opening = [start] if isinstance(start, int) else []
    rows: list[tuple[list[int], list[int]]] = []
    for prompt, answer in pairs:
        said = [int(i) for i in tokenizer(answer, add_special_tokens=False)["input_ids"]][:MAX_ANSWER_TOKENS]
        asked = [int(i) for i in tokenizer(f"{prompt}\n", add_special_tokens=False)["input_ids"]][-MAX_PROMPT_TOKENS:]
        rows += [(opening + asked, said), (opening or asked[-1:], said)]
    losses = [0.0] * len(rows)
    with torch.inference_mode():
        for batch in pack_sorted([len(before) + len(said) for before, said in rows], BATCH_TOKENS):
            for row, loss in zip(batch, _mean_losses(model, [rows[row] for row in batch], placed), strict=True):
                losses[row] = loss
    return [Surprise(given, alone) for given, alone in zip(losses[::2], losses[1::2], strict=True)]


def _mean_losses(
    model: torch.nn.Module, rows: Sequence[tuple[list[int], list[int]]], device: torch.device
) -> list[float]:
    ids_BT, mask_BT = pad_ids([[*before, *said] for before, said in rows], 0)
    logits_BTV = model(input_ids=ids_BT.to(device), attention_mask=mask_BT.to(device)).logits
    found: list[float] = []
    for row, (before, said) in enumerate(rows):
        if not said:
            found.append(0.0)
            continue
        logits: Tensor = logits_BTV[row, len(before) - 1 : len(before) - 1 + len(said)].float()
        targets = ids_BT[row, len(before) : len(before) + len(said)].to(device)
        found.append(round(float(functional.cross_entropy(logits, targets)), 5))
    return found

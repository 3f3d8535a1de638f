"""How likely a language-model student finds a given answer: teacher-forced, batched by length, summed in float64.

The end token counts as a token of the answer: a student that would not have stopped there is surprised too.
Letters: B rows, T positions, U decoded positions, N scored positions, X hidden or vocabulary, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from distill.records.training import Likelihood
from distill.students.batching import pack_sorted
from distill.students.head_loss import chunk_rows
from distill.students.lm_model import HeadInput, pick, run_decoder
from distill.students.lm_rows import IGNORED, locate
from distill.students.text_encoding import pad_ids

BATCH_TOKENS = 4096
LOGIT_BYTES = 256 * 2**20
"""Memory of a seq2seq batch's logits in fp32, which its head gives all at once."""


class Weighed(NamedTuple):
    """A prompt's ids and the ids of the answer to be weighed, its end token last."""

    prompt: Sequence[int]
    answer: Sequence[int]


def weigh_causal(model: PreTrainedModel, pairs: Sequence[Weighed], pad_id: int) -> list[Likelihood]:
    """Return the log-probability of each answer after its prompt, in order."""
    found: dict[int, Likelihood] = {}
    for rows in pack_sorted([len(pair.prompt) + len(pair.answer) for pair in pairs], BATCH_TOKENS):
        chosen = [pairs[row] for row in rows]
        ids_BT, _ = pad_ids([[*pair.prompt, *pair.answer[:-1]] for pair in chosen], pad_id)
        targets_BT = torch.full_like(ids_BT, IGNORED)
        for b, pair in enumerate(chosen):
            first = len(pair.prompt) - 1
            targets_BT[b, first : first + len(pair.answer)] = torch.tensor(pair.answer)
        where_N = locate(targets_BT)
        with torch.inference_mode():
            given = run_decoder(model, {"ids": ids_BT.to(model.device)}, where_N.to(model.device))
            logprobs = _pick(given, pick(targets_BT, where_N).to(model.device))
        found.update(zip(rows, _sum_rows(logprobs, chosen), strict=True))
    return [found[row] for row in range(len(pairs))]


def weigh_seq2seq(model: PreTrainedModel, pairs: Sequence[Weighed], start_id: int, pad_id: int) -> list[Likelihood]:
    """Return the log-probability of each answer decoded from its source, in order."""
    found: dict[int, Likelihood] = {}
    budget = max(1, min(BATCH_TOKENS, LOGIT_BYTES // (4 * int(cast("Any", model.config).vocab_size))))
    for rows in pack_sorted([len(pair.prompt) + len(pair.answer) for pair in pairs], budget):
        chosen = [pairs[row] for row in rows]
        ids_BT, mask_BT = pad_ids([pair.prompt for pair in chosen], pad_id)
        given_BU, _ = pad_ids([[start_id, *pair.answer[:-1]] for pair in chosen], pad_id)
        targets_BU, where_BU = pad_ids([pair.answer for pair in chosen], pad_id)
        where_BU = where_BU.bool().to(model.device)
        with torch.inference_mode():
            output: Any = model(
                input_ids=ids_BT.to(model.device),
                attention_mask=mask_BT.to(model.device),
                decoder_input_ids=given_BU.to(model.device),
                use_cache=False,
            )
            given = HeadInput(output.logits[where_BU], None)
            logprobs = _pick(given, targets_BU.to(model.device)[where_BU])
        found.update(zip(rows, _sum_rows(logprobs, chosen), strict=True))
    return [found[row] for row in range(len(pairs))]


def _pick(given: HeadInput, targets_N: Tensor) -> list[float]:
    """Return each target's log-probability; the head works a chunk of positions at a time."""
    found: list[float] = []
    vocabulary = given.given_NX.shape[1] if given.head is None else given.head.weight.shape[0]
    for rows in _chunks(len(targets_N), chunk_rows(vocabulary, 2)):
        logits_CV = given.given_NX[rows] if given.head is None else cast("Any", given.head)(given.given_NX[rows])
        logprobs_CV = logits_CV.float().log_softmax(-1)
        found += logprobs_CV.gather(-1, targets_N[rows][:, None])[:, 0].double().tolist()
    return found


def _chunks(total: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, total, size))


def _sum_rows(logprobs: Sequence[float], pairs: Sequence[Weighed]) -> list[Likelihood]:
    """Cut the positions of a batch, which lie row after row, back into rows."""
    found: list[Likelihood] = []
    start = 0
    for pair in pairs:
        found.append(Likelihood(sum(logprobs[start : start + len(pair.answer)]), len(pair.answer)))
        start += len(pair.answer)
    return found


def context_limit(model: PreTrainedModel, otherwise: int) -> int:
    """Return how many tokens the base can read at once; `otherwise` where its config does not say."""
    stated = getattr(model.config, "max_position_embeddings", None)
    return int(stated) if isinstance(stated, int) and stated > 0 else otherwise

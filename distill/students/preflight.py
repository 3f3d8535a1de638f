"""What is looked at before any compute, over every row: a training that cannot come out right must not start.

What the trainer will be given is inspected, not what it was made from: each row goes through the collator.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol, cast

import structlog
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from distill.errors import DataError
from distill.records.training import Prompt, TrainingRow
from distill.students.forethought import Training, estimate_memory_bytes, estimate_seconds
from distill.students.lm_rows import IGNORED, locate
from distill.students.long_texts import encode_heads
from distill.students.protocol import Check, Preflight
from distill.students.summary import EncodedSet
from distill.students.text_encoding import join_prompt
from distill.students.trainer import Batch

SHOWN_IDS = 5
COMPARED_TOKENS = 4096
"""Of a longer prompt the tokenizer read back is held against the one trained with at its beginning only."""
Ask = Callable[[Prompt], list[int]]
"""Ids of a prompt as the predictor will ask it; of one that is cut, those at the end that stays, and some more."""


class InspectedSet(EncodedSet, Protocol):
    """Encoded rows that can be collated."""

    @property
    def row_ids(self) -> Sequence[str]:
        """Ids of the kept rows, in order."""
        ...

    def collate(self, index: Sequence[int], /) -> Batch:
        """Return a batch of these row indices."""
        ...


class Seen(NamedTuple):
    """What the collated batch of one row shows."""

    id: str
    asked_as_taught: bool
    highest_id: int
    ends: bool


class Inspected(NamedTuple):
    """The rows of a training or validation set: as given, as encoded, and what was seen of each kept one."""

    given: Sequence[TrainingRow]
    encoded: InspectedSet
    seen: Sequence[Seen]


def look_at(given: Sequence[TrainingRow], encoded: InspectedSet, ask: Ask, end_id: int | None) -> Inspected:
    """Collate every kept row by itself and look at what the model would be given."""
    waiting: dict[str, list[TrainingRow]] = {}
    for row in given:
        waiting.setdefault(row.id, []).append(row)
    cut = set(encoded.truncated)
    seen: list[Seen] = []
    for i, identity in enumerate(encoded.row_ids):
        batch, row = encoded.collate([i]), waiting[identity].pop(0)
        top = max(int(value.max()) for key, value in batch.items() if key.endswith("ids"))
        as_taught = _is_asked(_given(batch), ask(row.prompt), may_be_cut=identity in cut)
        seen.append(Seen(identity, as_taught, top, end_id is None or _all_end(batch, end_id)))
    return Inspected(given, encoded, seen)


def inspect_training(
    sets: Sequence[Inspected],
    tokenizer: PreTrainedTokenizerBase,
    lm: PreTrainedModel,
    training: Training,
    output_dir: Path,
) -> Preflight:
    """Inspect a training that is about to start. Writes the tokenizer to `output_dir`, where it is read back.

    Args:
        sets: training and validation rows, looked at.
        tokenizer: the base's.
        lm: the model whose vocabulary must fit.
        training: what is trained on what, as the trainer gets it.
        output_dir: where the student will be written.

    Raises:
        DataError: a check failed; the message says which, for how many rows, and names some.
    """
    checks = [
        check_counted(sets),
        check_asked_as_taught(sets),
        check_end_supervised(sets),
        check_vocabulary(sets, tokenizer, lm),
        check_saved_tokenizer(sets, tokenizer, lm, output_dir),
        check_trained(sets, trainable := list_trainable(training.model)),
    ]
    preflight = Preflight(
        checks=tuple(checks),
        trainable=trainable,
        memory_bytes=estimate_memory_bytes(training),
        seconds=estimate_seconds(training.model, training.train.lengths, training.plan, training.placement),
    )
    failed = [check for check in checks if check.failed]
    if failed:
        raise DataError("preflight: " + "; ".join(_describe(check) for check in failed))
    structlog.get_logger(__name__).info("preflight", **preflight.facts())
    return preflight


def check_counted(sets: Sequence[Inspected]) -> Check:
    """Every row given is kept, or is dropped under a reason; none is there twice or from nowhere."""
    wrong: list[str] = []
    for one in sets:
        given = Counter(row.id for row in one.given)
        found = Counter(one.encoded.row_ids)
        for ids in one.encoded.dropped.values():
            found.update(ids)
        wrong += sorted((given - found) + (found - given))
    return Check("every row is kept, or dropped by name", _count(sets), tuple(wrong))


def check_asked_as_taught(sets: Sequence[Inspected]) -> Check:
    """What the model is given before its answer is, token for token, what the predictor will give it.

    A row cut to length must hold the end or the beginning of that; it is named in `rows_truncated`.
    """
    wrong = tuple(seen.id for one in sets for seen in one.seen if not seen.asked_as_taught)
    return Check("the prompt is a true token prefix", _count(sets), wrong)


def check_end_supervised(sets: Sequence[Inspected]) -> Check:
    """The last thing each row teaches is the end token, so that the student learns to stop (classes have none)."""
    return Check(
        "the end token is supervised", _count(sets), tuple(s.id for one in sets for s in one.seen if not s.ends)
    )


def check_vocabulary(sets: Sequence[Inspected], tokenizer: PreTrainedTokenizerBase, lm: PreTrainedModel) -> Check:
    """The tokenizer is no larger than the embedding, and every id of every row is inside it."""
    size = cast("nn.Embedding", lm.get_input_embeddings()).num_embeddings
    wrong = [seen.id for one in sets for seen in one.seen if seen.highest_id >= size]
    if len(tokenizer) > size:
        wrong.insert(0, f"the tokenizer itself: {len(tokenizer)} tokens")
    return Check(f"every token is among the {size} of the embedding", _count(sets), tuple(wrong))


def check_saved_tokenizer(
    sets: Sequence[Inspected], tokenizer: PreTrainedTokenizerBase, lm: PreTrainedModel, output_dir: Path
) -> Check:
    """Saved and read back, the tokenizer has the same template, byte for byte, and encodes the prompts alike.

    Of a prompt over COMPARED_TOKENS its beginning is compared.

    By itself, as beside an adapter, and beside the model's config, as in a merged student: there the config decides
    which class reads the file, and some classes split words in their own way.
    """
    tokenizer.save_pretrained(output_dir)
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        lm.config.save_pretrained(folder)
        read = {"": AutoTokenizer.from_pretrained(output_dir), " (merged)": AutoTokenizer.from_pretrained(folder)}
    wrong: list[str] = []
    for where, saved in read.items():
        if saved.chat_template != tokenizer.chat_template:
            wrong.append(f"the chat template{where}")
        for one in sets:
            texts = [join_prompt(row.prompt) for row in one.given]
            pairs = zip(one.given, *(encode_heads(t, texts, COMPARED_TOKENS) for t in (tokenizer, saved)), strict=True)
            wrong += [row.id + where for row, before, after in pairs if before != after]
    return Check("the saved template and tokenizer are the ones trained with", _count(sets), tuple(wrong))


def check_trained(sets: Sequence[Inspected], trainable: Mapping[str, int]) -> Check:
    """Something is trained: a base whose parameters are all frozen would come out as it went in."""
    wrong = () if sum(trainable.values()) else ("no parameter takes a gradient",)
    return Check("some parameters are trained", _count(sets), wrong)


def list_trainable(model: nn.Module) -> dict[str, int]:
    """Return parameter name -> count of what is trained; layers of one kind are added up under `*`."""
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = re.sub(r"\.\d+(?=\.)", ".*", name)
            found[key] = found.get(key, 0) + parameter.numel()
    return found


def _given(batch: Batch) -> list[int]:
    ids = batch["ids"].flatten().tolist()
    if "targets" not in batch:
        return ids
    taught = locate(batch["targets"])
    return ids[: int(taught[0]) + 1]


def _is_asked(given: list[int], asked: list[int], *, may_be_cut: bool) -> bool:
    ends_alike, begins_alike = asked[len(asked) - len(given) :] == given, asked[: len(given) - 1] == given[:-1]
    return given == asked or (may_be_cut and (ends_alike or begins_alike))


def _all_end(batch: Batch, end_id: int) -> bool:
    """Say whether every task of a row ends with `end_id`; a row without a rationale has none to end."""
    taught = {
        key: value[value != IGNORED].flatten().tolist() for key, value in batch.items() if key.endswith("targets")
    }
    whole = all(not ids or ids[-1] == end_id for ids in taught.values())
    return whole and bool(taught.get("answer_targets", taught.get("targets")))


def _count(sets: Sequence[Inspected]) -> int:
    return sum(len(one.given) for one in sets)


def _describe(check: Check) -> str:
    shown = ", ".join(check.failed[:SHOWN_IDS]) + (", ..." if len(check.failed) > SHOWN_IDS else "")
    return f"not so: {check.name}; {len(check.failed)} of {check.rows} rows fail ({shown})"

"""A teacher model on this machine, for distillation on its whole distribution: loaded frozen, never saved."""

from __future__ import annotations

from typing import NamedTuple, cast

import structlog
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from distill.errors import ConfigError, DataError, Problem
from distill.records.json import Json
from distill.students.bases import ResolvedBase, resolve_base
from distill.students.config import ObjectiveConfig, StudentConfig
from distill.students.device import Placement
from distill.students.lm_rows import LmRows


class LocalTeacher(NamedTuple):
    """A frozen model and where it came from."""

    model: PreTrainedModel
    base: ResolvedBase


def load_teacher(
    objective: ObjectiveConfig, tokenizer: PreTrainedTokenizerBase, student: PreTrainedModel, placement: Placement
) -> LocalTeacher | None:
    """Load the local teacher of a soft objective; None where the config names none.

    Raises:
        ConfigError: it cannot be found, or its tokens are not the student's.
    """
    if objective.teacher_model is None or objective.soft == 0:
        return None
    try:
        base = resolve_base(objective.teacher_model, objective.teacher_revision)
    except ConfigError as error:
        raise _refuse("; ".join(problem.message for problem in error.problems)) from error
    theirs = cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(base.path))
    if theirs.get_vocab() != tokenizer.get_vocab():
        reason = f"{base.name!r} does not share the base's tokenizer; take its log-probabilities through an API"
        raise _refuse(f"{reason} (teacher.top_logprobs)")
    model = AutoModelForCausalLM.from_pretrained(
        base.path, dtype=placement.autocast or torch.float32, use_safetensors=True
    )
    theirs_V, ours_V = (int(lm.config.get_text_config().vocab_size) for lm in (model, student))
    if theirs_V < ours_V:
        raise _refuse(f"{base.name!r} has {theirs_V} logits, fewer than the student's {ours_V}")
    frozen = model.requires_grad_(False).eval()
    moved = frozen.to(placement.device)  # pyright: ignore[reportArgumentType] transformers types `to` unbound
    return LocalTeacher(cast("PreTrainedModel", moved), base)


def state_objective(train: LmRows, config: StudentConfig) -> dict[str, Json]:
    """Return what is to be reported of soft targets from log-probabilities.

    Raises:
        DataError: they are wanted, and no answer token has one that maps to the base's tokens.
    """
    if config.objective.soft == 0 or config.objective.teacher_model is not None:
        return {}
    coverage = train.coverage()
    if not coverage["tokens_taught_by_logprobs"]:
        why = "no teacher log-probability maps to a token of any answer (kept answers without them, or rewritten text)"
        raise DataError(f"student.objective.soft > 0 would act nowhere: {why}; set teacher.top_logprobs or soft: 0")
    structlog.get_logger(__name__).info("soft_targets", **coverage)
    return coverage


def _refuse(message: str) -> ConfigError:
    return ConfigError([Problem("", "student.objective.teacher_model", message)])

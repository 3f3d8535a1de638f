"""The causal language-model student: the base's chat template, loss on the answer alone, greedy answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from peft import PeftModel
from transformers import PreTrainedModel, set_seed

from distill.errors import DataError, StoreError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Likelihood, Prompt
from distill.students.adapters import adapt, prepare_base
from distill.students.chat import Chat, open_chat
from distill.students.config import StudentConfig
from distill.students.device import place
from distill.students.foundation import (
    lay_foundation,
    load_weights,
    open_foundation,
    save_weights,
)
from distill.students.generation import answer_prompts, generate_greedy, generate_packed
from distill.students.likelihood import Weighed, context_limit, weigh_causal
from distill.students.lm_model import CausalModel, bare
from distill.students.lm_rows import encode_lm_rows
from distill.students.lm_teacher import load_teacher, state_objective
from distill.students.manifest import StudentManifest, read_manifest, write_manifest
from distill.students.packing import check_packing
from distill.students.parity import MAX_ANSWER_TOKENS, choose_prompts, record_probe, write_probe
from distill.students.protocol import Lessons, OnProgress, TrainingReport
from distill.students.reading import NumberType, Question, Reader, cast_to, read_causal
from distill.students.summary import describe_drops, summarise_training
from distill.students.teaching import Desk, Encoded, teach
from distill.tasks.config import TaskConfig


class CausalStudent:
    """Trains and loads causal language models."""

    def train(
        self,
        lessons: Lessons,
        task: TaskConfig,
        config: StudentConfig,
        runtime: RuntimeConfig,
        output_dir: Path,
        work_dir: Path,
        on_progress: OnProgress | None = None,
    ) -> TrainingReport:
        """Train on `lessons` and write the student under `output_dir`.

        Raises:
            DataError: no row is left to train on, or soft targets are wanted and none maps.
            ConfigError: the base or the local teacher cannot be resolved, do not fit, or cannot be packed.
        """
        start = time.perf_counter()
        placement = place(runtime.device)
        output_dir.mkdir(parents=True, exist_ok=True)
        foundation = lay_foundation("causal_lm", config, collect_texts(lessons), output_dir)
        chat = open_chat(foundation.tokenizer)
        train, held = (encode_lm_rows(rows, chat, config) for rows in (lessons.train, lessons.validation))
        if not train.rows:
            raise DataError("no row is left to train on: " + describe_drops(train.dropped))
        facts = state_objective(train, config)
        prepare_base(foundation.model, config, placement.autocast)
        if config.packing:
            check_packing(foundation.model, train.rows, placement.device)
        set_seed(config.seed)
        lm = adapt(foundation.model, config.lora, foundation.base)
        teacher = load_teacher(config.objective, chat.tokenizer, foundation.model, placement)
        model = CausalModel(lm, config.objective, teacher and teacher.model).to(placement.device)
        ask = partial(chat.encode_prompt_end, limit=config.max_length_tokens)
        rows = Encoded(lessons, train, held, ask, chat.end_id)
        desk = Desk(config, runtime, placement, output_dir, work_dir, on_progress)
        preflight, result = teach(model, foundation, rows, desk)
        write_probe(output_dir, record_probe(read_causal(lm), ask_questions(lm, chat, choose_prompts(lessons), config)))
        save_weights(lm, output_dir)
        chat.tokenizer.save_pretrained(output_dir)
        manifest = StudentManifest(
            kind="causal_lm",
            task=task,
            config=config,
            base=foundation.base.as_json(),
            labels=tuple(task.labels or ()),
            chat_template_sha256=chat.template_sha256,
        )
        write_manifest(output_dir, manifest)
        seconds = time.perf_counter() - start
        report = summarise_training(train, held, preflight, result, model, foundation.base, seconds)
        return replace(report, facts=facts | ({"teacher_model": teacher.base.as_json()} if teacher else {}))

    def load(self, directory: Path, runtime: RuntimeConfig) -> CausalPredictor:
        """Load what `train` wrote.

        Raises:
            StoreError: the directory is damaged, or its base or chat template is not the one trained with.
        """
        model, chat, manifest = open_causal(directory, runtime, merge=True)
        return CausalPredictor(model, chat, manifest)

    def read_form(
        self, directory: Path, runtime: RuntimeConfig, *, merge: bool, number_type: NumberType = "float32"
    ) -> Reader:
        """Load what `train` wrote, for the parity check, to run in `number_type`.

        Raises:
            StoreError: the directory is damaged, or its base or chat template is not the one trained with.
        """
        return read_causal(cast_to(open_causal(directory, runtime, merge=merge)[0], number_type))


class CausalPredictor:
    """Answers by greedy decoding; confidence is the geometric mean of the answer's token probabilities."""

    def __init__(self, model: PreTrainedModel, chat: Chat, manifest: StudentManifest) -> None:
        """Bind a model in eval mode to its chat format. `limit` is the longest prompt that is answered, in tokens."""
        self.model, self.chat, self.manifest = model, chat, manifest
        self.limit = manifest.config.max_length_tokens

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts in order, as `answer_prompts` says."""
        config, tokenizer = self.manifest.config, self.chat.tokenizer
        pad_id = int(cast("int", tokenizer.pad_token_id or 0))
        return answer_prompts(
            prompts,
            [self.chat.encode_prompt(prompt) for prompt in prompts],
            self.limit,
            lambda ids: generate_greedy(self.model, ids, self.chat.stop_ids, pad_id, config.max_new_tokens),
            lambda ids: cast("str", tokenizer.decode(ids, skip_special_tokens=True)),
        )

    def weigh(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Likelihood]:
        """Return the likelihood of each answer to its prompt, in order; unknown where both do not fit."""
        context = context_limit(self.model, max(self.limit, self.manifest.config.max_length_tokens))
        pairs = [
            Weighed(self.chat.encode_prompt(prompt), self.chat.encode_answer(answer))
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        fits = [len(p.prompt) <= self.limit and len(p.prompt) + len(p.answer) - 1 <= context for p in pairs]
        pad_id = int(cast("int", self.chat.tokenizer.pad_token_id or 0))
        found = iter(weigh_causal(self.model, [p for p, fit in zip(pairs, fits, strict=True) if fit], pad_id))
        return [next(found) if fit else Likelihood(None, len(p.answer)) for p, fit in zip(pairs, fits, strict=True)]

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how long a prompt is."""
        return len(self.chat.encode_prompt(prompt))


STUDENT = CausalStudent()


def collect_texts(lessons: Lessons) -> list[str]:
    """Return every training text, for a tokenizer made on the spot."""
    return [part for row in lessons.train for part in (row.prompt.system or "", row.prompt.user, row.target) if part]


def open_causal(
    directory: Path, runtime: RuntimeConfig, *, merge: bool
) -> tuple[PreTrainedModel, Chat, StudentManifest]:
    """Load a saved student in eval mode, with its adapters merged or at work beside the base.

    Raises:
        StoreError: the directory is damaged, or its base or chat template is not the one trained with.
    """
    manifest = read_manifest(directory)
    foundation = open_foundation("causal_lm", directory, manifest)
    chat = open_chat(foundation.tokenizer)
    if chat.template_sha256 != manifest.chat_template_sha256:
        raise StoreError(f"{directory}: the chat template is not the one the student was trained with")
    model = load_weights(directory, foundation, merge=merge)
    moved = model.to(place(runtime.device).device)  # pyright: ignore[reportArgumentType] transformers types `to` unbound
    return moved.eval(), chat, manifest


def ask_questions(
    lm: PreTrainedModel | PeftModel, chat: Chat, prompts: Sequence[Prompt], config: StudentConfig
) -> list[Question]:
    """Return the prompts that fit, with the model's own greedy answers, for the parity check."""
    encoded = [ids for ids in map(chat.encode_prompt, prompts) if len(ids) <= config.max_length_tokens]
    pad_id = int(cast("int", chat.tokenizer.pad_token_id or 0))
    limit = min(MAX_ANSWER_TOKENS, config.max_new_tokens)
    made = generate_packed(encoded, lambda ids: generate_greedy(bare(lm), ids, chat.stop_ids, pad_id, limit))
    return [
        Question(ids, [*one.ids, chat.end_id] if one.stopped else one.ids)
        for ids, one in zip(encoded, made, strict=True)
    ]

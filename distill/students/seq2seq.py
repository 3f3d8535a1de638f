"""The seq2seq student (T5 and its kin): one source, an answer, and the teacher's rationale as a second task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from distill.errors import ConfigError, DataError, Problem
from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Likelihood, Prompt
from distill.students.adapters import adapt, prepare_base
from distill.students.config import StudentConfig
from distill.students.device import place
from distill.students.foundation import lay_foundation, load_weights, open_foundation, save_weights
from distill.students.generation import answer_prompts, generate_from_source, generate_packed
from distill.students.likelihood import Weighed, weigh_seq2seq
from distill.students.lm_model import bare
from distill.students.long_texts import encode_heads, encode_start
from distill.students.manifest import StudentManifest, read_manifest, write_manifest
from distill.students.parity import MAX_ANSWER_TOKENS, choose_prompts, record_probe, write_probe
from distill.students.protocol import Lessons, OnProgress, TrainingReport
from distill.students.reading import NumberType, Question, Reader, cast_to, read_seq2seq
from distill.students.seq2seq_model import Seq2SeqModel
from distill.students.seq2seq_rows import Codes, Seq2SeqRows, encode_seq2seq_rows, encode_target
from distill.students.summary import describe_drops, summarise_training
from distill.students.teaching import Desk, Encoded, teach
from distill.students.text_encoding import encode_prompt, encode_texts, join_prompt, limit_tokens
from distill.tasks.config import TaskConfig


class Seq2SeqStudent:
    """Trains and loads encoder-decoders."""

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
            DataError: no row is left to train on, or rationales are wanted and none was given.
            ConfigError: the base cannot be resolved, or is not an encoder-decoder with an end token.
        """
        start = time.perf_counter()
        placement = place(runtime.device)
        output_dir.mkdir(parents=True, exist_ok=True)
        foundation = lay_foundation("seq2seq", config, collect_texts(lessons), output_dir)
        codes = find_codes(foundation.model, foundation.tokenizer)
        train, held = (
            encode_seq2seq_rows(rows, foundation.tokenizer, codes, config)
            for rows in (lessons.train, lessons.validation)
        )
        require_rows(train, config)
        prepare_base(foundation.model, config, placement.autocast)
        set_seed(config.seed)
        lm = adapt(foundation.model, config.lora, foundation.base)
        model = Seq2SeqModel(lm, config.objective).to(placement.device)
        limit = limit_tokens(config, foundation.tokenizer)
        rows = Encoded(lessons, train, held, partial(encode_start, foundation.tokenizer, limit), codes.end)
        desk = Desk(config, runtime, placement, output_dir, work_dir, on_progress)
        preflight, result = teach(model, foundation, rows, desk)
        questions = ask_questions(lm, foundation.tokenizer, codes, choose_prompts(lessons), config)
        write_probe(output_dir, record_probe(read_seq2seq(lm, codes.start), questions))
        save_weights(lm, output_dir)
        foundation.tokenizer.save_pretrained(output_dir)
        labels = tuple(task.labels or ())
        write_manifest(output_dir, StudentManifest("seq2seq", task, config, foundation.base.as_json(), labels))
        return summarise_training(train, held, preflight, result, model, foundation.base, time.perf_counter() - start)

    def load(self, directory: Path, runtime: RuntimeConfig) -> Seq2SeqPredictor:
        """Load what `train` wrote.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        model, tokenizer, manifest = open_seq2seq(directory, runtime, merge=True)
        return Seq2SeqPredictor(model, tokenizer, manifest)

    def read_form(
        self, directory: Path, runtime: RuntimeConfig, *, merge: bool, number_type: NumberType = "float32"
    ) -> Reader:
        """Load what `train` wrote, for the parity check, to run in `number_type`.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        model, tokenizer, _ = open_seq2seq(directory, runtime, merge=merge)
        return read_seq2seq(cast_to(model, number_type), find_codes(bare(model), tokenizer).start)


class Seq2SeqPredictor:
    """Answers by greedy decoding; confidence is the geometric mean of the answer's token probabilities."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, manifest: StudentManifest) -> None:
        """Bind a model in eval mode to its tokenizer. `limit` is the longest prompt that is answered, in tokens."""
        self.model, self.tokenizer, self.manifest = model, tokenizer, manifest
        self.limit = limit_tokens(manifest.config, tokenizer)
        self.codes = find_codes(model, tokenizer)

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts in order, as `answer_prompts` says; the rationale is taught, never decoded here."""
        config = self.manifest.config
        start, end, pad = self.codes
        return answer_prompts(
            prompts,
            encode_texts(self.tokenizer, [join_prompt(prompt) for prompt in prompts]),
            self.limit,
            lambda ids: generate_from_source(self.model, ids, start, end, pad, config.max_new_tokens),
            lambda ids: cast("str", self.tokenizer.decode(ids, skip_special_tokens=True)),
        )

    def weigh(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Likelihood]:
        """Return the likelihood of each answer to its prompt, in order; unknown where the prompt does not fit."""
        sources = encode_texts(self.tokenizer, [join_prompt(prompt) for prompt in prompts])
        pairs = [
            Weighed(source, encode_target(self.tokenizer, answer, self.codes))
            for source, answer in zip(sources, answers, strict=True)
        ]
        fits = [len(pair.prompt) <= self.limit for pair in pairs]
        chosen = [pair for pair, fit in zip(pairs, fits, strict=True) if fit]
        found = iter(weigh_seq2seq(self.model, chosen, self.codes.start, self.codes.pad))
        return [next(found) if fit else Likelihood(None, len(p.answer)) for p, fit in zip(pairs, fits, strict=True)]

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how long a prompt is."""
        return len(encode_prompt(self.tokenizer, prompt))


STUDENT = Seq2SeqStudent()


def open_seq2seq(
    directory: Path, runtime: RuntimeConfig, *, merge: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, StudentManifest]:
    """Load a saved student in eval mode, with its adapters merged or at work beside the base.

    Raises:
        StoreError: the directory is damaged or its base does not match.
    """
    manifest = read_manifest(directory)
    foundation = open_foundation("seq2seq", directory, manifest)
    model = load_weights(directory, foundation, merge=merge)
    moved = model.to(place(runtime.device).device)  # pyright: ignore[reportArgumentType] transformers types `to` unbound
    return moved.eval(), foundation.tokenizer, manifest


def ask_questions(
    lm: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    codes: Codes,
    prompts: Sequence[Prompt],
    config: StudentConfig,
) -> list[Question]:
    """Return the prompts that fit, with the model's own greedy answers, for the parity check."""
    limit = limit_tokens(config, tokenizer)
    encoded = [ids for ids in encode_heads(tokenizer, [join_prompt(p) for p in prompts], limit) if len(ids) <= limit]
    longest = min(MAX_ANSWER_TOKENS, config.max_new_tokens)
    made = generate_packed(encoded, lambda ids: generate_from_source(bare(lm), ids, *codes, longest))
    return [
        Question(ids, [*one.ids, codes.end] if one.stopped else one.ids) for ids, one in zip(encoded, made, strict=True)
    ]


def find_codes(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Codes:
    """Return the special ids a base decodes with.

    Raises:
        ConfigError: it has no decoder start, or its tokenizer no end-of-sequence token.
    """
    config: Any = model.config
    start, end = getattr(config, "decoder_start_token_id", None), cast("int | None", tokenizer.eos_token_id)
    if start is None or end is None:
        problem = "a seq2seq base needs decoder_start_token_id and a tokenizer with an end-of-sequence token"
        raise ConfigError([Problem("", "student.base", problem)])
    pad = tokenizer.pad_token_id
    return Codes(int(start), end, int(cast("int", end if pad is None else pad)))


def require_rows(train: Seq2SeqRows, config: StudentConfig) -> None:
    """Check that there is something to learn.

    Raises:
        DataError: no row is left, or rationales are wanted and no row has one.
    """
    if not train.rows:
        raise DataError("no row is left to train on: " + describe_drops(train.dropped))
    if config.objective.rationale > 0 and not any(row.rationale for row in train.rows):
        why = describe_drops(train.rationale_left_out)
        raise DataError(
            f"objective.rationale is {config.objective.rationale:g} and no row has a usable rationale ({why}); "
            "have the teacher give its reasons, or set the weight to 0"
        )


def collect_texts(lessons: Lessons) -> list[str]:
    """Return every training text, for a tokenizer made on the spot."""
    return [
        part
        for row in lessons.train
        for part in (row.prompt.system or "", row.prompt.user, row.target, row.rationale or "")
        if part
    ]

"""The classifier student: a pretrained encoder with adapters and a linear head, for one label or a set of labels."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import cast

from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedTokenizerBase, set_seed

from distill.errors import ConfigError, DataError, Problem, StoreError
from distill.records.runtime import RuntimeConfig
from distill.students.adapters import adapt, prepare_base
from distill.students.classifier_model import ClassifierModel, check_pooling
from distill.students.classifier_predictor import ClassifierPredictor, fit_temperature
from distill.students.config import StudentConfig
from distill.students.device import Placement, place
from distill.students.foundation import (
    Foundation,
    lay_foundation,
    load_weights,
    open_foundation,
    save_weights,
)
from distill.students.label_rows import encode_label_rows
from distill.students.long_texts import encode_heads, encode_start
from distill.students.manifest import StudentManifest, read_manifest, write_manifest
from distill.students.parity import choose_prompts, record_probe, write_probe
from distill.students.protocol import Lessons, OnProgress, TrainingReport
from distill.students.reading import NumberType, Question, Reader, cast_to, read_classifier
from distill.students.summary import describe_drops, summarise_training
from distill.students.teaching import Desk, Encoded, teach
from distill.students.text_encoding import join_prompt, limit_tokens, truncate_ids
from distill.tasks.config import TaskConfig

HEAD = "head.safetensors"


class ClassifierStudent:
    """Trains and loads classifiers."""

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
            DataError: no row is left, or a row's label is not in the task's set.
            ConfigError: the task has no labels, or the base cannot be resolved.
        """
        start = time.perf_counter()
        labels = require_labels(task)
        placement = place(runtime.device)
        output_dir.mkdir(parents=True, exist_ok=True)
        texts = [join_prompt(row.prompt) for row in lessons.train]
        foundation = lay_foundation("encoder", config, texts, output_dir)
        multi = task.output == "labels"
        train = encode_label_rows(lessons.train, foundation.tokenizer, labels, config, multi=multi)
        held = encode_label_rows(lessons.validation, foundation.tokenizer, labels, config, multi=multi)
        if not train.lengths:
            raise DataError("no row is left to train on: " + describe_drops(train.dropped))
        model = build_model(foundation, config, len(labels), placement, multi=multi)
        limit = limit_tokens(config, foundation.tokenizer)
        rows = Encoded(lessons, train, held, partial(encode_start, foundation.tokenizer, limit), None)
        desk = Desk(config, runtime, placement, output_dir, work_dir, on_progress)
        preflight, result = teach(model, foundation, rows, desk)
        prompts = encode_heads(foundation.tokenizer, [join_prompt(p) for p in choose_prompts(lessons)], limit)
        questions = [Question(truncate_ids(foundation.tokenizer, ids, limit), []) for ids in prompts]
        write_probe(output_dir, record_probe(read_classifier(model), questions))
        temperature = fit_temperature(model, held, placement.device)
        manifest = StudentManifest("classifier", task, config, foundation.base.as_json(), labels, temperature)
        save_student(output_dir, model, foundation.tokenizer, manifest)
        return summarise_training(train, held, preflight, result, model, foundation.base, time.perf_counter() - start)

    def load(self, directory: Path, runtime: RuntimeConfig) -> ClassifierPredictor:
        """Load what `train` wrote.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        model, foundation, manifest = open_classifier(directory, runtime, merge=True)
        return ClassifierPredictor(model, foundation.tokenizer, manifest, place(runtime.device))

    def read_form(
        self, directory: Path, runtime: RuntimeConfig, *, merge: bool, number_type: NumberType = "float32"
    ) -> Reader:
        """Load what `train` wrote, for the parity check; the encoder runs in `number_type`, the head in float32.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        model = open_classifier(directory, runtime, merge=merge)[0]
        cast_to(model.encoder, number_type)
        return read_classifier(model)


STUDENT = ClassifierStudent()


def open_classifier(
    directory: Path, runtime: RuntimeConfig, *, merge: bool
) -> tuple[ClassifierModel, Foundation, StudentManifest]:
    """Load a saved classifier in eval mode, with its adapters merged or at work beside the base.

    Raises:
        StoreError: the directory is damaged or its base does not match.
    """
    manifest = read_manifest(directory)
    foundation = open_foundation("encoder", directory, manifest)
    encoder = load_weights(directory, foundation, merge=merge)
    hidden = int(foundation.model.config.hidden_size)
    multi = manifest.task.output == "labels"
    model = ClassifierModel(encoder, hidden, len(manifest.labels), manifest.config, multi=multi)
    try:
        model.head.load_state_dict(load_file(directory / HEAD))
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"{directory / HEAD} is missing or damaged: {error}") from error
    return model.to(place(runtime.device).device).eval(), foundation, manifest


def require_labels(task: TaskConfig) -> tuple[str, ...]:
    """Return the task's label set.

    Raises:
        ConfigError: the task is not a label task, or has fewer than two labels.
    """
    if task.output not in ("label", "labels"):
        problem = f"a classifier answers label or labels, not {task.output!r}; use kind: causal_lm"
        raise ConfigError([Problem("", "student.kind", problem)])
    if not task.labels or (len(task.labels) < 2 and task.output == "label"):
        raise ConfigError([Problem("", "task.labels", "a classifier needs the label set (two labels or more)")])
    return tuple(task.labels)


def build_model(
    foundation: Foundation, config: StudentConfig, labels: int, placement: Placement, *, multi: bool
) -> ClassifierModel:
    """Wrap the base in adapters and add the head, seeded.

    Raises:
        ConfigError: the pooling would see nothing of a row, or the adapters' targets are not there.
    """
    set_seed(config.seed)
    hidden = int(foundation.model.config.hidden_size)
    prepare_base(foundation.model, config, placement.autocast)
    check_pooling(foundation.model, config.pooling)
    encoder = adapt(foundation.model, config.lora, foundation.base)
    return ClassifierModel(cast("nn.Module", encoder), hidden, labels, config, multi=multi).to(placement.device)


def save_student(
    directory: Path, model: ClassifierModel, tokenizer: PreTrainedTokenizerBase, manifest: StudentManifest
) -> None:
    """Write adapter (or full model), head, tokenizer and distill.json."""
    save_weights(model.encoder, directory)
    save_file({name: p.detach().cpu().contiguous() for name, p in model.head.state_dict().items()}, directory / HEAD)
    tokenizer.save_pretrained(directory)
    write_manifest(directory, manifest)

"""From kept teacher answers to lessons: prompts rendered, several samples of one example turned into soft targets."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

from distill.records.completion import TopLogprobs
from distill.records.json import Json
from distill.records.training import TrainingRow
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student

Row = Mapping[str, object]

MIN_LABEL_MASS = 1e-4
"""Probability given to a label that the teacher's alternatives do not name, so that every target is a distribution."""


def make_lessons(rows: Sequence[Row], task: TaskConfig) -> list[TrainingRow]:
    """Turn rows of the CANDIDATES schema (kept, parsed) into lessons, in order of id and sample.

    Label tasks get one lesson per example: the majority answer, with label probabilities from the samples' votes or
    from the teacher's log-probabilities where there are any; label sets likewise, each label voted on by itself. Other
    tasks get one lesson per distinct answer.

    Raises:
        DataError: a prompt cannot be rendered.
    """
    ordered = sorted(rows, key=lambda row: (cast("str", row["id"]), cast("int", row["sample"])))
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in ordered:
        by_id[cast("str", row["id"])].append(row)
    if task.output == "label" and task.labels:
        return [_vote(members, task, task.labels) for members in by_id.values()]
    if task.output == "labels" and task.labels:
        return [_vote_on_each(members, task, task.labels) for members in by_id.values()]
    return [lesson for members in by_id.values() for lesson in _distinct(members, task)]


def _vote(members: Sequence[Row], task: TaskConfig, labels: tuple[str, ...]) -> TrainingRow:
    votes = Counter(cast("str", row["target"]) for row in members)
    winner = min(votes, key=lambda label: (-votes[label], label))
    first = next(row for row in members if row["target"] == winner)
    probabilities = label_distribution(first, labels)
    if len(members) > 1:
        probabilities = tuple(votes[label] / len(members) for label in labels)
    return _lesson(first, task, label_probs=probabilities)


def _vote_on_each(members: Sequence[Row], task: TaskConfig, labels: tuple[str, ...]) -> TrainingRow:
    """Return the most frequent set; with several samples, each label's share of them as its own probability."""
    votes = Counter(cast("str", row["target"]) for row in members)
    winner = min(votes, key=lambda target: (-votes[target], target))
    first = next(row for row in members if row["target"] == winner)
    if len(members) == 1:
        return _lesson(first, task)
    named = Counter(label for row in members for label in set(json.loads(cast("str", row["value_json"]))))
    return _lesson(first, task, label_probs=tuple(named[label] / len(members) for label in labels))


def _distinct(members: Sequence[Row], task: TaskConfig) -> list[TrainingRow]:
    first: dict[str, Row] = {}
    for row in members:
        first.setdefault(cast("str", row["target"]), row)
    return [_lesson(row, task) for row in first.values()]


def _lesson(row: Row, task: TaskConfig, label_probs: tuple[float, ...] | None = None) -> TrainingRow:
    identity = cast("str", row["id"])
    columns = cast("dict[str, Json]", json.loads(cast("str", row["columns_json"])))
    value = json.loads(cast("str", row["value_json"]))
    return TrainingRow(
        id=identity,
        prompt=render_student(task, identity, columns),
        target=cast("str", row["target"]),
        labels=tuple(value) if task.output == "labels" else None,
        label_probs=label_probs,
        logprobs=read_logprobs(row),
        rationale=cast("str | None", row["rationale"]),
    )


def read_logprobs(row: Row) -> TopLogprobs | None:
    """Return a row's token log-probabilities, or None where the teacher gave none."""
    tokens = cast("list[list[str]] | None", row["top_tokens"])
    if not tokens:
        return None
    values = cast("list[list[float]]", row["top_logprobs"])
    return TopLogprobs(
        sampled_tokens=tuple(cast("list[str]", row["sampled_tokens"])),
        sampled_logprobs=tuple(float(v) for v in cast("list[float]", row["sampled_logprobs"])),
        tokens=tuple(tuple(alternatives) for alternatives in tokens),
        logprobs=tuple(tuple(float(v) for v in alternatives) for alternatives in values),
    )


def label_distribution(row: Row, labels: tuple[str, ...]) -> tuple[float, ...] | None:
    """Read label probabilities off the first answer token's alternatives, in label order; None where they don't map.

    An alternative counts for the one label that it is, or that it alone begins; ambiguous ones are left out.
    """
    logprobs = read_logprobs(row)
    if logprobs is None:
        return None
    mass: dict[str, float] = defaultdict(float)
    for token, value in zip(logprobs.tokens[0], logprobs.logprobs[0], strict=True):
        text = token.strip()
        exact = [label for label in labels if label == text]
        matches = exact or [label for label in labels if text and label.startswith(text)]
        if len(matches) == 1:
            mass[matches[0]] += math.exp(value)
    if cast("str", row["target"]) not in mass:
        return None
    raw = [max(mass.get(label, 0.0), MIN_LABEL_MASS) for label in labels]
    total = sum(raw)
    return tuple(value / total for value in raw)

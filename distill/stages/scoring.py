"""From a system's raw answers to scored predictions, one row per example; failures count as wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

from distill.records.completion import Completion
from distill.records.example import Example
from distill.records.json import Json, dump_canonical
from distill.records.prediction import Prediction
from distill.records.training import Answer, Likelihood
from distill.tasks.protocol import Parsed, Task


@dataclass(frozen=True, slots=True)
class Reference:
    """What answers are scored against: each example's gold, or the teacher's answer where there is no gold."""

    kind: str
    values: Mapping[str, Json]


def gold_reference(examples: Sequence[Example], task: Task) -> Reference | None:
    """Return the gold of every example, or None when some example has none (or one that does not parse)."""
    values: dict[str, Json] = {}
    for example in examples:
        parsed = task.parse_gold(example.gold) if example.gold is not None else None
        if parsed is None or parsed.error_kind is not None:
            return None
        values[example.id] = parsed.value
    return Reference("gold", values)


def teacher_reference(completions: Iterable[Completion], task: Task) -> Reference:
    """Return the teacher's own first answers as the reference; one that failed leaves its example without any."""
    values: dict[str, Json] = {}
    for completion in completions:
        parsed = task.parse(completion.text) if completion.error_kind is None else Parsed(error_kind="call_failed")
        if completion.sample == 0 and parsed.error_kind is None:
            values[completion.id] = parsed.value
    return Reference("teacher", values)


def partial_gold(examples: Sequence[Example], task: Task) -> dict[str, Json]:
    """Return the gold of those examples that have one which parses."""
    found: dict[str, Json] = {}
    for example in examples:
        parsed = task.parse_gold(example.gold) if example.gold is not None else None
        if parsed is not None and parsed.error_kind is None:
            found[example.id] = parsed.value
    return found


def with_gold_scores(predictions: Sequence[Prediction], gold: Mapping[str, Json], task: Task) -> list[Prediction]:
    """Return the predictions with `gold_score` filled in, for when a few rows have gold and the rest does not."""
    if not gold:
        return list(predictions)
    return [
        replace(p, gold_score=0.0 if p.error_kind is not None else task.score(p.parsed, gold[p.id]))
        if p.id in gold
        else p
        for p in predictions
    ]


def self_agreement(teacher: Sequence[Prediction], task: Task) -> dict[str, Json] | None:
    """Return how often the teacher, asked again, says the same (rate, n rows, repeats); None where it was asked once.

    Each row's rate is over its pairs of answers; a failure agrees with nothing.
    """
    by_id: dict[str, list[Prediction]] = {}
    for prediction in teacher:
        by_id.setdefault(prediction.id, []).append(prediction)
    rates = [
        sum(_agree(a, b, task) for a, b in pairs) / len(pairs)
        for found in by_id.values()
        if (pairs := list(combinations(found, 2)))
    ]
    if not rates:
        return None
    repeats = max(len(found) for found in by_id.values())
    return {"rate": sum(rates) / len(rates), "n": len(rates), "repeats": repeats}


def _agree(first: Prediction, second: Prediction, task: Task) -> bool:
    if first.error_kind is not None or second.error_kind is not None:
        return False
    return task.score(first.parsed, second.parsed) >= 1.0


def score_answers(
    system: str,
    answers: Iterable[Answer],
    examples: Sequence[Example],
    task: Task,
    reference: Reference,
    repeat: int = 0,
    likelihoods: Mapping[str, Likelihood] | None = None,
) -> list[Prediction]:
    """Score a local system's answers, in the order of the examples; `likelihoods` are those of the references."""
    by_id = {answer.id: answer for answer in answers}
    scored = [_score(system, by_id[example.id], example, task, reference, repeat) for example in examples]
    weighed = likelihoods or {}
    return [
        replace(p, reference_logprob=weighed[p.id].logprob, reference_tokens=weighed[p.id].tokens)
        if p.id in weighed
        else p
        for p in scored
    ]


def score_completions(
    completions: Iterable[Completion],
    examples: Sequence[Example],
    task: Task,
    reference: Reference,
    system: str = "teacher",
) -> list[Prediction]:
    """Score the answers of the teacher (or another model), in the order of the examples; sample k is repeat k."""
    by_id = {example.id: example for example in examples}
    predictions: list[Prediction] = []
    for completion in sorted(completions, key=lambda item: (item.sample, item.id)):
        answer = Answer(
            id=completion.id,
            text=completion.text,
            input_tokens=completion.usage.input_tokens,
            output_tokens=completion.usage.output_tokens,
            latency_ms=completion.latency_ms or 0.0,
            error_kind=completion.error_kind or ("truncated" if completion.finish_reason == "length" else None),
        )
        scored = _score(system, answer, by_id[completion.id], task, reference, completion.sample)
        predictions.append(replace(scored, cost_usd=completion.cost_usd, confidence=None))
    return predictions


def _score(system: str, answer: Answer, example: Example, task: Task, reference: Reference, repeat: int) -> Prediction:
    parsed = Parsed(error_kind=answer.error_kind) if answer.error_kind else task.parse(answer.text)
    known = example.id in reference.values
    score = 0.0
    if parsed.error_kind is None and known:
        score = task.score(parsed.value, reference.values[example.id])
    return Prediction(
        id=example.id,
        system=system,
        repeat=repeat,
        text=answer.text,
        parsed=parsed.value,
        correct=score >= 1.0,
        score=score,
        confidence=answer.confidence,
        error_kind=parsed.error_kind,
        latency_ms=answer.latency_ms if answer.latency_ms > 0 else None,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost_usd=None,
        reference=reference.values.get(example.id),
        slices=example.slices,
        cluster=example.group,
        content_hash=example.content_hash,
    )


def prediction_row(prediction: Prediction) -> dict[str, object]:
    """Return a prediction as a row of the PREDICTIONS schema."""
    return {
        "id": prediction.id,
        "system": prediction.system,
        "repeat": prediction.repeat,
        "text": prediction.text,
        "parsed": None if prediction.error_kind is not None else dump_canonical(prediction.parsed),
        "reference": None if prediction.reference is None else dump_canonical(prediction.reference),
        "correct": prediction.correct,
        "score": prediction.score,
        "confidence": prediction.confidence,
        "error_kind": prediction.error_kind,
        "latency_ms": prediction.latency_ms,
        "input_tokens": prediction.input_tokens,
        "output_tokens": prediction.output_tokens,
        "cost_usd": prediction.cost_usd,
        "slices": sorted(prediction.slices.items()),
        "cluster": prediction.cluster,
        "content_hash": prediction.content_hash,
        "judged": prediction.judged,
        "reference_logprob": prediction.reference_logprob,
        "reference_tokens": prediction.reference_tokens,
        "gold_score": prediction.gold_score,
    }


def read_prediction(row: Mapping[str, object]) -> Prediction:
    """Return a row of the PREDICTIONS schema as a prediction."""
    fields = dict(row)
    for name in ("parsed", "reference"):
        text = cast("str | None", fields[name])
        fields[name] = None if text is None else json.loads(text)
    fields["slices"] = dict(cast("list[tuple[str, str]]", fields["slices"] or []))
    fields["content_hash"] = fields.get("content_hash") or ""
    return Prediction(**fields)  # type: ignore[arg-type]

"""Completions joined with their examples and parsed: rows of the CANDIDATES schema, what filters judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from distill.records.completion import Completion
from distill.records.example import Example
from distill.records.json import dump_canonical
from distill.tasks.protocol import Parsed, Task

Row = dict[str, object]


def completion_row(completion: Completion) -> Row:
    """Return a completion as a row of the COMPLETIONS schema (no latency: tables stay the same from run to run)."""
    logprobs = completion.logprobs
    return {
        "id": completion.id,
        "sample": completion.sample,
        "key": completion.key,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "refusal": completion.refusal,
        "rationale": completion.rationale,
        "model": completion.model,
        "model_served": completion.model_served,
        "error_kind": completion.error_kind,
        "error": completion.error,
        "input_tokens": completion.usage.input_tokens,
        "cached_input_tokens": completion.usage.cached_input_tokens,
        "output_tokens": completion.usage.output_tokens,
        "reasoning_tokens": completion.usage.reasoning_tokens,
        "usage_estimated": completion.usage.estimated,
        "cost_usd": completion.cost_usd,
        "sampled_tokens": None if logprobs is None else list(logprobs.sampled_tokens),
        "sampled_logprobs": None if logprobs is None else list(logprobs.sampled_logprobs),
        "top_tokens": None if logprobs is None else [list(tokens) for tokens in logprobs.tokens],
        "top_logprobs": None if logprobs is None else [list(values) for values in logprobs.logprobs],
    }


def candidate_rows(examples: Sequence[Example], completions: Iterable[Mapping[str, object]], task: Task) -> list[Row]:
    """Join completions (rows of the COMPLETIONS schema) to their examples and parse them, in id and sample order."""
    by_id = {example.id: example for example in examples}
    rows = [_candidate(by_id[cast("str", row["id"])], row, task) for row in completions]
    return sorted(rows, key=lambda row: (cast("str", row["id"]), cast("int", row["sample"])))


def _candidate(example: Example, completion: Mapping[str, object], task: Task) -> Row:
    failed = completion["error_kind"] is not None
    parsed = Parsed(error_kind="call_failed") if failed else task.parse(cast("str", completion["text"]))
    good = parsed.error_kind is None
    carried = (
        "sample", "finish_reason", "refusal", "rationale", "error_kind", "model", "output_tokens", "cost_usd", "key",
        "sampled_tokens", "sampled_logprobs", "top_tokens", "top_logprobs",
    )  # fmt: skip
    return {
        "id": example.id,
        "text": example.text,
        "columns_json": dump_canonical(example.columns),
        "gold_json": None if example.gold is None else dump_canonical(example.gold),
        "group": example.group,
        "slices": sorted(example.slices.items()),
        "answer": completion["text"],
        "value_json": dump_canonical(parsed.value) if good else None,
        "target": task.render(parsed.value) if good else None,
        "parse_error": parsed.error_kind,
        "repaired": parsed.repaired,
        **{name: completion[name] for name in carried},
    }

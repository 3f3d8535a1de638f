"""Completions joined with their examples and parsed: rows of the CANDIDATES schema, what filters judge."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pyarrow_compute
from numpy.typing import NDArray

from distill.errors import StoreError
from distill.filters.votes import count_teachers, lead_of
from distill.records.completion import Completion
from distill.records.json import dump_canonical
from distill.records.tables import CANDIDATES
from distill.tasks.protocol import Parsed, Task

Row = dict[str, object]
EXAMPLE_COLUMNS = ("id", "text", "columns_json", "gold_json", "group", "slices")
COMPLETION_COLUMNS = (
    "id", "teacher", "sample", "text", "finish_reason", "refusal", "rationale", "error_kind", "model", "model_served",
    "output_tokens", "cost_usd", "key", "sampled_tokens", "sampled_logprobs", "top_tokens", "top_logprobs",
)  # fmt: skip
PARSED_COLUMNS = ("value_json", "target", "parse_error", "repaired")
pc: Any = pyarrow_compute
"""Its functions are made when it is imported, so the type checker knows none of them."""


def completion_row(completion: Completion, teacher: int = 0) -> Row:
    """Return a completion as a row of the COMPLETIONS schema (no latency: tables stay the same from run to run)."""
    logprobs = completion.logprobs
    return {
        "id": completion.id,
        "teacher": teacher,
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


def join_candidates(examples: pa.Table, completions: pa.Table, task: Task) -> pa.Table:
    """Join completions to their examples, parse them and count who agrees, in the order of id, teacher and sample.

    All completions of an example are there together. The tables have at least the columns of EXAMPLES and COMPLETIONS
    that candidates carry.

    Raises:
        StoreError: a completion belongs to none of the examples.
    """
    answers = completions.take(order_answers(completions))
    asked = examples.take(pa.array(find_examples(answers.column("id"), examples.column("id"))))
    columns = {name: asked.column(name) for name in EXAMPLE_COLUMNS}
    columns |= {name: answers.column(name) for name in COMPLETION_COLUMNS if name != "text"}
    columns |= {"answer": answers.column("text"), **_parse(answers, task)}
    columns |= _count_agreement(answers, columns["target"])
    return pa.Table.from_arrays([columns[name] for name in CANDIDATES.names], schema=CANDIDATES)


def order_answers(completions: pa.Table) -> pa.Array:
    """Return the row numbers of completions in the order of id, teacher and sample."""
    return pc.sort_indices(completions, sort_keys=[(name, "ascending") for name in ("id", "teacher", "sample")])


def find_examples(ids: pa.ChunkedArray, examples: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return for each id the row number of its example.

    Raises:
        StoreError: an id belongs to none of the examples.
    """
    places = pc.index_in(ids, value_set=examples.combine_chunks())
    if places.null_count:
        stray = ids.filter(places.is_null())[0].as_py()
        raise StoreError(f"a completion of example {stray!r}, which the split does not have; run again from the start")
    return places.to_numpy().astype(np.int64)


def _count_agreement(answers: pa.Table, targets: pa.Array) -> dict[str, pa.Array]:
    """Count per answer the teachers that were asked, those that say the same, and the winner's lead."""
    ids, said = answers.column("id"), cast("list[str | None]", targets.to_pylist())
    if len(ids.unique()) == len(ids):  # asked once each: the usual case, and the largest tables
        votes = [Counter([target]) for target in said]
    else:
        names = cast("list[str]", ids.to_pylist())
        counted = count_teachers(names, cast("list[int]", answers.column("teacher").to_pylist()), said)
        votes = [counted[name] for name in names]
    leads = [lead_of(vote) for vote in votes]
    agreeing = [0 if target is None else vote[target] for target, vote in zip(said, votes, strict=True)]
    return {
        "teachers": pa.array([vote.total() for vote in votes], pa.int32()),
        "agreeing": pa.array(agreeing, pa.int32()),
        "margin": pa.array([(m - s) / vote.total() for (m, s), vote in zip(leads, votes, strict=True)], pa.float64()),
    }


def _parse(answers: pa.Table, task: Task) -> dict[str, pa.Array]:
    """Parse the answers that there are, row by row."""
    columns: dict[str, list[str | None]] = {name: [] for name in PARSED_COLUMNS}
    texts = cast("list[str]", answers.column("text").to_pylist())
    for text, failed in zip(texts, answers.column("error_kind").is_valid().to_pylist(), strict=True):
        parsed = Parsed(error_kind="call_failed") if failed else task.parse(text)
        good = parsed.error_kind is None
        columns["value_json"].append(dump_canonical(parsed.value) if good else None)
        columns["target"].append(task.render(parsed.value) if good else None)
        columns["parse_error"].append(parsed.error_kind)
        columns["repaired"].append(parsed.repaired)
    return {name: pa.array(values, pa.string()) for name, values in columns.items()}

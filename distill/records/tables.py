"""The Parquet schemas of every artifact table, with what each column means (`distill schema --tables`).

Values that are JSON are stored as canonical JSON text (`..._json`), so that tables stay comparable byte by byte.
"""

from __future__ import annotations

import pyarrow as pa

_SLICES = pa.map_(pa.string(), pa.string())
_TOP_TOKENS = pa.list_(pa.list_(pa.string()))
_TOP_LOGPROBS = pa.list_(pa.list_(pa.float16()))


def _schema(columns: dict[str, tuple[pa.DataType, str]]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, (kind, doc) in columns.items()])


EXAMPLES = _schema(
    {
        "id": (pa.string(), "unique id: the id column, else the content hash"),
        "text": (pa.string(), "what duplicates and leaks are judged on: the columns the prompts use, joined"),
        "columns_json": (pa.string(), "the row's columns, as canonical JSON"),
        "gold_json": (pa.string(), "the right answer as JSON text; null where there is none"),
        "teacher_output": (pa.string(), "recorded teacher answer; null where there is none"),
        "group": (pa.string(), "never crosses a split; null: the row stands alone"),
        "time": (pa.string(), "timestamp as given; null where there is none"),
        "slices": (_SLICES, "slice column -> value"),
        "content_hash": (pa.string(), "sha256 of columns and gold"),
        "where": (pa.string(), "file:line the row came from"),
    }
)

COMPLETIONS = _schema(
    {
        "id": (pa.string(), "example id"),
        "teacher": (pa.int32(), "number of the teacher in the config, from 0: the reference teacher"),
        "sample": (pa.int32(), "sample number, from 0"),
        "key": (pa.string(), "journal key of the request"),
        "text": (pa.string(), "raw answer"),
        "finish_reason": (pa.string(), "stop, length, content_filter, tool_calls, unknown"),
        "refusal": (pa.string(), "refusal text the provider marked as such"),
        "rationale": (pa.string(), "reasoning text given beside the answer"),
        "model": (pa.string(), "model asked for"),
        "model_served": (pa.string(), "model that answered"),
        "error_kind": (pa.string(), "null, or why there is no answer"),
        "error": (pa.string(), "the error in words, keys redacted"),
        "input_tokens": (pa.int64(), "prompt tokens, cached ones included"),
        "cached_input_tokens": (pa.int64(), "prompt tokens billed as cached"),
        "output_tokens": (pa.int64(), "answer tokens, reasoning included"),
        "reasoning_tokens": (pa.int64(), "reasoning tokens"),
        "usage_estimated": (pa.bool_(), "the provider gave no usage; the counts are ours"),
        "cost_usd": (pa.float64(), "price of this answer; null when the price is unknown"),
        "sampled_tokens": (pa.list_(pa.string()), "answer tokens, where log-probabilities were asked for"),
        "sampled_logprobs": (pa.list_(pa.float16()), "their natural-log probabilities"),
        "top_tokens": (_TOP_TOKENS, "per answer token: alternatives, best first"),
        "top_logprobs": (_TOP_LOGPROBS, "per answer token: their natural-log probabilities"),
    }
)

CANDIDATES = _schema(
    {
        "id": (pa.string(), "example id"),
        "teacher": (pa.int32(), "as in completions"),
        "sample": (pa.int32(), "sample number"),
        "text": (pa.string(), "the input, as in examples"),
        "columns_json": (pa.string(), "the row's columns"),
        "gold_json": (pa.string(), "the right answer; null where there is none"),
        "group": (pa.string(), "group of the example"),
        "slices": (_SLICES, "slices of the example"),
        "answer": (pa.string(), "raw teacher answer"),
        "value_json": (pa.string(), "the parsed answer as canonical JSON; null when it did not parse"),
        "target": (pa.string(), "the parsed answer as canonical text; null when it did not parse"),
        "parse_error": (pa.string(), "null, or why it did not parse"),
        "repaired": (pa.string(), "the lossless repair parsing needed; null when none"),
        "finish_reason": (pa.string(), "as in completions"),
        "refusal": (pa.string(), "as in completions"),
        "rationale": (pa.string(), "as in completions"),
        "error_kind": (pa.string(), "as in completions"),
        "model": (pa.string(), "model that was asked"),
        "model_served": (pa.string(), "model that answered"),
        "output_tokens": (pa.int64(), "as in completions"),
        "cost_usd": (pa.float64(), "as in completions"),
        "key": (pa.string(), "journal key of the request"),
        "teachers": (pa.int32(), "teachers that were asked, before any filter"),
        "agreeing": (
            pa.int32(),
            "of them, those whose answer is this one (of a teacher's samples, the most frequent)",
        ),
        "margin": (
            pa.float64(),
            "lead of the most frequent answer over the second, as a share of the teachers",
        ),
        "sampled_tokens": (pa.list_(pa.string()), "as in completions"),
        "sampled_logprobs": (pa.list_(pa.float16()), "as in completions"),
        "top_tokens": (_TOP_TOKENS, "as in completions"),
        "top_logprobs": (_TOP_LOGPROBS, "as in completions"),
    }
)

REJECTED = pa.schema(
    [
        *CANDIDATES,
        pa.field("filter", pa.string(), metadata={"doc": "the filter that dropped the row"}),
        pa.field("reason", pa.string(), metadata={"doc": "why, as a counted word"}),
        pa.field("evidence", pa.string(), metadata={"doc": "what it saw, for people"}),
    ]
)

REGENERATED = _schema(
    {
        "id": (pa.string(), "example id"),
        "teacher": (pa.int32(), "as in completions"),
        "sample": (pa.int32(), "as in completions"),
        "attempt": (
            pa.int32(),
            "0: the first answer; what took its place in the end is a candidate",
        ),
        "key": (pa.string(), "journal key of the request"),
        "answer": (pa.string(), "the answer that was replaced"),
        "filter": (pa.string(), "the filter that dropped it"),
        "reason": (pa.string(), "why, as a counted word"),
        "evidence": (pa.string(), "what it saw, for people"),
        "cost_usd": (pa.float64(), "what this answer cost; null when unknown"),
    }
)

PREDICTIONS = _schema(
    {
        "id": (pa.string(), "example id"),
        "system": (pa.string(), "student, cascade, teacher, base or a baseline's name"),
        "repeat": (pa.int32(), "repeat number, from 0"),
        "text": (pa.string(), "raw answer"),
        "parsed": (pa.string(), "parsed answer as canonical JSON; null when it did not parse"),
        "reference": (pa.string(), "what it was scored against, as canonical JSON"),
        "correct": (pa.bool_(), "score is 1"),
        "score": (pa.float64(), "in [0, 1]; 0 when there is no usable answer"),
        "confidence": (pa.float64(), "in [0, 1]; null where the system gives none"),
        "error_kind": (pa.string(), "null, or why there is no usable answer"),
        "latency_ms": (pa.float64(), "time of this answer; null where it was not measured"),
        "input_tokens": (pa.int64(), "prompt tokens"),
        "output_tokens": (pa.int64(), "answer tokens"),
        "cost_usd": (pa.float64(), "what this answer cost; null when unknown"),
        "slices": (_SLICES, "slices of the example"),
        "cluster": (pa.string(), "group of the example, for clustered errors"),
        "content_hash": (pa.string(), "content hash of the example"),
        "judged": (
            pa.float64(),
            "1 where a judge preferred it to the teacher's answer, 0 not, 0.5 tie; null: not asked",
        ),
        "reference_logprob": (pa.float64(), "natural-log probability given to the reference; null where not measured"),
        "reference_tokens": (pa.int64(), "tokens that probability is over"),
        "gold_score": (
            pa.float64(),
            "score against gold, where only a few rows have gold and reference is the teacher's",
        ),
    }
)

TABLES: dict[str, pa.Schema] = {
    "examples": EXAMPLES,
    "completions": COMPLETIONS,
    "candidates": CANDIDATES,
    "rejected": REJECTED,
    "regenerated": REGENERATED,
    "predictions": PREDICTIONS,
}

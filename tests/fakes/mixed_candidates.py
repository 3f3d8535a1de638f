"""A fixed table in which every filter finds something to drop and something to keep."""

from __future__ import annotations

import pyarrow as pa
from fakes.candidates import TEXT_TASK, candidate, make_candidates
from fakes.services import SERVICES, reread_json

from distill.filters import FilterContext, Heldout, hash_runs

SECRET = "this very sentence of more than thirteen words stands word for word in the sealed held out part"
LONG = "please tell me why the payment that I made last week has not arrived at my bank yet"
CONTEXT = FilterContext(TEXT_TASK, Heldout(frozenset(hash_runs(SECRET))), reread=reread_json, services=SERVICES)
OPTIONS: dict[str, dict[str, object]] = {
    "length": {"max_words": 20},
    "schema_valid": {"schema": {"type": "string"}},
    "verifier": {"equations": True},
    "judge": {"model": "judge-1", "rubric": "Is it about a refund?"},
    "difficulty": {"size": 20},
    "diversity": {"size": 12},
    "language": {"expected": "en", "min_chars": 20},
}


def make_mixed() -> pa.Table:
    rows = [
        candidate("a00", "Where is my refund?", "The refund is on its way and will arrive within three working days."),
        candidate("a01", "where is my REFUND", "card"),
        candidate("a02", LONG, "other"),
        candidate("a03", LONG + " please", "other"),
        candidate("a04", f"Well: {SECRET}", "other"),
        candidate("a05", "q5", "", value_json=None, target=None, parse_error="empty"),
        candidate("a06", "q6", "I'm sorry, but I cannot help with that."),
        candidate("a07", "q7", "<html><body>502</body></html>"),
        candidate("a08", "q8", "blau", value_json=None, target=None, parse_error="unknown_label"),
        candidate("a09", "q9", "the answer is", finish_reason="length"),
        candidate("a10", "q10", "yes " * 40),
        candidate("a11", "q11", "The answer that was begun here breaks off in the", finish_reason=None),
        candidate("a12", "q12", "Write to jo.doe@example.org about it."),
        candidate("a13", "q13", "refund", gold_json='"card"'),
        candidate("a14", "q14", "refund", sampled_logprobs=[-2.0, -3.0]),
        candidate("a15", "q15", "refund"),
        candidate("a15", "q15", "refund", sample=1),
        candidate("a15", "q15", "card", sample=2),
        candidate("a16", "q16", "", error_kind="timeout", value_json=None, target=None, parse_error="call_failed"),
        candidate("a17", "q17", "{'a': 1,}", value_json=None, target=None, parse_error="unparseable"),
        candidate("a18", "q18", "{'a': 1,", value_json=None, target=None, parse_error="unparseable"),
        candidate("a19", "q19", "I'm not sure which of the two it is."),
        candidate("a20", "q20", "Die Rückerstattung ist unterwegs und wird in drei Werktagen ankommen."),
        candidate("a21", "q21", "refund"),
        candidate("a21", "q21", "refund", model="n", teacher=1),
        candidate("a21", "q21", "card", model="o", teacher=2),
        candidate("a22", "q22", '{"a": 1}', value_json='{"a":1}', target='{"a":1}'),
        candidate("a24", "q24", "2 + 2 = 5"),
        candidate("a25", "q25", "refund", columns_json='{"generation": 2}'),
        candidate("a23", "is my REFUND where", "refund"),
    ]
    return make_candidates(rows)

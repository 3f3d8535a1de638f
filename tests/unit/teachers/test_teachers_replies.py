"""Reading replies: whatever bytes come, a Reading comes out, and it can be stored."""

# ruff: noqa: E501
from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill.records.token_names import read_name
from distill.teachers.failures import classify, redact, retry_after
from distill.teachers.protocol import Reply
from distill.teachers.replies import read_reply

anywhere = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))  # fmt: skip
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "model": JSON,
        "usage": JSON | st.fixed_dictionaries({"prompt_tokens": JSON, "completion_tokens": JSON}),
        "choices": JSON | st.lists(st.fixed_dictionaries({}, optional={
            "message": JSON | st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON}),
            "finish_reason": JSON,
            "logprobs": JSON | st.fixed_dictionaries({"content": JSON | st.lists(st.fixed_dictionaries(
                {"token": JSON, "logprob": JSON, "bytes": JSON | st.lists(st.integers(-1, 256), max_size=4), "top_logprobs": JSON}), max_size=2)}),
        }), max_size=2),
        "error": JSON,
    },
)  # fmt: skip


def _holds(body: bytes) -> None:
    reading = read_reply(body)
    assert reading.error_kind in (None, "malformed")
    repr(reading).encode()
    reading.text.encode()
    if reading.usage is not None:
        assert 0 <= reading.usage.cached_input_tokens <= reading.usage.input_tokens < 2**63


@anywhere
@given(st.binary(max_size=200))
def test_no_bytes_raise(body):
    _holds(body)


@anywhere
@given(NEAR)
def test_no_almost_right_reply_raises(reply):
    _holds(json.dumps(reply).encode())


@anywhere
@given(st.integers(100, 599), NEAR | JSON, st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=10)))  # fmt: skip
def test_no_refusal_raises(status, body, headers):
    error = classify(Reply(status, headers, json.dumps(body).encode()))
    assert error.kind
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 3600


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"null", b'"x"', b"\xff\xfe", b'{"choices":[null]}'])
def test_what_holds_no_answer_is_malformed(body):
    assert read_reply(body).error_kind == "malformed"


def test_lone_surrogates_can_be_stored():
    assert read_reply(rb'{"choices":[{"message":{"content":"a\ud800b"}}]}').text == "a?b"


def read_tokens(*steps: dict) -> tuple[str, ...]:
    content = [{"logprob": -0.1, "top_logprobs": [{"logprob": -0.1, **step}], **step} for step in steps]
    body = {"choices": [{"message": {"content": "x"}, "logprobs": {"content": content}}]}
    logprobs = read_reply(json.dumps(body).encode()).logprobs
    assert logprobs is not None
    assert logprobs.tokens == tuple((token,) for token in logprobs.sampled_tokens)
    return logprobs.sampled_tokens


def test_parts_of_a_character_are_told_by_their_bytes():
    """As some servers write an emoji of two tokens: each half alone is no character."""
    halves = [{"token": "\ufffd", "bytes": [0xF0, 0x9F]}, {"token": "", "bytes": [0x98, 0x80]}]
    tokens = read_tokens(*halves, {"token": " ok", "bytes": list(b" ok")})
    assert b"".join(map(read_name, tokens)).decode() == "😀 ok"


@pytest.mark.parametrize("data", [None, [], "x", [256], [-1], [True], [1.5], list("\ufffd".encode())])
def test_without_usable_bytes_the_text_is_all_there_is(data):
    assert read_tokens({"token": "\ufffd", "bytes": data}) == ("\ufffd",)


def test_names_that_say_their_bytes_already_and_control_tokens_stay():
    named = {"token": "bytes:\\xe2\\x80", "bytes": [0xE2, 0x80]}
    assert read_tokens(named, {"token": "<|im_end|>", "bytes": [7]}) == ("bytes:\\xe2\\x80", "<|im_end|>")


def test_reasoning_becomes_the_rationale():
    body = {"choices": [{"message": {"content": "7", "reasoning_content": "3 + 4"}, "finish_reason": "stop"}]}
    assert read_reply(json.dumps(body).encode()).rationale == "3 + 4"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "2"}, 2.0), ({"retry-after-ms": "250"}, 0.25), ({"retry-after": "nan"}, None),
     ({"retry-after": "soon"}, None), ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0), ({}, None)],
)  # fmt: skip
def test_retry_after_is_read_in_every_form(headers, seconds):
    assert retry_after(headers, now=60.0) == seconds


def test_what_looks_like_a_key_is_redacted_even_if_it_is_not_ours():
    assert "sk-proj" not in redact("bad key sk-proj-abcdefgh12345678", ())

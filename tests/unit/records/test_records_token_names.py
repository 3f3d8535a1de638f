from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.records.token_names import is_end, read_name, write_name


def test_part_of_a_character_is_named_by_its_bytes():
    assert read_name("bytes:\\xe2\\x80") == b"\xe2\x80"
    assert read_name("bytes: no") == b"bytes: no"


@pytest.mark.parametrize(
    "token", ["", "<|im_end|>", "<|end|>", "<｜end▁of▁sentence｜>", "</s>", "<eos>", "<end_of_turn>"]
)
def test_control_tokens_show_no_text(token: str):
    assert is_end(token)


@pytest.mark.parametrize("token", [" ", "\n", "<", "|", "<b>", "end", "[x]"])
def test_tokens_of_an_answer_are_no_end(token: str):
    assert not is_end(token)


@given(st.binary(min_size=1, max_size=8) | st.text(min_size=1, max_size=8).map(str.encode) | st.just(b"bytes:\\xe2"))
def test_every_token_is_read_as_it_was_named(token: bytes):
    assert read_name(write_name(token)) == token


def test_a_token_that_is_text_is_named_by_it():
    assert write_name("ü b".encode()) == "ü b"
    assert write_name(b"\xf0\x9f") == "bytes:\\xf0\\x9f"

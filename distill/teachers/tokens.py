"""Token counts without a tokenizer: a likely one for plans and rates, a safe upper one for budgets."""

from __future__ import annotations

from distill.records.completion import Message, TeacherRequest, Usage

_BYTES_PER_TOKEN = 4.0
_PER_MESSAGE = 4
_REPLY_PRIMER = 3


def likely_tokens(text: str) -> int:
    """Estimate the tokens of a text (UTF-8 bytes / 4, at least 1 for any text)."""
    return -(-len(text.encode("utf-8", "replace")) // int(_BYTES_PER_TOKEN))


def likely_input_tokens(messages: tuple[Message, ...]) -> int:
    """Estimate the prompt tokens of a conversation."""
    return _REPLY_PRIMER + sum(_PER_MESSAGE + likely_tokens(message.content) for message in messages)


def most_input_tokens(request: TeacherRequest) -> int:
    """Bound the prompt tokens from above: byte-level vocabularies never give more tokens than bytes."""
    length = sum(_PER_MESSAGE + len(m.content.encode("utf-8", "replace")) for m in request.messages)
    shape = len(str(request.response_format)) if request.response_format is not None else 0
    return _REPLY_PRIMER + length + shape


def estimated_usage(request: TeacherRequest, text: str) -> Usage:
    """Stand in for the usage a provider did not report; marked as estimated."""
    return Usage(likely_input_tokens(request.messages), 0, likely_tokens(text), 0, estimated=True)

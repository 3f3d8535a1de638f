"""A conversation as a task's input: the last user message, within the limits on characters and tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from distill.records.completion import Message
from distill.records.json import Json
from distill.serving.config import ServeConfig
from distill.serving.wire import WireError
from distill.tasks import TaskConfig
from distill.tasks.prompts import input_columns
from distill.teachers.tokens import likely_tokens


def read_columns(task: TaskConfig, conversation: Sequence[Message], limits: ServeConfig) -> dict[str, Json]:
    """Return the task's columns from a conversation: the last user message; the caller's system messages are ignored.

    Where the templates use one column the message is its value; where they use several it is a JSON object of them.

    Raises:
        WireError: there is no user message, it is too long, or columns are missing.
    """
    texts = [message.content for message in conversation if message.role == "user"]
    if not texts or not texts[-1].strip():
        raise WireError(400, "there is no user message with text", "invalid_request", "messages")
    text = texts[-1]
    _check_length(text, limits)
    names = input_columns(task)
    if len(names) <= 1:
        return {names[0] if names else "text": text}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    values = cast("dict[str, Json]", data) if isinstance(data, dict) else {}
    if missing := [name for name in names if name not in values]:
        message = f"the last user message must be a JSON object with the columns {', '.join(names)}"
        raise WireError(400, f"{message}; missing: {', '.join(missing)}", "invalid_request", "messages")
    return {name: values[name] for name in names}


def _check_length(text: str, limits: ServeConfig) -> None:
    if len(text) > limits.max_input_chars:
        message = f"the input is longer than {limits.max_input_chars} characters"
        raise WireError(400, message, "context_length_exceeded", "messages")
    tokens = likely_tokens(text)
    if tokens > limits.max_input_tokens:
        message = f"the input has about {tokens} tokens, more than {limits.max_input_tokens}"
        raise WireError(400, message, "context_length_exceeded", "messages")

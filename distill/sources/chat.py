"""Chat logs: the last assistant message is a recorded teacher answer, what came before it is the input.

A mistake in the data is a ValueError here whatever its type: the caller names the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from distill.records.json import Json

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class ChatTurn(NamedTuple):
    """A conversation as a row: columns `messages` (before the answer) and `text` (last user message); the answer."""

    columns: dict[str, Json]
    answer: str | None


def is_chat(values: Mapping[str, Json], input_columns: Sequence[str]) -> bool:
    """Say whether a row is a chat log: it carries `messages`, and templates want a column it lacks."""
    messages = values.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return False
    return any(column not in values for column in input_columns) or tuple(input_columns) == ("messages",)


def read_chat(values: Mapping[str, Json]) -> ChatTurn:
    """Turn a chat row into columns and answer; other columns of the row stay as they are.

    Raises:
        ValueError: `messages` is missing or is no conversation with a user message.
    """
    messages = values.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        raise ValueError("a chat row needs `messages`, a list of {role, content}")  # noqa: TRY004
    turns = [_read_message(message, number) for number, message in enumerate(messages, start=1)]
    answer = None
    if turns and turns[-1]["role"] == "assistant":
        answer = turns.pop()["content"]
    users = [turn["content"] for turn in turns if turn["role"] == "user"]
    if not users:
        raise ValueError("`messages` has no user message before the answer")
    plain: list[Json] = [dict(turn) for turn in turns]
    rest = {column: value for column, value in values.items() if column not in ("messages", "text")}
    return ChatTurn({**rest, "text": users[-1], "messages": plain}, answer)


def _read_message(message: Json, number: int) -> dict[str, str]:
    if not isinstance(message, Mapping):
        raise ValueError(f"message {number} is not an object")  # noqa: TRY004
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise ValueError(f"message {number} has role {role!r}; expected one of {', '.join(sorted(_ROLES))}")
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = "".join(_read_part(part, number) for part in content)
    if not isinstance(content, str):
        raise ValueError(f"message {number} ({role}) has no text")  # noqa: TRY004
    return {"role": role, "content": content}


def _read_part(part: Json, number: int) -> str:
    text = part.get("text") if isinstance(part, Mapping) else None
    if not isinstance(text, str):
        raise ValueError(f"message {number} has a part that is not text")  # noqa: TRY004
    return text

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from distill.errors import TeacherError
from distill.records.completion import Message, Usage
from distill.serving.upstream import ChatReply


class KnownTeacher:
    model = "teacher-1"

    def __init__(self, text: str = "delivery", usd: float = 0.01, fails: bool = False) -> None:
        self.text, self.usd, self.fails, self.calls = text, usd, fails, 0

    def worst_cost_usd(self, messages: Sequence[Message]) -> float:
        return self.usd

    def cost_usd(self, usage: Usage) -> float | None:
        return self.usd

    async def complete(self, messages: Sequence[Message]) -> ChatReply:
        self.calls += 1
        if self.fails:
            raise TeacherError("down", kind="connection")
        return ChatReply(self.text, self.model, Usage(9, 0, 1))

    async def close(self) -> None:
        return None


@pytest.fixture
def teacher() -> KnownTeacher:
    return KnownTeacher()

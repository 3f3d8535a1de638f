"""A real, deterministic predictor without a model: the label whose keyword the text holds, else unsure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from distill.records.training import Answer, Prompt
from distill.serving.students import LoadedStudent
from distill.tasks.config import TaskConfig

TASK = TaskConfig(output="label", labels=("refund", "delivery"), user="{{ text }}", system="You route.")


class KeywordPredictor:
    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[int] = []

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        time.sleep(self.seconds)
        self.batches.append(len(prompts))
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Answer:
        if "crash" in prompt.user:
            raise ValueError("crash")
        if "garbage" in prompt.user:
            return Answer(prompt.id, "@@@", 0.99)
        for label in ("refund", "delivery"):
            if label in prompt.user:
                return Answer(prompt.id, label, 0.95, 3, 1)
        return Answer(prompt.id, "refund", 0.3, 3, 1)


def make_keyword_student(version: str = "production@1", seconds: float = 0.0) -> LoadedStudent:
    return LoadedStudent(version, TASK, KeywordPredictor(seconds), 0.8)

"""Output kinds: how an answer is asked for, read, written and compared. One file each; the table is here."""

from __future__ import annotations

from collections.abc import Callable

from distill.tasks.answer import AnswerTask
from distill.tasks.config import OutputKind, TaskConfig
from distill.tasks.json import JsonTask
from distill.tasks.label import LabelTask
from distill.tasks.labels import LabelsTask
from distill.tasks.protocol import Parsed, Task
from distill.tasks.text import TextTask

TASKS: dict[OutputKind, Callable[[TaskConfig], Task]] = {
    "label": LabelTask,
    "labels": LabelsTask,
    "json": JsonTask,
    "answer": AnswerTask,
    "text": TextTask,
}

__all__ = ["TASKS", "Parsed", "Task", "TaskConfig", "make_task"]


def make_task(config: TaskConfig) -> Task:
    """Bind the config's output kind.

    Raises:
        ValueError: the JSON Schema is not one (`load_config` says so first, with its place).
    """
    return TASKS[config.output](config)

"""The question that goes out after a rejected answer: the same one again, or with the answer and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

from distill.filters import RegenerateConfig, complain
from distill.filters.regenerate import SHOWN_CHARS
from distill.records.completion import Message
from distill.records.example import Example
from distill.stages.rejected_answers import Rejected
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import answer_schema, render_teacher
from distill.teachers import Order, TeacherConfig, build_requests

AFRESH_TEMPERATURE = 0.7


def make_order(
    config: RegenerateConfig, task: TaskConfig, example: Example, turns: Sequence[Rejected], teacher: TeacherConfig
) -> Order:
    """Ask for one more answer in the place of `turns`, its rejected ones, oldest first.

    The number of the sample is one that was never asked for: the journal sells no old answer as a new one.

    Raises:
        DataError: the prompt cannot be rendered.
    """
    conversation = _continue(config, task, example, turns)
    shown = any(message.role == "assistant" for message in conversation)
    update = {"temperature": _choose_temperature(config, teacher, turns[-1], shown=shown)}
    if config.max_output_tokens is not None:
        update["max_output_tokens"] = config.max_output_tokens
    (request,) = build_requests([conversation], teacher.model_copy(update=update), schema=answer_schema(task))
    return Order(example.id, turns[0].place.sample + len(turns) * teacher.samples, request)


def _continue(
    config: RegenerateConfig, task: TaskConfig, example: Example, turns: Sequence[Rejected]
) -> tuple[Message, ...]:
    conversation = [*render_teacher(task, example.columns)]
    for turn in turns if config.how == "repair" else ():
        complaint = complain(turn.filter, turn.reason, turn.evidence)
        if complaint is not None and turn.answer.strip() and turn.error_kind is None:
            conversation += [Message("assistant", turn.answer[:SHOWN_CHARS]), Message("user", complaint)]
    return tuple(conversation)


def _choose_temperature(
    config: RegenerateConfig, teacher: TeacherConfig, last: Rejected, *, shown: bool
) -> float | None:
    if config.temperature is not None:
        return config.temperature
    if shown or last.error_kind is not None or teacher.temperature is None:
        return teacher.temperature
    return max(AFRESH_TEMPERATURE, teacher.temperature)

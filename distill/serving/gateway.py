"""One answer: student first, teacher below the threshold, on a failure or a timeout, within the dollar cap."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from distill.errors import DataError, TeacherError
from distill.records.completion import Message, Usage
from distill.records.json import Json
from distill.records.live import AnsweredBy
from distill.records.training import Answer
from distill.serving.batching import Batcher
from distill.serving.config import ServeConfig
from distill.serving.spend import HourlyCap
from distill.serving.students import LoadedStudent
from distill.serving.upstream import FallbackTeacher, StudentEngine
from distill.serving.wire import WireError
from distill.tasks import TaskConfig, make_task
from distill.tasks.prompts import input_columns, render_student, render_teacher


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller gets, and why. `reason` is empty when the student's answer was taken as it should be."""

    text: str
    answered_by: AnsweredBy
    model: str
    version: str
    reason: str
    confidence: float | None
    threshold: float | None
    usage: Usage
    student_answer: str
    columns: Mapping[str, Json]
    cost_usd: float | None = 0.0


class Gateway:
    """The students at hand and the teacher behind them; belongs to one event loop."""

    def __init__(
        self,
        config: ServeConfig,
        name: str,
        student: LoadedStudent,
        teacher: FallbackTeacher | None,
        clock: Callable[[], float] = time.time,
        engine: StudentEngine | None = None,
    ) -> None:
        """Take the first student; `engine` answers in its place when it is served elsewhere."""
        self.config, self.name, self.teacher, self.clock = config, name, teacher, clock
        self._engine_given = engine
        cap = config.fallback.cap_usd_per_hour if config.fallback else None
        self.cap = HourlyCap(cap, clock)
        self.threshold_add = 0.0
        self.shadow_rate = config.shadow.rate
        self.draining = False
        self.swap_error: str | None = None
        self.student = student
        self.engine = self._make_engine(student)

    async def swap(self, student: LoadedStudent) -> None:
        """Answer new requests with `student`; those under way end with the old one."""
        old = self.engine
        self.student, self.engine = student, self._make_engine(student)
        self.swap_error = None
        if old is not self.engine:
            await old.close()

    async def answer(self, conversation: Sequence[Message], request_id: str) -> Outcome:
        """Answer one conversation.

        Raises:
            WireError: the conversation cannot be a task input, or nobody could answer.
        """
        student, engine = self.student, self.engine
        columns = read_columns(student.task, conversation, self.config.max_input_chars)
        try:
            prompt = render_student(student.task, request_id, columns)
            answer = await asyncio.wait_for(engine.answer(prompt), self.config.student_timeout_s)
        except TimeoutError:
            answer = Answer(request_id, "", error_kind="timeout")
        except DataError as error:
            raise WireError(400, f"the input does not fit the task: {error}", "invalid_request", "messages") from error
        parsed = make_task(student.task).parse(answer.text) if answer.error_kind is None else None
        failure = answer.error_kind or (parsed.error_kind if parsed else None)
        threshold = self._threshold(student)
        reason = failure or ""
        if not failure and threshold is not None and (answer.confidence is None or answer.confidence < threshold):
            reason = "low_confidence"
        usage = Usage(answer.input_tokens, 0, answer.output_tokens)
        own = Outcome(
            answer.text, "student", student.version, student.version, reason, answer.confidence, threshold, usage,
            answer.text, columns,
        )  # fmt: skip
        return own if not reason else await self._fall_back(own, student, failure is None)

    async def close(self) -> None:
        """Finish what is under way and let go of connections."""
        await self.engine.close()
        if self.teacher is not None:
            await self.teacher.close()

    async def _fall_back(self, own: Outcome, student: LoadedStudent, usable: bool) -> Outcome:
        """Ask the teacher; where that cannot be, a usable student answer stands and says why."""
        why = "fallback_off"
        if self.teacher is not None:
            messages = render_teacher(student.task, own.columns)
            worst, real = self.teacher.worst_cost_usd(messages), 0.0
            if not self.cap.reserve(worst):
                why = "fallback_capped"
            else:
                real = worst  # a cancelled call may have been paid
                try:
                    reply = await self.teacher.complete(messages)
                    real = self.teacher.cost_usd(reply.usage) or 0.0
                    if make_task(student.task).parse(reply.text).error_kind is None:
                        return Outcome(
                            reply.text, "teacher", reply.model or self.teacher.model, own.version, own.reason,
                            own.confidence, own.threshold, reply.usage, own.student_answer, own.columns,
                            self.teacher.cost_usd(reply.usage),
                        )  # fmt: skip
                    why = "fallback_unparseable"
                except TeacherError as error:
                    why = f"fallback_{error.kind}"
                finally:
                    self.cap.settle(worst, real)
        if not usable:
            wait = self.cap.retry_after_s() if why == "fallback_capped" else 1.0
            message = f"the student gave no valid answer ({own.reason}) and the teacher did not either ({why})"
            raise WireError(503, message, "no_answer", retry_after_s=min(wait, 60.0))
        return Outcome(
            own.text, "student", own.model, own.version, f"{own.reason},{why}", own.confidence, own.threshold,
            own.usage, own.student_answer, own.columns,
        )  # fmt: skip

    def _threshold(self, student: LoadedStudent) -> float | None:
        stored = student.threshold if self.config.threshold is None else self.config.threshold
        if stored is None and self.threshold_add == 0:
            return None
        return min(1.0, (stored or 0.0) + self.threshold_add)

    def _make_engine(self, student: LoadedStudent) -> StudentEngine:
        if self._engine_given is not None:
            return self._engine_given
        return Batcher(student.predictor, self.config.max_batch, self.config.max_wait_ms)


def read_columns(task: TaskConfig, conversation: Sequence[Message], max_chars: int) -> dict[str, Json]:
    """Return the task's columns from a conversation: the last user message; the caller's system messages are ignored.

    Where the templates use one column the message is its value; where they use several it is a JSON object of them.

    Raises:
        WireError: there is no user message, it is too long, or columns are missing.
    """
    texts = [message.content for message in conversation if message.role == "user"]
    if not texts or not texts[-1].strip():
        raise WireError(400, "there is no user message with text", "invalid_request", "messages")
    text = texts[-1]
    if len(text) > max_chars:
        raise WireError(400, f"the input is longer than {max_chars} characters", "context_length_exceeded", "messages")
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

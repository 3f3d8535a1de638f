"""One answer: student first, teacher below the threshold, on a failure or a timeout, within the dollar cap."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from distill.errors import DataError, TeacherError
from distill.records.completion import Message, Usage
from distill.records.json import Json
from distill.records.live import AnsweredBy
from distill.records.training import Answer
from distill.serving.arms import Arm, Arms, Side
from distill.serving.columns import read_columns
from distill.serving.config import ServeConfig
from distill.serving.spend import HourlyCap
from distill.serving.students import LoadedStudent
from distill.serving.upstream import FallbackTeacher, StudentEngine
from distill.serving.wire import WireError
from distill.tasks.prompts import render_student, render_teacher


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller gets, and why. `reason` is empty when the student's answer was taken as it should be.

    `version` is the version that was asked first and is judged by this; `model` is who answered. `cost_usd` is what the
    teacher was paid for it, whoever answered: 0 where it was not asked, None where nobody knows.
    """

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
    side: Side = "main"
    finish: str = "stop"


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
        cap = config.fallback.cap_usd_per_hour if config.fallback else None
        self.cap = HourlyCap(cap, clock)
        self.threshold_add = 0.0
        self.shadow_rate = config.shadow.rate
        self.draining = False
        self.swap_error: str | None = None
        self.canary_error: str | None = None
        self.arms = Arms(student, config, engine)

    @property
    def student(self) -> LoadedStudent:
        """The version that serves."""
        return self.arms.main.student

    async def answer(self, conversation: Sequence[Message], request_id: str, key: str | None = None) -> Outcome:
        """Answer one conversation; `key` decides between two versions during a canary (None: the request's id).

        Raises:
            WireError: the conversation cannot be a task input, or nobody could answer.
        """
        arm = self.arms.pick(key or request_id)
        columns = read_columns(arm.student.task, conversation, self.config)
        if arm.side == "canary":
            return await self._try_canary(arm, columns, request_id)
        return await self._answer_with(arm, columns, request_id)

    async def ask(self, arm: Arm, columns: Mapping[str, Json], request_id: str) -> Answer:
        """Put a task's columns to one version; a failure or a timeout is an answer with `error_kind`.

        Raises:
            WireError: the columns do not fit its task.
        """
        try:
            prompt = render_student(arm.student.task, request_id, columns)
            async with asyncio.timeout(self.config.student_timeout_s):
                return await arm.engine.answer(prompt)
        except TimeoutError:
            return Answer(request_id, "", error_kind="timeout")
        except DataError as error:
            raise WireError(400, f"the input does not fit the task: {error}", "invalid_request", "messages") from error

    async def close(self) -> None:
        """Finish what is under way and let go of connections."""
        await self.arms.close()
        if self.teacher is not None:
            await self.teacher.close()

    async def _try_canary(self, arm: Arm, columns: Mapping[str, Json], request_id: str) -> Outcome:
        """Let the canary answer; where it gives nothing usable, the version that serves answers in its place."""
        own = await self._judge(arm, columns, request_id)
        if own.reason in ("", "low_confidence"):
            return own if not own.reason else await self._fall_back(own, arm, usable=True)
        served = await self._answer_with(self.arms.main, columns, request_id)
        reason = ",".join(part for part in (own.reason, "canary_replaced", served.reason) if part)
        return replace(served, version=arm.version, side="canary", reason=reason, student_answer=own.student_answer)

    async def _answer_with(self, arm: Arm, columns: Mapping[str, Json], request_id: str) -> Outcome:
        own = await self._judge(arm, columns, request_id)
        if not own.reason:
            return own
        return await self._fall_back(own, arm, usable=own.reason == "low_confidence")

    async def _judge(self, arm: Arm, columns: Mapping[str, Json], request_id: str) -> Outcome:
        """Ask a version and say why its answer should not be taken (`reason`), if so."""
        answer = await self.ask(arm, columns, request_id)
        reason = answer.error_kind or arm.task.parse(answer.text).error_kind or ""
        threshold = self._threshold(arm.student)
        if not reason and threshold is not None and (answer.confidence is None or answer.confidence < threshold):
            reason = "low_confidence"
        usage = Usage(answer.input_tokens, 0, answer.output_tokens)
        return Outcome(
            answer.text, "student", arm.version, arm.version, reason, answer.confidence, threshold, usage,
            answer.text, columns, side=arm.side,
        )  # fmt: skip

    async def _fall_back(self, own: Outcome, arm: Arm, *, usable: bool) -> Outcome:
        """Ask the teacher; where that cannot be, a usable student answer stands and says why."""
        taught, why, paid_usd = await self._ask_teacher(own, arm)
        if taught is not None:
            return taught
        if not usable:
            wait = self.cap.retry_after_s() if why == "fallback_capped" else 1.0
            message = f"the student gave no valid answer ({own.reason}) and the teacher did not either ({why})"
            raise WireError(503, message, "no_answer", retry_after_s=min(wait, 60.0), cost_usd=paid_usd)
        return replace(own, reason=f"{own.reason},{why}", cost_usd=paid_usd)

    async def _ask_teacher(self, own: Outcome, arm: Arm) -> tuple[Outcome | None, str, float | None]:
        """Return the teacher's answer, or why there is none; and what was paid for it."""
        if self.teacher is None:
            return None, "fallback_off", 0.0
        messages = render_teacher(arm.student.task, own.columns)
        worst = self.teacher.worst_cost_usd(messages)
        if not self.cap.reserve(worst):
            return None, "fallback_capped", 0.0
        real = worst  # a cancelled call may have been paid
        try:
            reply = await self.teacher.complete(messages)
            cost = self.teacher.cost_usd(reply.usage)
            real = cost or 0.0
        except TeacherError as error:
            real = 0.0 if error.kind != "timeout" else worst  # an answer that came too late is on the bill
            return None, f"fallback_{error.kind}", None if error.kind == "timeout" else 0.0
        finally:
            self.cap.settle(worst, real)
        if arm.task.parse(reply.text).error_kind is not None:
            return None, "fallback_unparseable", cost
        model = reply.model or self.teacher.model
        taught = replace(own, text=reply.text, answered_by="teacher", model=model, usage=reply.usage, cost_usd=cost)
        return taught, "", cost

    def _threshold(self, student: LoadedStudent) -> float | None:
        stored = student.threshold if self.config.threshold is None else self.config.threshold
        if stored is None and self.threshold_add == 0:
            return None
        return stored if stored == math.inf else min(1.0, (stored or 0.0) + self.threshold_add)

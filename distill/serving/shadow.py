"""The shadow sample: a uniform share of the student's answers is put to the teacher, in the background.

During a canary both versions are asked about each sampled request, so that the teacher judges them on the same inputs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from distill.errors import DataError, TeacherError
from distill.records.live import Audit
from distill.serving.arms import Arm, draw
from distill.serving.gateway import Gateway, Outcome
from distill.serving.request_log import RequestLog
from distill.serving.spend import HourlyCap
from distill.serving.upstream import ChatReply
from distill.serving.wire import WireError
from distill.tasks.prompts import render_teacher


class Shadow:
    """Asks the teacher about sampled answers and logs whether it agrees; an answer never waits for it."""

    def __init__(
        self, gateway: Gateway, log: RequestLog | None, on_audit: Callable[[bool], None] | None = None
    ) -> None:
        """Bind the gateway and the log; without a log or a teacher nothing is sampled."""
        self._gateway, self._log, self._on_audit = gateway, log, on_audit
        shadow, fallback = gateway.config.shadow, gateway.config.fallback
        default = fallback.cap_usd_per_hour if fallback else None
        cap = shadow.cap_usd_per_hour if shadow.cap_usd_per_hour is not None else default
        self._cap = HourlyCap(cap, gateway.clock, shadow.max_per_hour)
        self._tasks: set[asyncio.Task[None]] = set()

    def consider(self, outcome: Outcome, request_id: str) -> None:
        """Sample a student's answer by the request's id, so that nothing about its content decides."""
        if self._log is None or self._gateway.teacher is None:
            return
        if draw(request_id) < self._gateway.shadow_rate:
            task = asyncio.create_task(self._audit(outcome, request_id, self._log))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the audits under way."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _audit(self, outcome: Outcome, request_id: str, log: RequestLog) -> None:
        arms = self._gateway.arms
        arm = next((a for a in (arms.main, arms.canary) if a is not None and a.version == outcome.version), None)
        if arm is None:
            return  # swapped meanwhile
        other = arms.other(arm)
        reply = await self._ask_teacher(arm, outcome)
        if reply is None:
            return
        self._write(arm, outcome.student_answer, reply, request_id, log)
        if other is not None:
            try:
                answer = await self._gateway.ask(other, outcome.columns, request_id)
            except WireError:
                return  # the versions' tasks differ: nothing to compare
            self._write(other, "" if answer.error_kind else answer.text, reply, request_id, log)

    async def _ask_teacher(self, arm: Arm, outcome: Outcome) -> ChatReply | None:
        """Return the teacher's word, or None: no answer is no audit, neither agreement nor disagreement."""
        teacher = self._gateway.teacher
        assert teacher is not None
        try:
            messages = render_teacher(arm.student.task, outcome.columns)
        except DataError:
            return None
        worst = teacher.worst_cost_usd(messages)
        if not self._cap.reserve(worst):
            return None
        real = worst
        try:
            reply = await teacher.complete(messages)
            real = teacher.cost_usd(reply.usage) or 0.0
        except TeacherError:
            return None
        finally:
            self._cap.settle(worst, real)
        return reply

    def _write(self, arm: Arm, answer: str, reply: ChatReply, request_id: str, log: RequestLog) -> None:
        gateway = self._gateway
        mine, theirs = arm.task.parse(answer), arm.task.parse(reply.text)
        if theirs.error_kind is not None or gateway.teacher is None:
            return
        agreed = mine.error_kind is None and arm.task.score(mine.value, theirs.value) >= 1
        if self._on_audit is not None:
            self._on_audit(agreed)
        cost = gateway.teacher.cost_usd(reply.usage)
        log.add(
            Audit(
                request_id,
                gateway.clock(),
                gateway.name,
                arm.version,
                "shadow",
                agreed,
                reply.text,
                reply.model or gateway.teacher.model,
                cost,
                arm.side,
            )
        )

"""The shadow sample: a uniform share of the student's answers is put to the teacher, in the background."""

from __future__ import annotations

import asyncio
import hashlib

from distill.errors import DataError, TeacherError
from distill.records.live import Audit
from distill.serving.gateway import Gateway, Outcome
from distill.serving.request_log import RequestLog
from distill.serving.spend import HourlyCap
from distill.tasks import make_task
from distill.tasks.prompts import render_teacher


class Shadow:
    """Asks the teacher about sampled answers and logs whether it agrees; an answer never waits for it."""

    def __init__(self, gateway: Gateway, log: RequestLog | None) -> None:
        """Bind the gateway and the log; without a log or a teacher nothing is sampled."""
        self._gateway, self._log = gateway, log
        shadow, fallback = gateway.config.shadow, gateway.config.fallback
        default = fallback.cap_usd_per_hour if fallback else None
        cap = shadow.cap_usd_per_hour if shadow.cap_usd_per_hour is not None else default
        self._cap = HourlyCap(cap, gateway.clock, shadow.max_per_hour)
        self._tasks: set[asyncio.Task[None]] = set()

    def consider(self, outcome: Outcome, request_id: str) -> None:
        """Sample a student's answer by the request's id, so that nothing about its content decides."""
        if self._log is None or self._gateway.teacher is None:
            return
        draw = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:8]) / 2**64
        if draw < self._gateway.shadow_rate:
            task = asyncio.create_task(self._audit(outcome, request_id, self._log))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the audits under way."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _audit(self, outcome: Outcome, request_id: str, log: RequestLog) -> None:
        gateway, teacher = self._gateway, self._gateway.teacher
        assert teacher is not None
        config, version = gateway.student.task, outcome.version
        try:
            messages = render_teacher(config, outcome.columns)
        except DataError:
            return  # the task changed with a swap meanwhile
        worst = teacher.worst_cost_usd(messages)
        if not self._cap.reserve(worst):
            return
        real = worst
        try:
            reply = await teacher.complete(messages)
            cost = teacher.cost_usd(reply.usage)
            real = cost or 0.0
        except TeacherError:
            return  # no answer is no audit: neither agreement nor disagreement
        finally:
            self._cap.settle(worst, real)
        task = make_task(config)
        mine, theirs = task.parse(outcome.text), task.parse(reply.text)
        if theirs.error_kind is None:
            agreed = mine.error_kind is None and task.score(mine.value, theirs.value) >= 1
            model = reply.model or teacher.model
            log.add(
                Audit(request_id, gateway.clock(), gateway.name, version, "shadow", agreed, reply.text, model, cost)
            )

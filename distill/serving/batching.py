"""Dynamic batching: what gathers while one batch runs becomes the next. One worker thread owns the predictor."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog

from distill.records.training import Answer, Prompt
from distill.students.protocol import Predictor

_log = structlog.get_logger(__name__)


class _Ticket(NamedTuple):
    prompt: Prompt
    future: asyncio.Future[Answer]


class Batcher:
    """Answers single prompts by batches; belongs to one event loop."""

    def __init__(self, predictor: Predictor, max_batch: int, max_wait_ms: float = 0.0) -> None:
        """Take a predictor, prompts per batch at most, and how long to wait for a fuller batch."""
        self._predictor, self._max_batch, self._max_wait_s = predictor, max_batch, max_wait_ms / 1000
        self._waiting: deque[_Ticket] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="student")
        self._loop: asyncio.Task[None] | None = None
        self._closed = False
        self.batches = 0
        self.answered = 0

    @property
    def depth(self) -> int:
        """Prompts waiting."""
        return len(self._waiting)

    async def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt; a predictor that fails gives an answer with `error_kind` "student_error"."""
        if self._closed:
            return Answer(prompt.id, "", error_kind="student_closed")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ticket(prompt, future))
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Wait for the batches under way, then end the thread; later prompts get no answer."""
        self._closed = True
        while self._loop is not None and not self._loop.done():
            await asyncio.wait({self._loop})
        self._thread.shutdown(wait=False)

    async def _drain(self) -> None:
        while self._waiting:
            if self._max_wait_s and len(self._waiting) < self._max_batch:
                await asyncio.sleep(self._max_wait_s)
            batch = self._take()
            if not batch:
                continue
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, self._predict, [ticket.prompt for ticket in batch])
            self.batches += 1
            self.answered += len(batch)
            for ticket, answer in zip(batch, answers, strict=True):
                if not ticket.future.done():
                    ticket.future.set_result(answer)

    def _take(self) -> list[_Ticket]:
        """Take the next batch; callers who gave up are passed over."""
        batch: list[_Ticket] = []
        while self._waiting and len(batch) < self._max_batch:
            ticket = self._waiting.popleft()
            if not ticket.future.done():
                batch.append(ticket)
        return batch

    def _predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        try:
            answers = self._predictor.predict(prompts)
            if [answer.id for answer in answers] == [prompt.id for prompt in prompts]:
                return answers
            kind = "a predictor that lost or mixed up answers"
        except Exception as error:  # noqa: BLE001 one bad batch must not stop the gateway; each caller is told
            kind = f"{type(error).__name__}"
        _log.error("student_failed", error=kind, prompts=len(prompts))
        return [Answer(prompt.id, "", error_kind="student_error") for prompt in prompts]

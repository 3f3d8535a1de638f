"""Buys rows in batch mode, and kills itself. Arguments: URL, state directory, rows, the call after which to die."""

import os
import signal
import sys
from pathlib import Path

from distill.records.completion import Message
from distill.records.runtime import RuntimeConfig
from distill.teachers import Order, TeacherConfig, build_requests, open_teacher
from distill.teachers.batches import purchase
from distill.teachers.batches.service import BatchService


def die_after(moment: str) -> None:
    call = getattr(BatchService, moment)

    async def last(*arguments: object) -> None:
        await call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(BatchService, moment, last)


if __name__ == "__main__":
    url, state, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4] != "never":
        die_after(sys.argv[4])
    purchase._FIRST_POLL_S = purchase._MOST_POLL_S = 0.05
    config = TeacherConfig.model_validate(
        {"model": "gpt-test-2026-01-01", "base_url": url, "max_output_tokens": 8, "mode": "batch",
         "price": {"input": 1, "output": 4}}
    )  # fmt: skip
    texts = [f"message number {i} about {('refund', 'delivery', 'repair')[i % 3]}" for i in range(count)]
    requests = build_requests([(Message("user", text),) for text in texts], config)
    with open_teacher(config, RuntimeConfig(state_dir=state)) as teacher:
        bought = teacher.buy([Order(str(i), 0, request) for i, request in enumerate(requests)])
    sys.stdout.write(f"{sum(c.error_kind is None for c in bought)}\n")

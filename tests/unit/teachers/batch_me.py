"""Buys rows in batch mode. Arguments: URL, state directory, rows, the call after which to kill itself (or `never`), and
the name under which to meet another buyer: each waits until both have read which batches are under way.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from distill.records.completion import Message
from distill.records.runtime import RuntimeConfig
from distill.teachers import Budget, Order, TeacherConfig, build_requests, open_teacher
from distill.teachers.batches import purchase
from distill.teachers.batches.service import BatchService


def die_after(moment: str) -> None:
    call = getattr(BatchService, moment)

    async def last(*arguments: object) -> None:
        await call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(BatchService, moment, last)


def meet(place: Path, name: str) -> None:
    read = purchase.read_batches
    met = []

    def wait(*arguments: object) -> object:
        found = read(*arguments)
        if not met:
            met.append((place / f"met-{name}").write_text(""))
            while len(list(place.glob("met-*"))) < 2:
                time.sleep(0.001)
        return found

    purchase.read_batches = wait


if __name__ == "__main__":
    url, state, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4] != "never":
        die_after(sys.argv[4])
    if len(sys.argv) > 5:
        meet(state, sys.argv[5])
    purchase._FIRST_POLL_S = purchase._MOST_POLL_S = 0.05
    config = TeacherConfig.model_validate(
        {"model": "gpt-test-2026-01-01", "base_url": url, "max_output_tokens": 8, "mode": "batch",
         "price": {"input": 1, "output": 4}}
    )  # fmt: skip
    texts = [f"message number {i} about {('refund', 'delivery', 'repair')[i % 3]}" for i in range(count)]
    requests = build_requests([(Message("user", text),) for text in texts], config)
    with open_teacher(config, RuntimeConfig(state_dir=state)) as teacher:
        orders = [Order(str(i), 0, request) for i, request in enumerate(requests)]
        bought = teacher.buy(orders, budget=Budget(1.0, "the run"))
        ledger = teacher.ledger
    answered = sum(c.error_kind is None for c in bought)
    said = {"answered": answered, "calls": ledger.calls, "hits": ledger.journal_hits, "usd": ledger.usd}
    sys.stdout.write(json.dumps(said) + "\n")

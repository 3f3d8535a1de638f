"""The limit of a server that says nothing of it beforehand is found from its refusals, and then kept."""

from __future__ import annotations

import time

import pytest


@pytest.mark.slow
def test_400_rows_at_20_a_second_with_retry_after_2(serve, teach, orders):
    server = serve("rps=20,retry_after_s=2", count=400)
    teacher = teach(server.url, run={"concurrency": 64, "request_deadline_s": 120})
    begun = time.monotonic()
    bought = teacher.buy(orders(teacher.config, 400))
    seconds = time.monotonic() - begun
    refused = server.desk.fates["rate_limit"]
    print(f"refused per kept row {refused / 400:.3f} (aim 0.10), rate {400 / seconds:.2f}/s of 20 (aim 18)")
    assert all(c.error_kind is None for c in bought)
    assert refused / 400 <= 0.35  # the best peer's; how close to the aim depends on the machine's stalls


def test_60_rows_at_20_a_second_lose_none(serve, teach, orders):
    server = serve("rps=20,retry_after_s=0.5")
    teacher = teach(server.url, run={"concurrency": 64})
    assert all(c.error_kind is None for c in teacher.buy(orders(teacher.config, 60)))
    assert server.desk.fates["rate_limit"] <= 24

"""Buys a fixed list of rows; run as a process that a test kills. Arguments: base URL, state directory, rows."""

import sys
from pathlib import Path

from distill.records.completion import Message
from distill.records.runtime import RuntimeConfig
from distill.teachers import Order, TeacherConfig, build_requests, open_teacher

if __name__ == "__main__":
    url, state, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    config = TeacherConfig.model_validate(
        {"model": "gpt-test-2026-01-01", "base_url": url, "max_output_tokens": 8, "price": {"input": 1, "output": 4},
         "limits": {"requests_per_minute": 1_000_000, "tokens_per_minute": 10**9}}
    )  # fmt: skip
    runtime = RuntimeConfig(state_dir=state, concurrency=32)
    texts = [f"message number {i} about {('refund', 'delivery', 'repair')[i % 3]}" for i in range(count)]
    requests = build_requests([(Message("user", text),) for text in texts], config)
    with open_teacher(config, runtime) as teacher:
        bought = teacher.buy([Order(str(i), 0, request) for i, request in enumerate(requests)])
    sys.stdout.write(f"{sum(c.error_kind is None for c in bought)}\n")

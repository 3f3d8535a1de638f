"""The filter stage over many rows: its peak memory, its time, and what it does per second.

    python benchmarks/bench_engine.py                 1,000,000 rows
    python benchmarks/bench_engine.py 100000          another number

The inputs are written first, in no order; the stage then runs in a process of its own, whose peak memory is the
kernel's count: everything in it, Python and the libraries included.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]
BATCH = 10_000


def write_inputs(rows: int, folder: Path) -> None:
    """Write `rows` short examples with one answer each, as split and generate leave them."""
    from fakes import planted

    from distill.engine.parquet import write_tables
    from distill.records.tables import COMPLETIONS, EXAMPLES
    from distill.stages.heldout_traces import write_traces

    answers = [row["answer"] for row in planted.make_clean(2880, "json")]
    names = [f"{n:08}" for n in random.Random(3).sample(range(10**8), rows)]
    split, bought = folder / "split", folder / "generate"
    split.mkdir(parents=True)
    write_tables(make_examples(names), EXAMPLES, split / "train.parquet")
    write_tables([], EXAMPLES, split / "validation.parquet")
    write_tables(make_completions(names, answers), COMPLETIONS, bought / "completions.parquet")
    write_traces([" ".join(reversed(text.split())) for text in planted.make_short_texts(1000, 99)], split)
    (bought / "ledger.json").write_text('{"ledger": {"usd": 0.0}}', encoding="utf-8")


def make_examples(names: list[str]) -> Iterator[Any]:
    from fakes import planted

    from distill.records.example import Example
    from distill.stages.examples_table import make_table

    texts = planted.make_short_texts(len(names), 7)
    for start in range(0, len(names), BATCH):
        part = zip(names[start : start + BATCH], itertools.islice(texts, BATCH), strict=True)
        yield make_table([Example(name, text, {"text": text}) for name, text in part])


def make_completions(names: list[str], answers: list[str]) -> Iterator[Any]:
    import pyarrow as pa

    from distill.records.completion import Completion, Usage
    from distill.records.tables import COMPLETIONS
    from distill.stages.candidates import completion_row

    for start in range(0, len(names), BATCH):
        rows = [
            completion_row(
                Completion(
                    name, 0, f"key-{name}", answers[i % len(answers)], "stop", "m", "m", Usage(90, 0, 40), 1e-4, 1.0
                )
            )
            for i, name in enumerate(names[start : start + BATCH], start)
        ]
        yield pa.Table.from_pylist(rows, schema=COMPLETIONS)


def child(folder: Path) -> None:
    """Run the stage."""
    from bench_filters import CHEAP
    from fakes import planted

    from distill.engine.stage import Context
    from distill.filters import FilterSpec
    from distill.records.runtime import RuntimeConfig
    from distill.stages.filter import FilterStageConfig, run_filter
    from distill.stages.surroundings import Surroundings
    from distill.teachers.config import TeacherConfig

    output, work = folder / "output", folder / "work"
    output.mkdir()
    work.mkdir()
    surroundings = Surroundings(RuntimeConfig(), folder, (TeacherConfig(provider="replay", model="m"),))
    inputs = {name: folder / name for name in ("split", "generate")}
    context = Context("k" * 64, inputs, output, work, folder, surroundings, say_nothing)
    config = FilterStageConfig(planted.TASKS["json"], tuple(FilterSpec(name=name) for name in CHEAP))
    before, wall, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
    summary = run_filter(config, context)
    facts = {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "before_mb": before // 1024}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**facts, "kept": summary.rows_out, "peak_mb": peak // 1024}))


def say_nothing(done: int, total: int | None, note: str = "") -> None:
    del done, total, note


def main(words: list[str]) -> None:
    if words[:1] == ["--child"]:
        child(Path(words[1]))
        return
    from bench_filters import CHEAP, measure, show

    rows = int(words[0]) if words else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(rows, folder)
        size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6
        run = measure([sys.executable, __file__, "--child", name])
    if isinstance(run, str):
        sys.exit(run)
    show(
        f"engine: {rows:,} rows ({size:.0f} MB of Parquet) through {len(CHEAP)} filters, load {os.getloadavg()[0]:.1f}",
        ["rows/s", "rows per CPU second", "kept", "peak RSS MB", "of which before the stage"],
        [
            [
                f"{rows / run['seconds']:,.0f}",
                f"{rows / run['cpu_s']:,.0f}",
                f"{run['kept']:,}",
                run["peak_mb"],
                run["before_mb"],
            ]
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])

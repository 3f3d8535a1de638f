"""Filters against their promises: planted and real defects, speed beside peers, memory. One table each.

    python benchmarks/bench_filters.py            everything; peers (filter_peers.py) get environments of their own
    python benchmarks/bench_filters.py speed rensa   only that part: planted, real, speed, chain

A million rows in bounded memory: bench_engine.py.
Each measurement of speed runs in a process of its own, whose peak memory is the kernel's count.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filter_peers import PEERS, install, program_of

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
THRESHOLD = 0.8
CHEAP = (
    "parseable",
    "schema_valid",
    "finished",
    "truncated",
    "error_text",
    "not_refusal",
    "hedge",
    "empty",
    "length",
    "repetition",
    "pii",
    "confidence",
    "generation",
    "exact_duplicate",
    "near_duplicate",
    "contamination",
)


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def now_kb() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 1024


def show(title: str, header: list[str], rows: list[list[object]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)


def run_planted(rows: int = 20_000) -> None:
    from fakes import planted, planted_models

    told = ("not_refusal", "hedge", "error_text", "repetition", "pii")
    table = [
        [
            f"`{found.filter}`",
            found.planted,
            f"{found.recall:.3f}",
            f"{100 * found.false_drops:.3f}%",
            f"{100 * planted.measure_messages(found.filter):.2f}%" if found.filter in told else "",
            found.note,
        ]
        for found in [*planted.measure_all(rows), planted_models.measure_judge(), planted_models.measure_meanings()]
    ]
    table += [[f"`{name}`", "", "", "", "", why] for name, why in planted_models.ELSEWHERE.items()]
    show(
        f"planted: {rows:,} clean rows, 1% of each defect",
        ["filter", "planted", "recall", "clean rows dropped", "customers' own words dropped", ""],
        table,
    )


def run_real() -> None:
    from fakes.real_answers import filter_model, list_unknown_labels

    shared = ROOT.parent / "shared" / "data"
    if not shared.is_dir():
        print("real: skipped, shared/data is not beside this checkout")
        return
    table: list[list[object]] = []
    for model in ("gpt-4o", "arctic"):
        for more in ((), ("answer_agrees",)):
            rows, right, kept, kept_right = filter_model(shared, model, *more)
            table.append(
                [
                    model,
                    "with gold" if more else "without",
                    rows,
                    right,
                    kept,
                    f"{kept_right} ({kept_right / right:.1%})",
                ]
            )
    show("real: finRAG", ["model", "gold", "answers", "right", "kept", "right ones kept"], table)
    dropped, wrong = list_unknown_labels(shared)
    print(
        f"\nbanking77, 500 answers: {dropped.total()} outside the 77 labels in {len(dropped)} spellings; "
        f"a plain look-up finds the same: {wrong == dropped}"
    )
    print(", ".join(f"`{label}` {count}" for label, count in dropped.most_common()))


def make_texts_file(rows: int, folder: Path) -> Path:
    from fakes.planted import make_short_texts

    path = folder / f"texts-{rows}.json"
    if not path.is_file():
        path.write_text(json.dumps(list(make_short_texts(rows, 7))), encoding="utf-8")
    return path


def child_dedup(path: str) -> None:
    """Ours: the filter's own road from texts to verified drops."""
    from distill.filters.copies import find_copies
    from distill.similarity import near_duplicate_pairs

    near_duplicate_pairs(["warm up the code", "of numpy and the regular expressions"], THRESHOLD)
    texts = json.loads(Path(path).read_text(encoding="utf-8"))
    before, started, cpu = now_kb(), time.perf_counter(), time.process_time()
    copies = find_copies(near_duplicate_pairs(texts, THRESHOLD))
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    facts = {"rows": len(texts), "seconds": seconds, "cpu_s": cpu_s, "kept": len(texts) - len(copies)}
    print(json.dumps({**facts, "grown_kb": peak_kb() - before}))


def run_speed(names: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = {name: install(name) for name in names}
        for rows in (20_000, 100_000):
            path = make_texts_file(rows, folder)
            size = sum(len(text.encode()) for text in json.loads(path.read_text(encoding="utf-8")))
            runs: dict[str, dict[str, Any] | str] = {
                "distill": measure([sys.executable, __file__, "--child-dedup", str(path)])
            }
            for peer, python in peers.items():
                skipped = python.startswith("skipped")
                runs[peer] = python if skipped else measure([python, "-c", program_of(peer), str(path)])
            table = [[who, *describe(run, size)] for who, run in runs.items()]
            load = f"load {os.getloadavg()[0]:.1f}"
            show(
                f"speed: near duplicates, {rows:,} rows, {size / rows:.0f} bytes a row, {load}",
                ["who", "rows/s", "rows per CPU second", "kept", "bytes of memory per input byte"],
                table,
            )


def describe(run: dict[str, Any] | str, size: int) -> list[object]:
    if isinstance(run, str):
        return [run, "", "", ""]
    rates = [f"{run['rows'] / run['seconds']:,.0f}", f"{run['rows'] / run['cpu_s']:,.0f}"]
    return [*rates, f"{run['kept']:,}", f"{run['grown_kb'] * 1024 / size:.1f}"]


def measure(command: list[str]) -> dict[str, Any] | str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800, check=False)
    if done.returncode:
        return f"skipped: {done.stderr.strip().splitlines()[-1:] or done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def answer_anew(answer: str, number: int) -> dict[str, str]:
    """Return an answer that no other row has: the recorded one with an order number of its own."""
    from distill.records.json import dump_canonical

    value = {**json.loads(answer), "order_number": f"{number % 10**6:06}"}
    canonical = dump_canonical(value)
    return {"answer": json.dumps(value, ensure_ascii=False), "value_json": canonical, "target": canonical}


def child_chain(rows: int) -> None:
    """The whole cheap chain over rows made batch by batch, on one core."""
    import pyarrow as pa
    from fakes import planted

    from distill.filters import FilterSpec, Heldout, hash_runs, run_chain
    from distill.records.tables import CANDIDATES

    pool = planted.make_clean(2880, "json")
    texts = planted.make_short_texts(rows, 7)
    batches: list[pa.Table] = []
    for start in range(0, rows, 10_000):
        part = [
            {**pool[i % len(pool)], **answer_anew(pool[i % len(pool)]["answer"], i), "id": f"{i:08}", "text": text}
            for i, text in enumerate(itertools.islice(texts, 10_000), start)
        ]
        batches.append(pa.Table.from_pylist(part, schema=CANDIDATES))
    table = pa.concat_tables(batches)
    specs = [FilterSpec(name=name) for name in CHEAP]
    sealed = (" ".join(reversed(text.split())) for text in planted.make_short_texts(1000, 99))
    context = planted.make_context(planted.TASKS["json"], Heldout(frozenset(hash_runs(*sealed))))
    before = now_kb()
    wall, cpu = time.perf_counter(), time.process_time()
    result = run_chain(table, specs, context)
    facts = {"rows": rows, "seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    by_filter = {s.filter: round(t, 2) for s, t in zip(result.funnel, result.seconds, strict=True)}
    facts |= {"kept": result.kept.num_rows, "grown_kb": peak_kb() - before, "peak_mb": peak_kb() // 1024}
    print(json.dumps({**facts, "by_filter": by_filter}))


def run_chain_speed(rows: int, title: str) -> None:
    run = measure([sys.executable, __file__, "--child-chain", str(rows)])
    if isinstance(run, str):
        print(f"\n{title}: {run}")
        return
    show(
        f"{title}: {rows:,} rows through {len(CHEAP)} filters, load {os.getloadavg()[0]:.1f}",
        ["rows/s", "rows per CPU second", "kept", "peak RSS MB"],
        [[f"{rows / run['seconds']:,.0f}", f"{rows / run['cpu_s']:,.0f}", f"{run['kept']:,}", run["peak_mb"]]],
    )
    slowest = sorted(run["by_filter"].items(), key=lambda item: -item[1])
    print("\nseconds by filter: " + ", ".join(f"{name} {seconds}" for name, seconds in slowest))


def main(words: list[str]) -> None:
    if words[:1] == ["--child-dedup"]:
        child_dedup(words[1])
        return
    if words[:1] == ["--child-chain"]:
        child_chain(int(words[1]))
        return
    wanted = words or ["planted", "real", "speed", "chain"]
    parts = {
        "planted": run_planted,
        "real": run_real,
        "speed": lambda: run_speed([name for name in PEERS if name in words] or PEERS),
        "chain": lambda: run_chain_speed(100_000, "chain"),
    }
    for part in (word for word in wanted if word not in PEERS):
        parts[part]()


if __name__ == "__main__":
    main(sys.argv[1:])

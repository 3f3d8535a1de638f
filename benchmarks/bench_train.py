"""Training speed and the head loss's memory against peers: one interleaved run, one thread, CPU-seconds.

Makes a virtual environment for the peers (same torch and transformers), outside ours. `--rounds`, `--rows` size it,
`--skip-kernel` leaves the large vocabulary out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("dense", "ours", "bare", "grouped", "padded", "trl", "trl_packed")
TITLES = {
    "ours": "distill",
    "bare": "bare loop, our batches and loss",
    "dense": "HF Trainer, our dense batches",
    "grouped": "HF Trainer, grouped by length, 32 rows",
    "padded": "HF Trainer, padded, 32 rows",
    "trl": "TRL SFTTrainer, its defaults",
    "trl_packed": "TRL SFTTrainer, packed",
}


def make_peer_venv(directory: Path) -> Path:
    """Return the python of an environment with TRL and our versions of torch and transformers."""
    python = directory / "bin" / "python"
    if (
        subprocess.run([python, "-c", "import trl"], capture_output=True, check=False).returncode
        if python.exists()
        else 1
    ):
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        same = [f"{name}=={version(name)}" for name in ("torch", "transformers", "peft", "accelerate", "datasets")]
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-c", HERE.parent / "constraints.txt", *same, "trl"], check=True
        )
    return python


class Contestant:
    """A process that trains one pass when told to."""

    def __init__(self, name: str, python: Path, rows: int) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), "BENCH_ROWS": str(rows)}
        command = [python, HERE / "train_contestant.py", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.loss = self._read()["loss"]
        self.rates: list[float] = []

    def run(self) -> None:
        """Train one pass and note tokens per CPU-second."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        made = self._read()
        self.rates.append(made["tokens"] / made["cpu_s"])

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> dict:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"contestant ended: {self.process.args}")


def race(rounds: int, rows: int, venv: Path) -> None:
    """Run all contestants in turn, and print their speed over that of dense batches."""
    peers = make_peer_venv(venv)
    contestants = {n: Contestant(n, peers if n.startswith("trl") else Path(sys.executable), rows) for n in NAMES}
    for turn in range(rounds + 1):
        for name, contestant in contestants.items():
            contestant.run()
            print(f"round {turn} {name}: {contestant.rates[-1]:,.0f} tokens/CPU-s", file=sys.stderr, flush=True)
    print("\n| contestant | tokens/CPU-s | of dense | loss of one batch |\n|---|--:|--:|--:|")
    base = contestants["dense"].rates[1:]
    for name, contestant in contestants.items():
        rate = statistics.median(contestant.rates[1:])
        ratio = statistics.median(a / b for a, b in zip(contestant.rates[1:], base, strict=True))
        print(f"| {TITLES[name]} | {rate:,.0f} | {ratio:.2f} | {contestant.loss:.6f} |")
        contestant.close()


def measure_kernel(positions: int, vocabulary: int, hidden: int, known: int, rounds: int) -> None:
    """Print the head loss's time over two matrix products, and its memory above weights and inputs."""
    import torch

    from distill.students.head_loss import chunk_rows, sum_head_loss
    from distill.students.sparse_targets import SparseTargets, add_tail, hard_targets

    torch.set_num_threads(1)
    hidden_NH = torch.randn(positions, hidden).requires_grad_()
    head = torch.nn.Linear(hidden, vocabulary, bias=False).requires_grad_(False)
    ids_NK, q_NK = torch.randint(0, vocabulary, (positions, known)), torch.rand(positions, known)
    q_NB, ones_N = add_tail(0.95 * q_NK / q_NK.sum(-1, keepdim=True)), torch.ones(positions)
    step = chunk_rows(vocabulary, 1)

    def floor() -> None:
        buffer, out = torch.empty(step, vocabulary), torch.empty(positions, hidden)
        with torch.no_grad():
            for start in range(0, positions, step):
                at = slice(start, start + step)
                part = torch.mm(hidden_NH[at], head.weight.t(), out=buffer[: len(hidden_NH[at])])
                torch.mm(part, head.weight, out=out[at])

    tasks = {
        "KD": lambda: sum_head_loss(hidden_NH, head, SparseTargets(ids_NK, q_NB, ones_N, ones_N, 2.0)).backward(),
        "SFT": lambda: sum_head_loss(hidden_NH, head, hard_targets(ids_NK[:, 0], ones_N)).backward(),
        "floor": floor,
    }
    hidden_NH.grad = torch.zeros_like(hidden_NH)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    memory = 0.0
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            seconds[name].append(time.process_time() - start)
            if name == "KD" and not memory:
                memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    kd, sft, gemm = (sum(seconds[name]) for name in ("KD", "SFT", "floor"))
    print(f"\nhead loss, {positions:,} positions, V={vocabulary:,}, H={hidden}, K={known}, fp32, {rounds} round(s):")
    print(f"memory above weights and inputs {memory:.0f} MB; KD {kd:.1f} CPU-s = {kd / gemm:.3f} of two products")
    print(f"KD over SFT {kd / sft:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--venv", type=Path, default=HERE / ".peers")
    parser.add_argument("--skip-kernel", action="store_true")
    parser.add_argument("--skip-race", action="store_true")
    given = parser.parse_args()
    if not given.skip_kernel:
        measure_kernel(4096, 151_936, 896, 20, 1)
    if not given.skip_race:
        race(given.rounds, given.rows, given.venv)


if __name__ == "__main__":
    main()

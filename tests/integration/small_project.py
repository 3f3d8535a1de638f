"""The real pipeline on 150 tickets, through the command line, as a user runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from distill.teachers.config import TeacherConfig

ROOT = Path(__file__).resolve().parents[2]
TIMED = {"latency_ms", "cost_usd"}
"""Columns that hold measured time, or money that follows from it."""
KEY = "sk-integration-0123456789abcdefghijklmnop"


@dataclass
class Project:
    """A directory with a config, its data, and what runs leave there."""

    directory: Path
    config: dict = field(default_factory=dict)

    def write(self) -> None:
        (self.directory / "small.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "distill", *arguments],
            cwd=self.directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *arguments: str) -> tuple[int, str, str]:
        child = self.start(*arguments)
        out, err = child.communicate(timeout=240)
        return child.returncode, out, err

    def answers_bought(self) -> int:
        _, out, _ = self.call("journal", "stats", "small.yaml", "--json")
        return json.loads(out)["answered"]

    def table(self, stage: str, name: str) -> bytes:
        (path,) = (self.directory / ".distill" / "artifacts" / stage).glob(f"*/{name}.parquet")
        return path.read_bytes()


def make_project(directory: Path, **teacher: object) -> Project:
    directory.mkdir(parents=True, exist_ok=True)
    tickets = ROOT / "examples" / "tickets"
    lines = (tickets / "heldout.jsonl").read_text(encoding="utf-8").splitlines()[:150]
    (directory / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
    config["name"] = "small"
    config["task"]["labels"] = (tickets / "labels.txt").read_text(encoding="utf-8").split()
    config["data"] |= {"source": "rows.jsonl", "heldout": {"size": 40}}
    config["teacher"] |= {"knowledge": ["rows.jsonl"], **teacher}
    config["student"] |= {"base": {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 512}}
    project = Project(directory, config)
    project.write()
    return project


def teacher_of_small() -> TeacherConfig:
    return TeacherConfig(model="tickets-recorded-answers", knowledge_answer="intent")


def point_at(project: Project, url: str) -> None:
    """Have the project buy from a server of the test's own."""
    project.config["teacher"] |= {"provider": "openai", "base_url": url, "knowledge": []}
    project.config["runtime"] = {"concurrency": 8, "request_deadline_s": 20}
    project.write()


def results_of(project: Project) -> dict[str, str]:
    """Digest every table (without what is timed) and all weights, by stage and file name."""
    found: dict[str, str] = {}
    artifacts = project.directory / ".distill" / "artifacts"
    for path in sorted(artifacts.rglob("*")):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            rows = table.drop_columns([c for c in table.column_names if c in TIMED]).to_pylist()
            found[_name(path.relative_to(artifacts))] = hashlib.sha256(repr(rows).encode()).hexdigest()
        elif path.suffix == ".safetensors":
            found[_name(path.relative_to(artifacts))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _name(path: Path) -> str:
    stage, _key, *rest = path.parts
    return "/".join((stage, *rest))

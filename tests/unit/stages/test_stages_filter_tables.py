"""The filter stage's tables: what they hold was pinned when every row was still one Python dict in one list."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fakes.filter_run import run

from distill.engine.shards import DiskShards
from distill.stages.candidate_shards import write_candidates

PINNED = "f59979fda4d0509645bc560b8f92063251af53b2b20e72019b907496700a491f"


def digest(output: Path) -> str:
    """Digest what the artifact says, not how this pyarrow writes it."""
    found = hashlib.sha256()
    for name in ("kept", "rejected"):
        for row in pq.read_table(output / f"{name}.parquet").to_pylist():
            found.update(json.dumps(row, default=str, sort_keys=True).encode())
    found.update((output / "funnel.json").read_bytes())
    return found.hexdigest()


def test_kept_rejected_and_funnel_are_what_they_always_were(tmp_path: Path) -> None:
    summary, output = run(tmp_path)
    assert (summary.rows_in, summary.rows_out) == (1800, 852)
    assert digest(output) == PINNED


def test_small_shards_and_buckets_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "small").mkdir()
    _, large = run(tmp_path / "large")
    monkeypatch.setattr(DiskShards.__init__, "__defaults__", (97,))
    monkeypatch.setattr(write_candidates, "__defaults__", (130,))
    _, small = run(tmp_path / "small")
    assert len(list((tmp_path / "small" / "work" / "candidates" / "rows").iterdir())) > 1800 / 97
    for name in ("kept.parquet", "rejected.parquet", "funnel.json"):
        assert (small / name).read_bytes() == (large / name).read_bytes()

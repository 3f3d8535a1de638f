"""The chain on a real Ray of this machine: the same bytes as here, also when a worker is killed on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import filter_run, planted

from distill.engine.shards import DiskShards
from distill.errors import UsageError
from distill.filters import FilterSpec, Judged, judge_locally
from distill.records.tables import CANDIDATES
from distill.similarity import LOCAL, encode
from distill.stages import ray_engine, ray_joiner
from distill.stages.chain_context import make_context
from distill.stages.ray_engine import JudgeShard, RayJudge, open_ray
from distill.stages.ray_joiner import Keyed, RayJoiner, Shared, key_range

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]
TASK = planted.TASKS["json"]
SPECS = [FilterSpec(name=name) for name in ("parseable", "error_text", "not_refusal")]
MARKER = "DISTILL_TEST_MARKER"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Ray for all tests; what a test finds in MARKER's directory, its workers find too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_gcs_server_request_timeout_seconds", "120")
        patch.setenv(MARKER, str(tmp_path_factory.mktemp("marker")))
        patch.delenv("RAY_ADDRESS", raising=False)
        with open_ray() as module:
            module.cloudpickle.register_pickle_by_value(__import__(__name__))
            yield module


def make_shards(folder: Path) -> DiskShards:
    task = planted.make_task(TASK)
    rows = planted.make_clean(400, "json")
    for place in range(0, 400, 9):
        rows[place] = planted.finish({**rows[place], "answer": planted.ERRORS[place % 20]}, task)
    shards = DiskShards(folder, CANDIDATES, shard_rows=50)
    shards.extend([pa.Table.from_pylist(rows, schema=CANDIDATES)])
    shards.keep(2, np.arange(50) % 3 > 0)
    return shards


def judge_there(module: Any, shards: DiskShards) -> list[Judged]:
    context = make_context(TASK)
    return list(RayJudge(module, TASK, module.put(context.heldout))(shards, SPECS, context))


def marks(judged: list[Judged]) -> list[object]:
    return [(one.rows, one.marks, one.notes, one.usd) for one in judged]


def die_once(what: str) -> None:
    """Kill the worker that this runs in, the first time."""
    marker = Path(os.environ[MARKER]) / what
    if not marker.exists():
        marker.write_text(str(os.getpid()), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


class DyingJudge(JudgeShard):
    """Its worker is killed when it has judged the fourth shard, before it can say so."""

    def _judge(self, item: dict[str, Any]) -> Judged:
        judged = JudgeShard._judge(self, item)
        if item["number"] == 3:
            die_once("judge")
        return judged


def dying_key_range(shared: Shared, start: int, stop: int, threshold: float, parts: int) -> list[Keyed]:
    if start:
        die_once("keys")
    return key_range(shared, start, stop, threshold, parts)


def test_tables_are_the_same_bytes_here_and_on_ray(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskShards.__init__, "__defaults__", (300,))
    monkeypatch.setattr(RayJoiner.__new__, "__defaults__", (100, 150))
    outputs: list[Path] = []
    for engine in ("local", "ray"):
        (tmp_path / engine).mkdir()
        outputs.append(filter_run.run(tmp_path / engine, engine)[1])
    for name in ("kept.parquet", "rejected.parquet", "funnel.json"):
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()
    assert sum(step["rows_in"] > step["rows_out"] for step in json.loads((outputs[1] / "funnel.json").read_text())) > 6


def test_a_worker_killed_while_it_judges_costs_its_shard_not_the_job(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = make_shards(tmp_path / "shards")
    monkeypatch.setattr(ray_engine, "JudgeShard", DyingJudge)
    found = judge_there(cluster, shards)
    assert (Path(os.environ[MARKER]) / "judge").exists()
    assert marks(found) == marks(list(judge_locally(shards, SPECS, make_context(TASK))))
    assert sum(len(one.marks) for one in found) >= 40


def test_a_worker_killed_in_the_shuffle_costs_its_part_not_the_join(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_joiner, "key_range", dying_key_range)
    sets = encode(
        [f"{a} {b} {c} words that all rows share with all others" for a in "abcdef" for b in "ghijk" for c in "lmn"]
    )
    found = RayJoiner(cluster, 50, 40).join(sets, 0.7, None)
    assert (Path(os.environ[MARKER]) / "keys").exists()
    here = LOCAL.join(sets, 0.7, None)
    assert len(here.left) > 20
    assert all(np.array_equal(one, other) for one, other in zip(found, here, strict=True))


def test_a_shard_that_a_worker_cannot_read_is_told_in_one_line(cluster: Any, tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "shards")
    shards.parts[1].path.unlink()
    with pytest.raises(UsageError, match="on a disk that all machines of the cluster see"):
        judge_there(cluster, shards)


def test_a_ray_that_this_process_is_connected_to_is_used_and_left_running(cluster: Any) -> None:
    before = cluster.get_runtime_context().get_job_id()
    with open_ray() as again:
        assert again.get_runtime_context().get_job_id() == before
    assert cluster.is_initialized()


def test_a_ray_of_our_own_listens_on_loopback_alone(cluster: Any) -> None:
    assert {node["NodeManagerAddress"] for node in cluster.nodes()} == {"127.0.0.1"}

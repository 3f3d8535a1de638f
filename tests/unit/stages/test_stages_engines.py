"""Which engine a chain runs on: Ray only when it is asked for, and one clear line when it is not to be had."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
from fakes import planted
from fakes.free_port import find_port

from distill.app.outlook import name_engine
from distill.config import checks, load_config
from distill.engine.shards import MemoryShards
from distill.errors import ConfigError, MissingExtraError, UsageError
from distill.filters import FilterSpec, Heldout, judge_batch
from distill.filters.batch import judge_locally
from distill.records.runtime import RuntimeConfig
from distill.records.tables import CANDIDATES
from distill.stages.chain_context import make_context
from distill.stages.engines import open_engine
from distill.stages.ray_engine import RayJudge, _dump, _load

TASK = planted.TASKS["json"]


def test_ray_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, distill.cli, distill.app.composition, distill.stages.filter as f; "
        "engine = f.open_engine('local', None, None).__enter__(); "
        "assert engine.joiner; assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_ray_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"distill\[ray\]"), open_engine("ray", TASK, Heldout()):
        pass


def test_a_missing_ray_is_found_when_the_config_is_read(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        load_config(repo_root / "configs" / "tiny.yaml", ["runtime.engine=ray"], {})
    assert [(problem.path, "distill[ray]" in problem.message) for problem in caught.value.problems] == [
        ("runtime.engine", True)
    ]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{find_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read once, and other tests of this process need it
    with pytest.raises(UsageError, match=f"Ray at '{address}' failed"), open_engine("ray", TASK, Heldout()):
        pass


@pytest.mark.parametrize(
    ("engine", "env", "words"),
    [
        ("local", {"RAY_ADDRESS": "head:6379"}, "in this process"),
        ("ray", {"RAY_ADDRESS": "head:6379"}, "on Ray at head:6379"),
        ("ray", {}, "on a Ray of this machine"),
    ],
)
def test_the_plan_names_the_engine(engine: str, env: dict[str, str], words: str) -> None:
    assert words in name_engine(RuntimeConfig.model_validate({"engine": engine}), env)


def test_what_a_worker_found_survives_the_way_back() -> None:
    rows = [
        planted.finish({"id": "a", "text": "t", "answer": text}, planted.make_task(TASK)) for text in ("\ud800 {", "{}")
    ]
    rows[0]["answer"] = "jo@example.org"
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    specs = [FilterSpec.model_validate({"pii": {"action": "mask"}}), FilterSpec(name="parseable")]
    judged = judge_batch(table, specs, make_context(TASK))
    assert judged.marks
    assert _load(_dump(judged)) == judged


def test_rows_in_memory_are_not_for_workers() -> None:
    shards = MemoryShards(CANDIDATES.empty_table())
    with pytest.raises(TypeError, match="files"):
        list(RayJudge(None, TASK, None)(shards, [], make_context(TASK)))
    assert [one.rows for one in judge_locally(shards, [], make_context(TASK))] == [0]

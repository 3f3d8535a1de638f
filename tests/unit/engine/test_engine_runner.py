from __future__ import annotations

import errno
import json
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from distill.engine.interrupts import catch
from distill.engine.runner import StageEvent, forecast, run_plan
from distill.engine.stage import Context, Input, Node, Plan, Stage, Summary
from distill.engine.store import Store, translate_os_errors
from distill.errors import InterruptedRunError, StoreError, UsageError


@dataclass(frozen=True)
class Number:
    value: int


class Recorder:
    """Counts what ran; `fail` makes a stage raise half-way, `during` is called after a step."""

    def __init__(self, steps: int = 1) -> None:
        self.ran: list[str] = []
        self.fail: dict[str, BaseException] = {}
        self.during: dict[str, Callable[[], None]] = {}
        self.steps = steps

    def stage(self, name: str, version: int = 1) -> Stage:
        def run(config: Any, context: Context) -> Summary:
            self.ran.append(name)
            read = [(path / "n.txt").read_text() for path in context.inputs.values()]
            (context.output_dir / "n.txt").write_text("+".join([*read, str(config.value)]))
            if name in self.fail:
                raise self.fail.pop(name)
            for step in range(self.steps):
                context.progress(step + 1, self.steps)
                self.during.get(name, lambda: None)()
            return Summary(rows_in=1, rows_out=1)

        return Stage(name, version, run)

    def plan(self, first: int = 1, second: int = 2, version: int = 1) -> Plan:
        one = Node(self.stage("one"), Number(first), {}, {})
        two = Node(self.stage("two", version), Number(second), {"part": 1}, {"up": Input("one")})
        return Plan((one, two))


def run(plan: Plan, store: Store, **more: Any) -> list[str]:
    results = run_plan(plan, store, None, listener=lambda _: None, previous=more.pop("previous", {}), **more)
    return [result.status for result in results]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_second_run_does_nothing(store: Store) -> None:
    recorder = Recorder()
    assert run(recorder.plan(), store) == ["ran", "ran"]
    assert run(recorder.plan(), store) == ["cached", "cached"]
    assert recorder.ran == ["one", "two"]


def test_changed_config_runs_from_there_on(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    assert run(recorder.plan(second=3), store) == ["cached", "ran"]
    assert run(recorder.plan(first=9), store) == ["ran", "ran"]


def test_forecast_names_the_changed_field_and_the_stale_upstream(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    previous = recorder.plan().keys
    lines = forecast(recorder.plan(first=5, version=2), store, previous)
    assert [line.status for line in lines] == ["will run", "will run"]
    assert lines[0].why == ("value: 1 -> 5",)
    assert lines[1].why == ("stage version: 1 -> 2", "one will run")
    assert forecast(recorder.plan(), store, {})[0].status == "cached"
    assert recorder.ran == ["one", "two"]


def test_never_ran_is_said(store: Store) -> None:
    assert forecast(Recorder().plan(), store, {})[0].why == ("never ran",)


def test_a_failed_stage_leaves_no_artifact_and_the_next_run_finishes(store: Store) -> None:
    recorder = Recorder()
    recorder.fail["two"] = RuntimeError("boom")
    with pytest.raises(RuntimeError):
        run(recorder.plan(), store)
    assert not store.is_whole("two", recorder.plan().keys["two"])
    assert run(recorder.plan(), store) == ["cached", "ran"]


def test_ctrl_c_becomes_a_resumable_interruption(store: Store) -> None:
    recorder = Recorder()
    recorder.fail["one"] = KeyboardInterrupt()
    with pytest.raises(InterruptedRunError, match="resume"):
        run(recorder.plan(), store)


def _swallow_an_interrupt() -> None:
    with suppress(BaseException):  # as libraries do around an optional import
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_a_library_swallows_stops_the_run_before_the_next_stage(store: Store) -> None:
    recorder = Recorder()
    recorder.during["one"] = _swallow_an_interrupt
    with catch(), pytest.raises(KeyboardInterrupt):
        run(recorder.plan(), store)
    assert recorder.ran == ["one"]
    assert run(recorder.plan(), store) == ["cached", "ran"]


def test_an_interrupt_that_a_library_swallows_stops_a_long_stage_at_its_next_step(store: Store) -> None:
    recorder = Recorder(steps=2)
    recorder.during["one"] = _swallow_an_interrupt
    with catch(), pytest.raises(InterruptedRunError, match="interrupted in one"):
        run(recorder.plan(), store)
    assert not store.is_whole("one", recorder.plan().keys["one"])


def test_a_changed_artifact_is_refused_by_name(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    directory = store.directory("one", recorder.plan().keys["one"])
    (directory / "n.txt").write_text("other")
    with pytest.raises(StoreError, match=r"damaged \(n\.txt\)"):
        run(recorder.plan(second=4), Store(store.root))


def test_an_added_file_is_refused_too(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    directory = store.directory("one", recorder.plan().keys["one"])
    (directory / "extra.txt").write_text("x")
    with pytest.raises(StoreError, match=r"extra\.txt"):
        run(recorder.plan(second=4), Store(store.root))


def test_from_makes_anew_from_that_stage_on(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    assert run(recorder.plan(), store, rerun_from="two") == ["cached", "ran"]
    assert run(recorder.plan(), store, rerun_from="one") == ["ran", "ran"]


def test_half_written_artifact_is_not_whole(store: Store) -> None:
    recorder = Recorder()
    key = recorder.plan().keys["one"]
    directory = store.directory("one", key)
    directory.mkdir(parents=True)
    (directory / "n.txt").write_text("half")
    assert run(recorder.plan(), store) == ["ran", "ran"]
    assert (directory / "n.txt").read_text() == "1"


def test_damaged_record_says_what_to_do(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    key = recorder.plan().keys["one"]
    (store.directory("one", key) / "record.json").write_text("{")
    with pytest.raises(StoreError, match="delete its directory"):
        run(recorder.plan(), store)


def test_work_directory_survives_a_crash_of_the_same_key(store: Store) -> None:
    seen: list[list[str]] = []

    def stage(config: Any, context: Context) -> Summary:
        seen.append(sorted(path.name for path in context.work_dir.iterdir()))
        (context.work_dir / "checkpoint").write_text("1")
        if len(seen) == 1:
            raise RuntimeError("crash")
        return Summary()

    plan = Plan((Node(Stage("s", 1, stage), Number(1), {}, {}),))
    with pytest.raises(RuntimeError):
        run(plan, store)
    run(plan, store)
    assert seen == [[], ["checkpoint"]]


def test_record_holds_identity_and_digests(store: Store) -> None:
    recorder = Recorder()
    run(recorder.plan(), store)
    plan = recorder.plan()
    record = json.loads((store.directory("two", plan.keys["two"]) / "record.json").read_text())
    assert record["upstream"] == {"up": plan.keys["one"]}
    assert record["config"] == {"value": 2}
    assert list(record["files"]) == ["n.txt"]
    assert record["versions"]["python"]


def test_events_tell_start_progress_and_end(store: Store) -> None:
    events: list[StageEvent] = []
    run_plan(Recorder().plan(), store, None, listener=events.append, previous={})
    assert [event.kind for event in events] == ["started", "progress", "finished"] * 2


def test_an_upstream_stage_that_is_read_twice_is_named_once(store: Store) -> None:
    recorder = Recorder()
    one = Node(recorder.stage("one"), Number(1), {}, {})
    two = Node(recorder.stage("two"), Number(2), {}, {"a": Input("one"), "b": Input("one")})
    assert forecast(Plan((one, two)), store, {})[1].why == ("one will run",)


def test_plan_refuses_a_reader_before_its_input() -> None:
    with pytest.raises(UsageError, match="too early"):
        Plan((Node(Recorder().stage("a"), Number(1), {}, {"up": Input("b")}),))


def test_unknown_stage_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="one, two"):
        Recorder().plan().until("three")


def test_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no space left"), translate_os_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

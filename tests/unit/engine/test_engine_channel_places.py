"""Canaries in a history, and histories at other places: a shared directory, a URL."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from distill.engine.channels import Channels, Depot
from distill.errors import PromotionRefusedError, StoreError, UsageError


@pytest.fixture(params=["directory", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    places = {"directory": tmp_path, "file": f"file://{tmp_path}", "memory": f"memory://{uuid4().hex}"}
    return places[request.param]


def add(channels: Channels, target: str, action: str = "promote", expected: int | None = None) -> None:
    head = channels.state("production").head if expected is None else expected
    channels.move("production", target, expected_version=head, who="ada", why="x", action=action)  # type: ignore[arg-type]


def test_a_history_reads_the_same_at_every_place(place: Path | str) -> None:
    channels = Channels(place)
    assert channels.names() == []
    add(channels, "a")
    add(channels, "b")
    again = Channels(place)
    assert [entry.target for entry in again.history("production")] == ["a", "b"]
    assert again.names() == ["production"]
    assert again.verify("production") == (2, False, ())


def test_a_late_writer_is_refused_at_every_place(place: Path | str) -> None:
    first, second = Channels(place), Channels(place)
    add(first, "a", expected=0)
    with pytest.raises(PromotionRefusedError):
        add(second, "b", expected=0)
    assert first.state("production").head == 1


def test_of_many_writers_to_a_url_one_wins() -> None:
    place, wins = f"memory://{uuid4().hex}", []

    def write(number: int) -> None:
        try:
            add(Channels(place), f"t{number}", expected=0)
        except PromotionRefusedError:
            return
        wins.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entry = Channels(place).read("production")
    assert entry is not None
    assert entry.target in {f"t{number}" for number in wins}
    assert Channels(place).verify("production").is_sound


def test_a_changed_object_breaks_the_chain() -> None:
    import fsspec

    place = f"memory://{uuid4().hex}"
    add(Channels(place), "a")
    fs, root = fsspec.url_to_fs(place)
    path = f"{root}/channels/production/00000001.json"
    fs.pipe_file(path, fs.cat_file(path).replace(b'"a"', b'"b"'))
    assert not Channels(place).verify("production").is_sound


def test_an_unknown_kind_of_store_is_said() -> None:
    with pytest.raises(StoreError, match="nosuchstore"):
        Channels("nosuchstore://x")


def test_a_canary_changes_nothing_that_is_served(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    add(channels, "a")
    add(channels, "b", "canary")
    state = channels.state("production")
    assert (state.head, state.serving.target, state.canary.target) == (2, "a", "b")  # type: ignore[union-attr]
    assert channels.read("production") == state.serving


def test_a_canary_ends_by_a_withdrawal_or_a_promotion(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    add(channels, "a")
    for end, served in (("withdraw", "a"), ("promote", "b")):
        add(channels, "b", "canary")
        add(channels, served, end)
        state = channels.state("production")
        assert (state.canary, state.serving.target) == (None, served)  # type: ignore[union-attr]


def test_a_rollback_first_ends_the_canary(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    for target, action in (("a", "promote"), ("b", "promote"), ("c", "canary")):
        add(channels, target, action)
    ended = channels.rollback("production", who="ada", why="errors")
    assert (ended.action, ended.target, ended.restores) == ("withdraw", "b", 3)
    assert channels.rollback("production", who="ada", why="more").target == "a"


def test_a_canary_needs_one_version_beside_it(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    with pytest.raises(UsageError, match="serves nothing yet"):
        add(channels, "a", "canary")
    add(channels, "a")
    add(channels, "b", "canary")
    with pytest.raises(UsageError, match="has a canary already"):
        add(channels, "c", "canary")


def test_a_canary_is_no_version_to_roll_back_to(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    for target, action in (("a", "promote"), ("b", "canary"), ("a", "withdraw"), ("c", "promote")):
        add(channels, target, action)
    with pytest.raises(UsageError, match="never served whole"):
        channels.rollback("production", 2, who="ada", why="x")
    assert channels.rollback("production", who="ada", why="x").target == "a"


def test_the_documented_recipe_checks_a_chain(tmp_path: Path) -> None:
    channels = Channels(tmp_path)
    add(channels, "zürich")
    add(channels, "b")
    previous = "0" * 64
    for number, line in enumerate((tmp_path / "channels/production.jsonl").read_text("utf-8").splitlines(), 1):
        body = json.loads(line)
        stated = body.pop("hash")
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert stated == hashlib.sha256(text.encode()).hexdigest()
        assert (body["version"], body["previous"], body["schema"]) == (number, previous, 1)
        previous = stated


def make_student(directory: Path, text: str = "weights") -> Path:
    (directory / "base").mkdir(parents=True)
    (directory / "distill.json").write_text("{}")
    (directory / "base" / "weights").write_text(text)
    return directory


@pytest.mark.parametrize("kind", ["shared", "memory"])
def test_a_student_travels_with_its_channel(kind: str, tmp_path: Path) -> None:
    place: Path | str = tmp_path / "shared" if kind == "shared" else f"memory://{uuid4().hex}"
    student = make_student(tmp_path / "here" / "student")
    target = Depot(place, tmp_path / "here").publish(student)
    assert Depot(place, tmp_path / "here").publish(student) == target
    there = Depot(place, tmp_path / "there").fetch(target)
    assert (there / "base" / "weights").read_text() == "weights"


def test_at_the_state_directory_nothing_is_copied(tmp_path: Path) -> None:
    student = make_student(tmp_path / "artifacts" / "evaluate" / "k" / "student")
    depot = Depot(tmp_path, tmp_path)
    assert depot.publish(student) == "artifacts/evaluate/k/student"
    assert depot.fetch("artifacts/evaluate/k/student") == student


def test_a_download_that_differs_from_its_hash_is_refused(tmp_path: Path) -> None:
    import fsspec

    place = f"memory://{uuid4().hex}"
    target = Depot(place, tmp_path).publish(make_student(tmp_path / "student"))
    fs, root = fsspec.url_to_fs(place)
    fs.pipe_file(f"{root}/{target}/base/weights", b"changed")
    with pytest.raises(StoreError, match="differs from its hash"):
        Depot(place, tmp_path / "there").fetch(target)
    assert not (tmp_path / "there" / target).exists()


def test_a_student_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be fetched"):
        Depot(f"memory://{uuid4().hex}", tmp_path).fetch("students/none")

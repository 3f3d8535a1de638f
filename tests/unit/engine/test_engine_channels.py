from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.engine.channels import GENESIS, Channels, describe_entry
from distill.errors import PromotionRefusedError, StoreError, UsageError


def make_channels(root: Path) -> Channels:
    return Channels(root, clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def promote(channels: Channels, target: str) -> None:
    current = channels.read("production")
    channels.move("production", target, expected_version=current.version if current else 0, who="ada", why="gate")


def targets(channels: Channels) -> list[str]:
    return [entry.target for entry in channels.history("production")]


def test_a_new_channel_has_no_entry(tmp_path: Path) -> None:
    assert make_channels(tmp_path).read("production") is None
    assert make_channels(tmp_path).names() == []


def test_move_records_who_when_why_and_metadata(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    entry = channels.move(
        "production", "train/abc", expected_version=0, who="ada", why="passed", metadata={"decision": "promote"}
    )
    assert channels.read("production") == entry
    assert (entry.version, entry.who, entry.why, entry.previous) == (1, "ada", "passed", GENESIS)
    assert entry.when == "2026-01-02T03:04:05+00:00"
    assert describe_entry(entry)["metadata"] == {"decision": "promote"}
    assert channels.names() == ["production"]


def test_move_is_refused_when_the_channel_moved_meanwhile(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    with pytest.raises(PromotionRefusedError, match=r"is at version 1, not 0, moved by ada"):
        channels.move("production", "b", expected_version=0, who="bob", why="late")
    assert targets(channels) == ["a"]


def test_rollback_restores_the_previous_target_as_a_new_version(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    promote(channels, "b")
    entry = channels.rollback("production", who="ada", why="bad answers")
    assert (entry.version, entry.target, entry.restores, entry.action) == (3, "a", 1, "rollback")


def test_a_second_rollback_goes_further_back_not_forth(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    for target in ("a", "b", "c"):
        promote(channels, target)
    channels.rollback("production", who="ada", why="1")
    assert channels.rollback("production", who="ada", why="2").target == "a"
    with pytest.raises(UsageError, match="no version before 1"):
        channels.rollback("production", who="ada", why="3")


def test_rollback_to_a_named_version(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    for target in ("a", "b", "c"):
        promote(channels, target)
    assert channels.rollback("production", 2, who="ada", why="x").target == "b"
    with pytest.raises(UsageError, match="no version 9; it has 1 to 4"):
        channels.rollback("production", 9, who="ada", why="x")


def test_rollback_of_a_channel_that_moved_is_refused(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    promote(channels, "b")
    with pytest.raises(PromotionRefusedError):
        channels.rollback("production", who="monitor", why="x", expected_version=1)


def test_nothing_to_roll_back_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never promoted"):
        make_channels(tmp_path).rollback("production", who="ada", why="x")


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_torn_last_line_is_passed_over_reported_and_healed(tmp_path: Path, cut: int) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    promote(channels, "b")
    path = tmp_path / "channels" / "production.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:cut])
    assert targets(channels) == ["a"]
    assert channels.verify("production").torn
    promote(channels, "c")
    assert targets(channels) == ["a", "c"]
    assert channels.verify("production") == (2, False, ())


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_channel_whose_only_line_is_cut_off_is_damaged_and_not_new(tmp_path: Path, cut: int) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    path = tmp_path / "channels" / "production.jsonl"
    left = path.read_bytes()[:cut]
    path.write_bytes(left)
    for look in (channels.history, channels.read, lambda _: promote(channels, "b")):
        with pytest.raises(StoreError, match=r"production\.jsonl:1: damaged: .*cut off; restore .* or delete"):
            look("production")
    assert not channels.verify("production").is_sound
    assert path.read_bytes() == left


def test_an_empty_channel_file_is_a_new_channel(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "production.jsonl").touch()
    assert channels.history("production") == []
    promote(channels, "a")
    assert targets(channels) == ["a"]


def test_every_changed_field_breaks_the_chain(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    promote(channels, "a")
    promote(channels, "b")
    path = tmp_path / "channels" / "production.jsonl"
    good = path.read_text()
    for field in json.loads(good.splitlines()[0]):
        first, second = (json.loads(line) for line in good.splitlines())
        first[field] = "tampered"
        path.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
        assert not channels.verify("production").is_sound, field
        with pytest.raises(StoreError, match=r"production\.jsonl:1: "):
            channels.history("production")


def test_a_removed_line_is_seen(tmp_path: Path) -> None:
    channels = make_channels(tmp_path)
    for target in ("a", "b", "c"):
        promote(channels, target)
    path = tmp_path / "channels" / "production.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    assert "chain is broken" in channels.verify("production").problems[0]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 101])
def test_names_that_could_leave_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a channel"):
        make_channels(tmp_path).read(name)


def _race(root: str, number: int) -> bool:
    try:
        make_channels(Path(root)).move("production", f"t{number}", expected_version=0, who=str(number), why="race")
    except PromotionRefusedError:
        return False
    return True


def test_of_many_processes_exactly_one_wins(tmp_path: Path) -> None:
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        wins = pool.starmap(_race, [(str(tmp_path), number) for number in range(8)])
    assert wins.count(True) == 1
    assert make_channels(tmp_path).verify("production") == (1, False, ())


@given(why=st.text(), target=st.text())
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, why: str, target: str) -> None:
    channels = make_channels(tmp_path_factory.mktemp("c"))
    channels.move("production", target, expected_version=0, who="ada", why=why)
    assert [(e.target, e.why) for e in channels.history("production")] == [(target, why)]

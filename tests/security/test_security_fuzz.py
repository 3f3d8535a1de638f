"""Readers of what comes from elsewhere, fed with anything: they answer, or they say in their own error why not."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distill.config import load_config
from distill.config.tree import read_tree
from distill.errors import ConfigError, DataError, StoreError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.sources import READERS, read_source
from distill.sources.config import DataConfig
from distill.teachers.journal import open_journal, stored
from distill.teachers.journal.protocol import Answer, Attempt, Intent

SEEDS = Path(__file__).parent / "seeds"
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
REQUEST = TeacherRequest("openai", "m", (Message("user", "hi"),))
ANSWER = Answer(REQUEST.key(), b'{"x":1}' * 400, "m-1", "req", "fp", Usage(10, 2, 3, 1), 0.5, 12.0, 2)

WORDS = st.sampled_from(
    ["name", "task", "data", "teacher", "student", "gate", "rules", "labels", "output", "label", "system", "schema",
     "{{ text }}", "{% for %}", "&a", "*a", "<<", "!!binary", "!!set", "~", "1e999", "-", "[", "{", "|", ">", "\t"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
YAML_TEXT = st.lists(WORDS | st.sampled_from([": ", "\n", "  ", "\n- ", '"', "'"]) | st.text(max_size=6), max_size=40)


def seeds(folder: str) -> list[Path]:
    found = sorted((SEEDS / folder).iterdir())
    assert found, folder
    return found


def check_config(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(content)
        try:
            load_config(path, [], {})
        except ConfigError as error:
            assert error.problems
            str(error).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("seed", seeds("config"), ids=lambda path: path.name)
def test_every_config_seed_is_refused_with_its_problems(seed):
    check_config(seed.read_bytes())


@FUZZ
@given(YAML_TEXT.map("".join))
def test_any_yaml_like_text_is_read_or_refused(text):
    read_tree(text, "c.yaml")
    check_config(text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_no_config(content):
    check_config(content)


@FUZZ
@given(st.dictionaries(st.sampled_from(["name", "task", "data", "teacher", "student", "gate", "runtime"]), VALUES))
def test_any_values_in_the_right_sections_are_judged(values):
    import json

    check_config(json.dumps(values).encode("utf-8", "surrogatepass"))


def check_source(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        try:
            found = read_source(DataConfig(source=name, max_malformed_fraction=0.9), ["text"], Path(folder))
        except DataError as error:
            assert name in str(error)
        else:
            assert found.examples or found.malformed


@pytest.mark.parametrize("seed", seeds("ingest"), ids=lambda path: path.name)
def test_every_ingest_seed_is_read_or_refused_by_name(seed):
    check_source(seed.name, seed.read_bytes())


@pytest.mark.parametrize("suffix", [*sorted(READERS), ".jsonl.gz", ".csv.gz"])
@FUZZ
@given(content=st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused_in_every_format(suffix, content):
    check_source(f"rows{suffix}", content)


@FUZZ
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_any_json_lines_are_read_or_counted_as_malformed(rows):
    import json

    check_source("rows.jsonl", "\n".join(json.dumps({"text": row}) for row in rows).encode("utf-8", "surrogatepass"))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    journal = open_journal(str(path))
    tried = Attempt(REQUEST.key(), 1.0, 5.0, 200, None, None, 0.5, "r")
    journal.apply([Intent(REQUEST.key(), 0, REQUEST), tried, ANSWER])
    journal.close()
    return path


def read_everything(path: Path) -> None:
    """Use a journal in every way; the only error may be its own."""
    for use in ("verify", "stats", "export", "records", "lookup", "apply", "workers"):
        try:
            with closing(open_journal(str(path))) as journal:
                arguments = {"lookup": ([REQUEST.key()],), "apply": ([Intent(REQUEST.key(), 0, REQUEST)],)}.get(use, ())
                found = getattr(journal, use)(*arguments)
                list(found) if use in ("export", "records") else repr(found)
        except StoreError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("seed", seeds("journal"), ids=lambda path: path.name)
def test_a_journal_written_by_hand_is_read_or_refused(seed, filled):
    with closing(sqlite3.connect(filled)) as db, db:
        db.execute(seed.read_text(encoding="utf-8"))
    read_everything(filled)


@settings(FUZZ, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@example(place=3110, noise=b"\x80")
@given(place=st.integers(0, 40_000), noise=st.binary(min_size=1, max_size=64))
def test_a_journal_with_bytes_overwritten_is_read_or_refused(place, noise, filled):
    whole = filled.read_bytes()
    try:
        at = place % len(whole)
        filled.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
        read_everything(filled)
    finally:
        for extra in filled.parent.glob("journal.db-*"):
            extra.unlink()
        filled.write_bytes(whole)


@FUZZ
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: b"\x00z" + data))
def test_any_stored_bytes_are_unpacked_or_refused(data):
    for read in (stored.unpack, stored.load_request):
        with suppress(StoreError):
            read(data)
    assert stored.find_damage("key", 0, data) is not None


@FUZZ
@given(st.binary(max_size=5000))
def test_packing_is_undone_exactly(data):
    assert stored.unpack(stored.pack(data)) == data
    assert stored.unpack(stored.pack(b"\x00z" + data)) == b"\x00z" + data  # a server may say so on purpose

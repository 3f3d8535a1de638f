"""Promotion of a real run: it goes when the student is what the gate saw, and not when anything differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import Project

from distill.app.promotion import Wish, promote
from distill.app.runs import Run, latest_run
from distill.engine.channels import Channels
from distill.engine.store import RECORD, digest_file
from distill.errors import DistillError, PromotionRefusedError
from distill.records.live import CanaryRules

WISH = Wish(force=True, reason="the tiny student is on hold")


@pytest.fixture
def run(finished: Project, tmp_path: Path) -> Run:
    """A copy of the finished project's run, to be tampered with."""
    shutil.copytree(finished.directory, tmp_path / "project", symlinks=True)
    found = latest_run(tmp_path / "project" / "runs", "small")
    assert found is not None
    return found


def rehash(artifact: Path) -> None:
    """Make an artifact's record say that its files are as they should be: the first guard is deceived."""
    record = json.loads((artifact / RECORD).read_text())
    record["files"] = {name: digest_file(artifact / name) for name in record["files"]}
    (artifact / RECORD).write_text(json.dumps(record))


def test_the_student_the_gate_saw_is_promoted_with_its_hashes(run: Run) -> None:
    entry = promote(run, WISH)
    assert (entry.action, entry.version) == ("force", 1)
    assert entry.metadata["parity"]["rows"] > 0  # type: ignore[index]
    assert {"run", "decision", "keys", "files", "base", "thresholds", "sunset"} <= entry.metadata.keys()


def test_a_canary_begins_with_its_rules_in_the_history(run: Run) -> None:
    promote(run, WISH)
    promote(run, Wish(force=True, reason="try", canary=CanaryRules(share=0.05)))
    canary = Channels(run.state_dir).state("production").canary
    assert canary is not None
    assert canary.metadata["canary"]["share"] == 0.05  # type: ignore[index]


def test_a_shared_directory_gets_the_students_files(run: Run, tmp_path: Path) -> None:
    entry = promote(run, Wish(force=True, reason="x", place=tmp_path / "shared"))
    assert (tmp_path / "shared" / entry.target / "distill.json").is_file()


def edit(path: Path, change: Callable[[dict], object]) -> None:
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


def spoil_base(student: Path) -> None:
    edit(
        student / "distill.json", lambda body: body["base"]["hashes"].update({next(iter(body["base"]["hashes"])): "0"})
    )


def spoil_template(student: Path) -> None:
    edit(student / "distill.json", lambda body: body.update(chat_template_sha256="0" * 64))


def spoil_threshold(student: Path) -> None:
    edit(student / "distill.json", lambda body: body.update(thresholds={"fallback": {"threshold": 0.123}}))


def spoil_tokenizer(student: Path) -> None:
    def shift(body: dict) -> None:
        vocab = body["model"]["vocab"]
        body["model"]["vocab"] = dict(zip(vocab, sorted(vocab.values(), reverse=True), strict=True))

    edit(student / "tokenizer.json", shift)


def spoil_parity(student: Path) -> None:
    path = student.parent / "parity.json"
    path.write_text(json.dumps([{**one, "text": "another answer"} for one in json.loads(path.read_text())]))


@pytest.mark.parametrize("spoil", [spoil_base, spoil_template, spoil_threshold, spoil_tokenizer, spoil_parity])
def test_a_student_that_differs_from_what_the_gate_saw_is_refused(spoil: Callable[[Path], None], run: Run) -> None:
    evaluated = run.artifact("evaluate")
    for path in (evaluated / "student").rglob("*"):
        if path.is_file():  # hard links to the trained files: the tampering must not reach those
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
    spoil(evaluated / "student")
    with pytest.raises(DistillError, match="damaged"):
        promote(run, WISH)
    rehash(evaluated)
    with pytest.raises(PromotionRefusedError):
        promote(run, WISH)
    assert Channels(run.state_dir).names() == []


def test_a_word_that_is_not_the_gates_is_refused(run: Run) -> None:
    edit(run.directory / "gate.json", lambda body: body.update(decision="promote"))
    with pytest.raises(PromotionRefusedError, match="differs from what the gate wrote"):
        promote(run, Wish())


def test_an_evaluation_without_parity_is_refused(run: Run) -> None:
    evaluated = run.artifact("evaluate")
    (evaluated / "parity.json").unlink()
    edit(evaluated / RECORD, lambda body: body["files"].pop("parity.json"))
    with pytest.raises(PromotionRefusedError, match="--from evaluate"):
        promote(run, WISH)

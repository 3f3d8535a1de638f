"""`plan` and `doctor` report what BANKING77's published split shares, before anything runs or is paid for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from distill.cli import main

SAID = "6 are also in the training data letter for letter, 25 after normalisation, 489 as near copies"


@pytest.fixture
def banking77(tmp_path: Path, shared_data: Path, repo_root: Path) -> Path:
    """The recipe itself, on the files at hand as its head says, with nothing bought."""
    config = yaml.safe_load((repo_root / "configs" / "banking77.yaml").read_text(encoding="utf-8"))
    source = shared_data / "banking77"
    config["task"] |= {
        "labels": json.loads((source / "labels.json").read_text(encoding="utf-8")),
        "user": "{{ input }}",
    }
    config["data"] |= {
        "source": str(source / "train.jsonl"),
        "gold": "gold",
        "id": "id",
        "heldout": {"source": str(source / "heldout.jsonl")},
    }
    path = tmp_path / "banking77.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0
    return json.loads(capfd.readouterr().out)


def test_plan_reports_the_audit_of_a_published_split(banking77: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(banking77.parent)
    plan = call(capfd, "plan", str(banking77), "--json")
    found = plan["overlap"]
    assert (found["overlap_exact"], found["overlap_normalised"], found["overlap_near"]) == (6, 25, 489)
    assert found["heldout"] == 3080
    assert any(SAID in warning for warning in plan["warnings"])


def test_doctor_reports_the_audit_of_a_published_split(banking77: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(banking77.parent)
    findings = {one["subject"]: one for one in call(capfd, "doctor", str(banking77), "--offline", "--json")}
    found = findings["train and held-out"]
    assert found["status"] == "warn"
    assert SAID in found["message"]

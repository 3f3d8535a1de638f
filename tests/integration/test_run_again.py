"""A finished run, and what a second one does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

from small_project import Project


def _statuses(stages: list[dict]) -> dict[str, str]:
    return {stage["stage"]: stage["status"] for stage in stages}


def test_a_second_run_does_nothing_and_loads_no_torch(finished):
    program = (
        "import sys\nfrom distill.cli import main\n"
        "try:\n    main(['run', 'small.yaml'])\nexcept SystemExit:\n    print('torch' in sys.modules)\n"
    )
    before = (finished.directory / "runs/small/latest").resolve()
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=finished.directory, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.splitlines()[-1] == "False", ran.stderr
    assert ran.stderr.count(": cached") == 8
    assert (finished.directory / "runs/small/latest").resolve() == before


def test_plan_names_the_changed_margin_and_only_gate_and_report_are_stale(finished):
    code, out, err = finished.call("plan", "small.yaml", "--set", "gate.rules.0.margin=0.5", "--json")
    assert code == 0, err
    stages = json.loads(out)["stages"]
    stale = {name for name, status in _statuses(stages).items() if status == "will run"}
    assert stale == {"gate", "report"}
    (gate,) = (stage for stage in stages if stage["stage"] == "gate")
    assert any("margin" in why and "0.05" in why and "0.5" in why for why in gate["why"])


def test_run_json_lists_every_stage_and_what_it_was_made_with(finished):
    run = json.loads((finished.directory / "runs/small/latest/run.json").read_text())
    assert {"schema", "id", "name", "config", "stages", "verdict", "versions", "commit", "machine"} <= run.keys()
    assert list(_statuses(run["stages"]).values()) == ["ran"] * 8
    assert {"stage", "key", "status", "seconds", "rows_in", "rows_out", "cost_usd"} <= run["stages"][0].keys()


def test_gate_and_cost_files_have_the_contracts_keys(finished):
    latest = finished.directory / "runs/small/latest"
    gate = json.loads((latest / "gate.json").read_text())
    assert {"decision", "rules", "heldout_looks", "generated_by"} <= gate.keys()
    costs = json.loads((latest / "costs.json").read_text())
    assert {"teacher", "student", "one_off", "monthly", "assumptions"} <= costs.keys()
    assert {"calls", "input_tokens", "output_tokens", "usd", "wasted_usd"} <= costs["teacher"].keys()


def test_the_report_asks_nothing_of_the_network(finished):
    page = (finished.directory / "runs/small/latest/report.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", page) == []
    assert "<svg" in page


CLASSIFIER = ("--set", "student.kind=classifier", "--set", "student.epochs=1", "--set", "student.max_new_tokens=1")


def test_a_margin_widened_after_the_verdict_is_said_and_costs_a_look(finished, tmp_path):
    shutil.copytree(finished.directory, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project", finished.config)
    latest = project.directory / "runs/small/latest"

    def look(*arguments: str) -> tuple[int, int, bool]:
        _, _, err = project.call("run", "small.yaml", *CLASSIFIER, *arguments)
        gate = json.loads((latest / "gate.json").read_text())
        assert gate["decision"] != "invalid", err
        is_said = any("gate.rules[0].margin: 0.05 -> 0.99" in note for note in gate["notes"])
        return gate["heldout_looks"], gate["looks"]["look"], is_said

    assert look() == (2, 2, False)  # the first was the finished run's
    assert look("--set", "gate.rules.0.margin=0.99") == (2, 3, True)
    assert look("--set", "gate.rules.0.margin=0.99", "--set", "student.seed=8") == (3, 4, False)


def test_terms_that_changed_are_on_the_card_though_the_evaluation_is_cached(finished, tmp_path):
    project = Project(tmp_path / "copy", finished.config)
    shutil.copytree(finished.directory, project.directory, symlinks=True)
    runs = project.directory / "runs/small"
    before = (runs / "latest/student/README.md").read_text(encoding="utf-8")
    code, _, err = project.call("run", "small.yaml", "--set", "teacher.terms.source=https://example.org/terms-2")
    assert code in (0, 3, 4, 7), err
    assert "evaluate: cached" in err
    card = (runs / "latest/student/README.md").read_text(encoding="utf-8")
    assert "https://example.org/terms-2" in card
    changed = [pair for pair in zip(before.splitlines(), card.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    weights = runs / "latest/student/model.safetensors"
    assert weights.resolve().is_relative_to(project.directory / ".distill/artifacts/evaluate")
    (artifact,) = (project.directory / ".distill/artifacts/evaluate").glob("*/student/README.md")
    assert artifact.read_text(encoding="utf-8") == before
    code, _, err = project.call("export", "small@latest", "--format", "merged", "-o", "exported")
    assert code == 0, err
    assert "https://example.org/terms-2" in (project.directory / "exported/README.md").read_text(encoding="utf-8")

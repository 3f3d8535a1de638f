"""The real defect, as a user meets it: a prompt whose label list is not the task's, stopped before any spend."""

from __future__ import annotations

import json

from tests.integration.small_project import make_project


def test_a_prompt_with_the_wrong_labels_stops_the_run_before_the_first_call(tmp_path, shared_data):
    folder = shared_data / "banking77"
    project = make_project(tmp_path)
    prompt = (folder / "prompt.txt").read_text(encoding="utf-8").replace('"{input}"', '"{{ input }}"')
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    answers = (folder / "frontier500.jsonl").read_text(encoding="utf-8")
    (tmp_path / "answers.jsonl").write_text(answers, encoding="utf-8")
    project.config["task"] = {"output": "label", "labels": labels, "user": prompt, "student_user": "{{ input }}"}
    project.config["data"] = {"source": "answers.jsonl", "id": "id", "gold": "gold", "heldout": {"size": 100}}
    project.config["teacher"] |= {
        "knowledge": ["answers.jsonl"], "knowledge_input": "input", "knowledge_answer": "teacher",
    }  # fmt: skip
    project.write()
    code, _, err = project.call("run", "small.yaml")
    assert code == 6
    assert "16 of the 77 labels" in err
    assert "charged_card_purchase_wrong_exchange_rate" in err
    assert not list(tmp_path.glob(".distill/artifacts/generate/*/record.json"))


def test_plan_tells_the_days_to_the_sunset(tmp_path):
    project = make_project(tmp_path, sunset="2020-01-01")
    code, out, err = project.call("plan", "small.yaml", "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert plan["days_to_sunset"] < 0
    assert any("is switched off" in warning for warning in plan["warnings"])

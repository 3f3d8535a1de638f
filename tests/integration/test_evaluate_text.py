"""A text task end to end: perplexity weighed, a judge asked over HTTP in both orders, a channel's student as rival."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fakes.judge_server import Served, chat_server
from small_project import Project, make_project

HELD_OUT = 60


def prefer_hotline(message: str) -> str:
    """A judge with an opinion on the content, whatever the order: the answer that names the hotline."""
    first, second = (part.split("\n\n")[1] for part in message.split("Answer ")[1:3])
    if ("hotline" in first) == ("hotline" in second):
        return "TIE"
    return "A" if "hotline" in first else "B"


def make_text_project(directory: Path, judge_url: str) -> Project:
    project = make_project(directory)
    rows = [json.loads(line) for line in (directory / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["reply"] = "Please call our hotline." if len(row["intent"]) % 2 else "Please write to us."
    (directory / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    config = project.config
    config["task"] = {"output": "text", "system": "Reply in one line.", "user": "{{ text }}"}
    config["data"] |= {"gold": "reply", "heldout": {"size": HELD_OUT}}
    config["teacher"] |= {"knowledge_answer": "reply", "max_output_tokens": 64}
    config["student"] |= {
        "base": {"hidden_size": 64, "layers": 2, "heads": 2, "vocab_size": 512}, "max_new_tokens": 24, "epochs": 16,
    }  # fmt: skip
    config["evaluate"] = {
        "metrics": ["token_f1", "perplexity", "judge_win_rate"],
        "baselines": ["base", "few_shot"],
        "judge": {"model": "judge-1", "base_url": judge_url, "input_usd": 1.0, "output_usd": 4.0},
    }
    config["gate"]["rules"] = [
        {"metric": "token_f1", "versus": "teacher", "margin": 0.05},
        {"metric": "judge_win_rate", "min": 0.4, "policy": "warn"},
        {"metric": "perplexity", "max": 5000, "policy": "warn"},
    ]
    project.write()
    return project


@pytest.fixture(scope="module")
def judge():
    with chat_server(prefer_hotline) as served:
        yield served


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, judge: Served) -> Project:
    """One whole run."""
    made = make_text_project(tmp_path_factory.mktemp("text") / "project", judge.url)
    code, _, err = made.call("run", "small.yaml")
    assert code in (0, 3, 4), err
    return made


def latest(project: Project) -> Path:
    return (project.directory / "runs/small/latest").resolve()


def rows_of(project: Project, system: str) -> list[dict]:
    rows = pq.read_table(latest(project) / "predictions.parquet").to_pylist()
    return [row for row in rows if row["system"] == system]


def read(project: Project, name: str) -> dict:
    return json.loads((latest(project) / name).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_reference_is_weighed_by_student_and_base_and_training_lowers_the_perplexity(project: Project) -> None:
    for system in ("student", "base", "few_shot"):
        rows = rows_of(project, system)
        assert len(rows) == HELD_OUT
        assert all(row["reference_logprob"] < 0 < row["reference_tokens"] for row in rows), system
    systems = read(project, "scores.json")["systems"]
    found = {name: systems[name]["perplexity"]["value"] for name in ("student", "base", "few_shot")}
    assert found["student"] < 0.8 * min(found["base"], found["few_shot"])
    assert systems["teacher"]["perplexity"]["value"] is None, "an API gives no probability of a given text"
    rule = next(rule for rule in read(project, "gate.json")["rules"] if rule["metric"] == "perplexity")
    assert rule["student"] == pytest.approx(found["student"])
    assert rule["outcome"] == "pass"


@pytest.mark.slow
def test_the_judge_is_asked_each_pair_in_both_orders_paid_from_the_budget_and_kept(project: Project, judge: Served):
    student = rows_of(project, "student")
    teacher = {row["id"]: row for row in rows_of(project, "teacher")}
    asked = [row for row in student if row["error_kind"] is None and row["parsed"] != teacher[row["id"]]["parsed"]]
    bodies = [body["messages"][-1]["content"] for body in judge.bodies]
    assert len(bodies) == 2 * len(asked) > 0
    for row in asked:
        mine, theirs = json.loads(row["parsed"]), json.loads(teacher[row["id"]]["parsed"])
        orders = {(f"Answer {a}:\n\n{mine}\n\n", f"Answer {b}:\n\n{theirs}\n\n") for a, b in ("AB", "BA")}
        assert {o for o in orders for body in bodies if o[0] in body and o[1] in body} == orders
        assert row["judged"] == float("hotline" in mine) if ("hotline" in mine) != ("hotline" in theirs) else 0.5
    failed = [row for row in student if row["error_kind"] is not None]
    assert all(row["judged"] == 0.0 for row in failed)
    rate = read(project, "scores.json")["systems"]["student"]["judge_win_rate"]["value"]
    assert rate == pytest.approx(sum(row["judged"] for row in student) / HELD_OUT)


@pytest.mark.slow
def test_what_the_judge_cost_is_in_the_costs(project: Project, judge: Served) -> None:
    costs = read(project, "costs.json")
    (line,) = [line for line in costs["ledger"] if line["kind"] == "judge"]
    paid = len(judge.bodies) * (100 * 1.0 + 10 * 4.0) / 1e6
    assert (line["stage"], line["calls"]) == ("evaluate", len(judge.bodies))
    assert line["usd"] == pytest.approx(paid)
    assert costs["one_off"]["evaluation_usd"] > paid


@pytest.mark.slow
def test_a_promoted_student_is_the_rival_of_the_next_and_nothing_is_bought_again(project: Project, judge: Served):
    """What the other tests read of the latest run stays as it was: the same answers, bought once."""
    code, _, err = project.call("promote", "small@latest", "--force", "--reason", "first of its kind")
    assert code == 0, err
    before, first = len(judge.bodies), rows_of(project, "student")
    project.config["gate"]["rules"].append(
        {"metric": "token_f1", "versus": "channel:production", "margin": 0.05, "policy": "warn"}
    )
    project.write()
    code, _, err = project.call("run", "small.yaml")
    assert code in (0, 3, 4), err
    assert len(judge.bodies) == before, "the judge's verdicts came from the journal"
    rival = {row["id"]: row for row in rows_of(project, "channel:production")}
    assert {row["id"]: row["text"] for row in first} == {name: row["text"] for name, row in rival.items()}
    assert all(row["reference_logprob"] == rival[row["id"]]["reference_logprob"] for row in first)
    gate = read(project, "gate.json")
    rule = next(rule for rule in gate["rules"] if rule["versus"] == "channel:production")
    assert rule["difference"] == pytest.approx(0.0)
    assert gate["channels"] == {"production": 1}

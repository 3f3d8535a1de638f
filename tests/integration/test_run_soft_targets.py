"""A run whose labels all begin alike: the teacher's doubt still reaches the student, through tables and artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from small_project import Project, make_project

from distill.stages.lessons import make_lessons
from distill.tasks.config import TaskConfig
from distill.teachers.rehearsal.knowledge import load_knowledge

pytestmark = pytest.mark.slow
STEM = "shop_"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("soft"), top_logprobs=20, knowledge_input="text")
    path = project.directory / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row | {"intent": STEM + row["intent"]}) + "\n" for row in rows), "utf-8")
    project.config["task"]["labels"] = [STEM + label for label in project.config["task"]["labels"]]
    project.config["student"] |= {"kind": "classifier", "objective": {"hard": 0.5, "soft": 0.5}, "epochs": 1}
    project.config["student"].pop("max_new_tokens")
    project.write()
    code, _, err = project.call("run", "small.yaml", "--until", "train")
    assert code == 0, err
    return project


def only(project: Project, stage: str, name: str) -> Path:
    (path,) = (project.directory / ".distill" / "artifacts" / stage).glob(f"*/{name}")
    return path


def test_every_lesson_has_the_probabilities_that_the_teacher_gave(project: Project) -> None:
    rows = cast("list[dict[str, Any]]", pq.read_table(only(project, "filter", "kept.parquet")).to_pylist())
    labels = tuple(project.config["task"]["labels"])
    files = [project.directory / "rows.jsonl"]
    knowledge = load_knowledge(files, question="text", answer="intent", labels=labels)
    lessons = make_lessons(rows, TaskConfig(output="label", labels=labels, user="{{ text }}"))
    texts = {row["id"]: json.loads(row["columns_json"])["text"] for row in rows}
    assert len(lessons) > 50
    for lesson in lessons:
        believed = dict(knowledge.answer(texts[lesson.id], with_labels=True).labels)
        assert lesson.label_probs is not None
        distance = sum(abs(p - believed[label]) for label, p in zip(labels, lesson.label_probs, strict=True)) / 2
        assert distance < 0.02
        assert lesson.label_probs[labels.index(lesson.target)] == pytest.approx(believed[lesson.target], abs=2e-3)


def test_training_says_how_much_of_the_mass_was_read(project: Project) -> None:
    facts = json.loads(only(project, "train", "training.json").read_text(encoding="utf-8"))["facts"]
    assert facts["answers_without_label_mass"] == 0
    assert facts["answers_with_label_mass"] == facts["lessons_with_label_probabilities"] > 50
    mass = facts["label_mass"]
    assert sum(mass.values()) == pytest.approx(1, abs=1e-3)
    assert mass["known"] > 0.9
    assert mass["elsewhere"] == 0

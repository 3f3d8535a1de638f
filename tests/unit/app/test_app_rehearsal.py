"""A rehearsal runs any config for no money: its stand-in knows what the data carry, and makes up what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distill.app.rehearsal import rehearsed
from distill.config import LoadedConfig, load_config

ROWS = '{"thing": "sky"}\n{"thing": "sea"}\n{"thing": "sun"}\n'
CONFIG = """
name: mine
task: {{output: label, labels: [red, blue], system: "Say {{{{ labels }}}}", user: "Colour of {{{{ thing }}}}?"}}
data: {{source: {source}, {data} heldout: {{size: 2}}}}
teacher: {{model: gpt-5.4-2026-03-05, budget_usd: 3}}
student: {{kind: classifier, base: {{hidden_size: 16}}}}
gate: {{rules: [{{metric: accuracy, min: 0.5}}]}}
"""


def load(directory: Path, source: str, rows: str, data: str = "") -> LoadedConfig:
    (directory / source).write_text(rows, encoding="utf-8")
    (directory / "mine.yaml").write_text(CONFIG.format(source=source, data=data), encoding="utf-8")
    loaded = load_config(directory / "mine.yaml", [], {})
    return loaded.with_runtime(loaded.runtime.model_copy(update={"state_dir": directory / "state"}))


def knowledge(loaded: LoadedConfig) -> list[dict]:
    (name,) = loaded.pipeline.teacher.knowledge
    return [json.loads(line) for line in (loaded.base_dir / name).read_text(encoding="utf-8").splitlines()]


def test_gold_of_a_csv_becomes_what_the_stand_in_knows_by_the_whole_prompt(tmp_path):
    loaded = load(tmp_path, "rows.csv", "thing,colour\nsky,blue\nrose,red\nsea,\n", "gold: colour,")
    rehearsal = rehearsed(loaded)
    assert rehearsal.known == 2
    assert rehearsal.is_stand_in
    asked = {row["question"]: row["answer"] for row in knowledge(rehearsal.loaded)}
    assert asked == {"Colour of sky?": "blue", "Colour of rose?": "red"}


def test_without_any_answer_they_are_made_up_and_it_is_told(tmp_path):
    rehearsal = rehearsed(load(tmp_path, "rows.jsonl", ROWS))
    assert rehearsal.known == 0
    assert {row["answer"] for row in knowledge(rehearsal.loaded)} <= {"red", "blue"}


def test_nothing_is_spent_and_the_real_run_s_name_stays_free(tmp_path):
    pipeline = rehearsed(load(tmp_path, "rows.jsonl", ROWS)).loaded.pipeline
    assert (pipeline.name, pipeline.teacher.provider, pipeline.teacher.base_url) == (
        "mine-rehearsal",
        "rehearsal",
        None,
    )
    assert pipeline.teacher.price.input == pipeline.teacher.price.output == 0
    assert pipeline.teacher.price_is_assumption


def test_the_same_data_rehearse_under_the_same_name(tmp_path):
    loaded = load(tmp_path, "rows.jsonl", ROWS)
    assert rehearsed(loaded).loaded.pipeline == rehearsed(loaded).loaded.pipeline


def test_a_rehearsal_config_stays_as_it_is():
    quickstart = load_config(Path(__file__).parents[3] / "configs" / "quickstart.yaml", [], {})
    assert rehearsed(quickstart).loaded == quickstart


@pytest.mark.parametrize("source", ["rows.jsonl", "rows.csv"])
def test_the_file_lies_in_the_state_directory(tmp_path, source):
    rows = ROWS if source == "rows.jsonl" else "thing\nsky\nsea\nsun\n"
    rehearsed(load(tmp_path, source, rows))
    assert len(list((tmp_path / "state" / "rehearsal").glob("*.jsonl"))) == 1

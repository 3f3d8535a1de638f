"""`distill init`: every template is a valid, honest start; nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distill.app.scaffold import SCHEMA_FILE, TEMPLATES, scaffold
from distill.config import json_schema, load_config
from distill.errors import UsageError
from distill.sources import read_source
from distill.tasks import make_task
from distill.tasks.prompts import input_columns


@pytest.fixture(params=TEMPLATES)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    scaffold(tmp_path / "my task", request.param)
    return tmp_path / "my task"


def test_a_template_is_valid_without_a_warning_and_takes_the_directory_s_name(written):
    loaded = load_config(written / "distill.yaml", [], {})
    assert loaded.warnings == ()
    assert loaded.pipeline.name == "my-task"


def test_every_row_of_a_template_is_read_and_every_answer_is_valid(written):
    loaded = load_config(written / "distill.yaml", [], {})
    task = make_task(loaded.pipeline.task)
    result = read_source(loaded.pipeline.data, input_columns(loaded.pipeline.task), loaded.base_dir)
    assert (len(result.examples), result.malformed) == (160, [])
    for example in result.examples:
        assert example.gold is not None or example.teacher_output is not None
        parsed = task.parse_gold(example.gold) if example.gold is not None else task.parse(example.teacher_output or "")
        assert parsed.error_kind is None, example.where


def test_the_schema_beside_it_is_the_config_s_own(written):
    assert json.loads((written / SCHEMA_FILE).read_text(encoding="utf-8")) == json.loads(json.dumps(json_schema()))
    assert SCHEMA_FILE in (written / "distill.yaml").read_text(encoding="utf-8").splitlines()[0]


def test_nothing_is_overwritten(written):
    (written / "rows.jsonl").write_text("mine")
    with pytest.raises(UsageError, match=r"already holds .*rows\.jsonl"):
        scaffold(written, "classify")
    assert (written / "rows.jsonl").read_text() == "mine"


def test_an_unknown_template_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match="classify, extract, answer, chat, logs"):
        scaffold(tmp_path / "x", "clasify")
    assert not (tmp_path / "x").exists()


def test_a_directory_whose_name_is_no_word_gets_a_plain_run_name(tmp_path):
    scaffold(tmp_path / "---", "answer")
    assert load_config(tmp_path / "---" / "distill.yaml", [], {}).pipeline.name == "task"

"""A typo in one gold value must not turn accuracy into agreement with the teacher without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.app.composition import compose
from distill.app.estimate import estimate_spending
from distill.config import load_config
from distill.errors import DataError
from distill.records.example import Example
from distill.stages.gold import check_gold, find_unreadable
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

TASK = make_task(TaskConfig(output="label", labels=("refund", "track"), user="{{ text }}"))


def _example(name: str, gold: str | None) -> Example:
    return Example(id=name, text=name, columns={"text": name}, gold=gold, where=f"rows.jsonl:{name}")


def test_gold_that_is_no_label_is_refused_with_its_place_and_count() -> None:
    rows = [_example("1", "refund"), _example("2", "refnd"), _example("3", None), _example("4", "Track")]
    with pytest.raises(
        DataError, match=r"rows.jsonl:2: gold 'refnd' is not one of .*1 of 3 gold values.*leave them empty"
    ):
        check_gold(rows, TASK)


def test_no_gold_is_no_mistake_and_spelling_that_can_be_read_is_none_either() -> None:
    assert find_unreadable([_example("1", None), _example("2", " Refund ")], TASK) == []


def test_plan_says_it_before_anything_is_bought(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,kind\na,refund\nb,refnd\nc,track\n")
    (tmp_path / "c.yaml").write_text(
        'name: n\ntask: {output: label, labels: [refund, track], user: "{{ text }}"}\n'
        "data: {source: rows.csv, gold: kind, heldout: {size: 1}}\nteacher: {model: gpt-5.4-2026-03-05}\n"
        "student: {kind: classifier, base: {hidden_size: 16}}\ngate: {rules: [{metric: accuracy, min: 0.5}]}\n"
    )
    with pytest.raises(DataError, match=r"rows.csv:3: gold 'refnd'"):
        estimate_spending(compose(load_config(tmp_path / "c.yaml", (), {})))

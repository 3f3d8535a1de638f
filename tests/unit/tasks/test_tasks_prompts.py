"""Prompts: what templates see, what they may not do, and how their mistakes read."""

from __future__ import annotations

import pytest

from distill.errors import DataError
from distill.records.completion import Message
from distill.records.training import Prompt
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import check_templates, input_columns, render_student, render_teacher, template_columns


def make(**fields: object) -> TaskConfig:
    return TaskConfig.model_validate({"output": "label", "labels": ["x", "y"], "user": "{{ text }}", **fields})


def test_the_teacher_gets_system_and_user_message() -> None:
    config = make(system="Labels:\n{% for label in labels %}\n- {{ label }}\n{% endfor %}", user="{{ text }}!")
    assert render_teacher(config, {"text": "<b> & 'q'"}) == (
        Message("system", "Labels:\n- x\n- y\n"),
        Message("user", "<b> & 'q'!"),
    )


def test_the_student_gets_its_own_shorter_prompt_or_the_teachers() -> None:
    assert render_student(make(system="long"), "1", {"text": "hi"}) == Prompt("1", "hi", None)
    short = make(student_user="Q: {{ text }}", student_system="s")
    assert render_student(short, "1", {"text": "hi"}) == Prompt("1", "Q: hi", "s")


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"task\.user: 'txt' is undefined \(columns of this row: id, text\)"):
        render_teacher(make(user="{{ txt }}"), {"text": "hi", "id": "1"})


@pytest.mark.parametrize(
    "attack", ["{{ ''.__class__.__mro__ }}", "{{ text.append('x') }}", "{{ text.format.__globals__ }}"]
)
def test_the_sandbox_holds(attack: str) -> None:
    with pytest.raises(DataError, match=r"task\.user"):
        render_teacher(make(user=attack), {"text": ["a"]})


def test_a_rows_text_is_never_run_as_a_template() -> None:
    assert render_teacher(make(), {"text": "{{ 7 * 7 }}"})[0].content == "{{ 7 * 7 }}"


def test_tojson_writes_json_and_not_html() -> None:
    assert render_teacher(make(user="{{ text|tojson }}"), {"text": "<é>"})[0].content == '"<é>"'


def test_input_columns_come_in_order_of_mention_without_the_tasks_own_variables() -> None:
    config = make(
        user="{{ title }}{% for l in labels %}{{ l }}{% endfor %}{{ body }}", student_user="{{ body }} {{ tag }}"
    )
    assert input_columns(config) == ("title", "body", "tag")
    assert template_columns(make(system="{{ when }}")) == {"user": ("text",), "system": ("when",)}


@pytest.mark.parametrize(
    ("source", "line"), [("a\n{{ b", 2), ("a\n\n{% for x %}", 3), ("{{ a|nofilter }}", 1), ("{{ " + "(" * 5000, 1)]
)
def test_a_template_that_does_not_compile_is_a_problem_with_its_line(source: str, line: int) -> None:
    (problem,) = check_templates(make(user=source))
    assert (problem.template, problem.line) == ("user", line)

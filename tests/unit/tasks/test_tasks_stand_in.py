"""Stand-in answers: whatever the task and the text, they parse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.stand_in import make_stand_in

SCHEMA = {
    "type": "object",
    "required": ["name", "tags", "n", "kind", "either", "ok"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": ["string", "null"], "minLength": 6},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "n": {"type": "integer", "minimum": 7},
        "kind": {"const": "x"},
        "either": {"anyOf": [{"type": "boolean"}, {"type": "string"}]},
        "ok": {"type": "object", "properties": {"deep": {"type": "number"}}},
    },
}
TASKS = {
    "label": TaskConfig(output="label", labels=("red", "blue"), user="{{ x }}"),
    "labels": TaskConfig(output="labels", labels=("red", "blue"), user="{{ x }}"),
    "json": TaskConfig.model_validate({"output": "json", "schema": SCHEMA, "user": "{{ x }}"}),
    "number": TaskConfig(output="answer", number=True, user="{{ x }}"),
    "answer": TaskConfig(output="answer", user="{{ x }}"),
    "text": TaskConfig(output="text", user="{{ x }}"),
}


@pytest.mark.parametrize("name", TASKS)
@given(text=st.text(max_size=200))
def test_it_parses_and_is_the_same_again(name, text):
    answer = make_stand_in(TASKS[name], text)
    assert make_task(TASKS[name]).parse(answer).error_kind is None
    assert answer == make_stand_in(TASKS[name], text)


def test_labels_differ_from_text_to_text():
    assert {make_stand_in(TASKS["label"], str(number)) for number in range(20)} == {"red", "blue"}


def test_a_schema_that_contains_itself_ends():
    schema = {"type": "array"}
    schema["items"] = schema
    task = TASKS["json"].model_copy(update={"schema_": schema})
    assert make_stand_in(task, "x").startswith("[[")

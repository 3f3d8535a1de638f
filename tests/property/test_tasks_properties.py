"""Whatever a teacher says: no member raises, and what a member writes it reads back."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from distill.records.json import dump_canonical, load_strict
from distill.tasks import TASKS, make_task
from distill.tasks.config import TaskConfig

LABELS = ("card_arrival", "Card Lost", "refund", 'say "yes"', "größe", "a,b", "lost card.")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TASK_CONFIGS = {
    "label": TaskConfig(output="label", labels=LABELS, user="x"),
    "labels": TaskConfig(output="labels", labels=LABELS, user="x"),
    "json": TaskConfig.model_validate({"output": "json", "schema": SCHEMA, "user": "x"}),
    "json without schema": TaskConfig(output="json", user="x"),
    "answer": TaskConfig(output="answer", user="x"),
    "answer by pattern": TaskConfig(output="answer", pattern=r"answer:\s*([A-D])", user="x"),
    "answer by bare pattern": TaskConfig(output="answer", pattern=r"[A-D]?", user="x"),
    "number": TaskConfig(output="answer", number=True, user="x"),
    "text": TaskConfig(output="text", user="x"),
}
MEMBERS = {name: make_task(config) for name, config in TASK_CONFIGS.items()}

WRAPPING = ["```", "```json\n", "\n", "{", "}", "[", "]", '"a": 1', '{"a": 1}', "answer: B", "####", "<answer>"]
ODDITIES = [
    "</answer>",
    "1,000",
    "-",
    "NaN",
    "\ud800",
    "\\ud800",
    "\x00",
    "1e999",
    "label is ",
    "9" * 5000,
    "[" * 300,
    "%",
]
scraps = st.sampled_from([*LABELS, *WRAPPING, *ODDITIES])
raw_texts = st.one_of(
    st.text(st.characters(codec=None), max_size=60),
    st.lists(st.one_of(scraps, st.text(max_size=4)), max_size=8).map("".join),
)
finite_floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | finite_floats | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
anything = json_values | st.floats() | raw_texts | st.integers()


def test_every_member_is_tried() -> None:
    assert {config.output for config in TASK_CONFIGS.values()} == set(TASKS)


@settings(max_examples=300, deadline=None)
@given(raw_texts)
def test_parse_never_raises_and_reads_back_what_it_writes(text: str) -> None:
    for name, task in MEMBERS.items():
        parsed = task.parse(text)
        if parsed.error_kind is not None:
            assert parsed.value is None
            continue
        written = task.render(parsed.value)
        written.encode("utf-8")
        again = task.parse(written)
        assert (again.value, again.error_kind) == (parsed.value, None), name
        assert task.score(parsed.value, parsed.value) == 1.0
        assert task.render(again.value) == written


@settings(max_examples=200, deadline=None)
@given(anything)
def test_gold_never_raises_and_takes_the_form_of_an_answer(gold: object) -> None:
    for task in MEMBERS.values():
        parsed = task.parse_gold(gold)
        if parsed.error_kind is None:
            assert task.parse(task.render(parsed.value)).value == parsed.value


@settings(max_examples=200, deadline=None)
@given(json_values, json_values)
def test_a_score_is_a_share_and_one_means_the_same_canonical_answer(value: object, reference: object) -> None:
    for task in MEMBERS.values():
        assert 0.0 <= task.score(value, reference) <= 1.0


@given(json_values)
def test_strict_reading_undoes_canonical_writing(value: object) -> None:
    assert load_strict(dump_canonical(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_its_text(number: float) -> None:
    task = MEMBERS["number"]
    assert math.isclose(task.parse(task.render(number)).value, number, rel_tol=0, abs_tol=0)


@given(st.sets(st.sampled_from(LABELS)))
def test_any_set_of_labels_survives_its_text(labels: set[str]) -> None:
    task = MEMBERS["labels"]
    assert task.parse(task.render(sorted(labels))).value == sorted(labels)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_object_survives_its_text_and_a_fence_around_it(value: dict[str, object]) -> None:
    task = MEMBERS["json without schema"]
    assert task.parse(task.render(value)).value == value
    fenced = task.parse(f"```json\n{dump_canonical(value)}\n```")
    assert fenced.value == value

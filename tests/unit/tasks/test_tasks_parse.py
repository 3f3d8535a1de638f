"""Which repairs of answer text are lossless, and which texts are refused."""

from __future__ import annotations

import time

import pytest

from distill.tasks import Task, make_task
from distill.tasks.config import TaskConfig

LABELS = ["card_arrival", "lost_card", "Refund"]
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["a"],
    "additionalProperties": False,
}


def make(output: str, **fields: object) -> Task:
    return make_task(TaskConfig.model_validate({"output": output, "user": "{{ text }}", **fields}))


LABEL = make("label", labels=LABELS)
MANY = make("labels", labels=LABELS)
JSON = make("json", schema=SCHEMA)
NUMBER = make("answer", number=True)


@pytest.mark.parametrize(
    ("text", "label", "repaired"),
    [
        ("card_arrival", "card_arrival", None),
        (" card_arrival\n", "card_arrival", "whitespace"),
        ("CARD_ARRIVAL", "card_arrival", "case"),
        ("**lost_card**.", "lost_card", "quotes"),
        ("Lost card", "lost_card", "separators"),
        ("```\nlost_card\n```", "lost_card", "code_fence"),
        ('{"label": "lost_card"}', "lost_card", "json"),
        ("Label: lost_card", "lost_card", "surrounding_prose"),
        ("The correct intent is `refund`.", "Refund", "surrounding_prose+quotes"),
        ("Sure, here it is:\n\nlost_card\n\nAnything else?", "lost_card", "surrounding_prose"),
        ("lost_card\nThe customer cannot wait and is actually abroad.", "lost_card", "surrounding_prose"),
    ],
)
def test_a_label_is_found_through_harmless_wrapping(text: str, label: str, repaired: str | None) -> None:
    parsed = LABEL.parse(text)
    assert (parsed.value, parsed.repaired, parsed.error_kind) == (label, repaired, None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("card", "unknown_label"),
        ("not lost_card", "unknown_label"),
        ("lost_card or card_arrival", "unknown_label"),
        ("lost_card\ncard_arrival", "unknown_label"),
        ("It is not card_arrival.\nlost_card", "unknown_label"),
        ("lost_card\n\nWait, let me reconsider. The query says", "unknown_label"),
        ("lost_card\nOn second thought, it is another one.", "unknown_label"),
        ("lost_card\nNo, let me rethink", "unknown_label"),
        ("lost_card \ud800", "unparseable"),
    ],
)
def test_a_label_that_would_have_to_be_guessed_is_refused(text: str, kind: str) -> None:
    parsed = LABEL.parse(text)
    assert (parsed.value, parsed.error_kind) == (None, kind)


def test_two_labels_with_one_spelling_are_never_confused() -> None:
    task = make("label", labels=["Open", "open", "closed"])
    assert task.parse("open").value == "open"
    assert task.parse("OPEN").error_kind == "unknown_label"
    assert task.parse("Closed").value == "closed"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('["lost_card", "Refund"]', ["Refund", "lost_card"]),
        ('{"labels": ["Refund"]}', ["Refund"]),
        ("[]", []),
        ("None", []),
        ("refund, lost card", ["Refund", "lost_card"]),
        ("- Refund\n- lost_card", ["Refund", "lost_card"]),
        ("Refund", ["Refund"]),
    ],
)
def test_a_set_of_labels_is_read_from_json_and_from_lists(text: str, labels: list[str]) -> None:
    assert MANY.parse(text).value == labels


@pytest.mark.parametrize("text", ["Refund, other", '["Refund", 3]', '{"a": 1}', "3", "Refund and lost_card"])
def test_a_set_with_anything_unknown_is_refused(text: str) -> None:
    assert MANY.parse(text).error_kind in {"unknown_label", "unparseable"}


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('{"a": 1}', None),
        ('```json\n{"a": 1}\n```', "code_fence"),
        ('Here you are:\n```\n{"a": 1}\n```\nBye', "surrounding_prose"),
        ('Here you are: {"a": 1} as asked.', "surrounding_prose"),
        ('{"a": 1} and again {"a": 1}', "surrounding_prose"),
    ],
)
def test_json_is_taken_out_of_its_wrapping(text: str, repaired: str | None) -> None:
    parsed = JSON.parse(text)
    assert (parsed.value, parsed.repaired) == ({"a": 1}, repaired)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a": 1', "unparseable"),
        ("{'a': 1}", "unparseable"),
        ('{"a": 1, "a": 2}', "unparseable"),
        ('{"a": NaN}', "unparseable"),
        ('{"a": 1} or {"a": 2}', "unparseable"),
        ('{"a": "1"}', "schema_invalid"),
        ('{"b": 1}', "schema_invalid"),
        ("[1]", "schema_invalid"),
        ("{" * 5000, "unparseable"),
        ('{"a":' * 5000, "unparseable"),
    ],
)
def test_json_whose_meaning_is_in_doubt_is_refused(text: str, kind: str) -> None:
    assert JSON.parse(text).error_kind == kind


def test_a_schema_violation_names_the_place() -> None:
    assert JSON.parse('{"a": "x"}').detail.startswith("a: ")


def test_a_schema_that_points_outside_itself_is_refused_without_a_fetch() -> None:
    with pytest.raises(ValueError, match="not a valid JSON Schema"):
        make("json", schema={"$ref": "http://127.0.0.1:9/other.json"})


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42.0),
        ("-1,234.50", -1234.5),
        ("The total is 17 apples.", 17.0),
        ("3 + 4 = 7, so\n#### 7", 7.0),
        ("2 of 5. Answer: $3", 3.0),
        ("1e3", 1000.0),
    ],
)
def test_a_number_is_read_where_it_is_the_only_or_the_marked_one(text: str, number: float) -> None:
    assert NUMBER.parse(text).value == number


@pytest.mark.parametrize("text", ["between 3 and 4", "none", "nan", "1e999", "v2x"])
def test_text_without_one_number_is_refused(text: str) -> None:
    assert NUMBER.parse(text).error_kind == "not_a_number"


def test_a_pattern_takes_the_last_match_and_its_absence_is_an_error() -> None:
    task = make("answer", pattern=r"Answer: ([A-D])")
    assert task.parse("Answer: A? No.\nAnswer: B").value == "B"
    assert task.parse("B").error_kind == "unparseable"
    assert task.parse_gold("B").value == "B"


def test_gold_takes_the_form_of_an_answer() -> None:
    assert make("label", labels=["0", "1"]).parse_gold(1).value == "1"
    assert MANY.parse_gold(["lost_card", "Refund"]).value == ["Refund", "lost_card"]
    assert JSON.parse_gold({"a": 1}).value == {"a": 1}
    assert NUMBER.parse_gold("7").value == NUMBER.parse_gold(7).value == 7.0
    assert LABEL.parse_gold(None).error_kind == "missing"
    assert LABEL.parse_gold("other").error_kind == "unknown_label"


def test_partly_right_answers_score_between_nothing_and_one() -> None:
    assert MANY.score(["Refund"], ["Refund", "lost_card"]) == pytest.approx(2 / 3)
    assert 0 < JSON.score({"a": 1, "tags": ["x"]}, {"a": 1, "tags": ["y"]}) < 1
    assert JSON.score({"a": 1.0}, {"a": 1}) == 1.0
    assert JSON.score({"a": True}, {"a": 1}) == 0.0
    assert make("text").score("a b", "b a") < 1


def test_hostile_text_is_refused_in_little_time() -> None:
    texts = [
        "{" * 200_000,
        '{"a":' * 40_000,
        "```" * 50_000,
        "label is " * 20_000,
        "1,2," * 50_000,
        "9" * 200_000 + "x",
        "\n```" * 40_000,
    ]
    start = time.process_time()
    for text in texts:
        for task in (LABEL, MANY, JSON, NUMBER):
            assert task.parse(text).error_kind is not None
    assert time.process_time() - start < 8.0

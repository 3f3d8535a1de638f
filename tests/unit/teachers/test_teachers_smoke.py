"""The smoke test, against made rows and against a real prompt with a real defect."""

from __future__ import annotations

import json

import pytest

from distill.errors import TeacherError
from distill.teachers.config import SmokeConfig
from distill.teachers.smoke import (
    Outcome,
    check_prompt,
    check_prompt_labels,
    find_listed,
    find_unknown_labels,
    judge,
)  # fmt: skip


def test_enough_accepted_rows_pass():
    judge([Outcome(str(i), "a") for i in range(15)] + [Outcome("x", "?", "unparseable")], SmokeConfig())


def test_too_few_stop_with_reasons_samples_and_unknown_labels():
    rows = [Outcome(str(i), "a") for i in range(14)]
    rows += [Outcome("x", "made_up", "unknown_label", "made_up"), Outcome("y", "", "empty")]
    with pytest.raises(TeacherError) as stop:
        judge(rows, SmokeConfig())
    assert (stop.value.kind, stop.value.exit_code) == ("smoke", 6)
    for word in ("14 of the first 16", "unknown_label: 1", "'made_up' x1", "y: ''"):
        assert word in str(stop.value)


def test_a_small_run_is_held_to_the_same_share():
    judge([Outcome("a", "x"), Outcome("b", "x")], SmokeConfig())
    with pytest.raises(TeacherError):
        judge([Outcome("a", "x"), Outcome("b", "?", "empty")], SmokeConfig())


def test_a_label_inside_another_is_not_a_mention():
    assert check_prompt_labels("card_payment_fee", ["card_payment", "card_payment_fee"]) == [
        "the prompt does not mention 1 of the 2 labels: card_payment"
    ]


def test_the_real_defect_is_named(shared_data):
    folder = shared_data / "banking77"
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    listed = json.loads((folder / "prompt_labels.json").read_text(encoding="utf-8"))
    missing, invented = check_prompt_labels((folder / "prompt.txt").read_text(encoding="utf-8"), labels, listed)
    assert "does not mention" in missing
    assert "lists 10 labels" in invented
    assert "charged_card_purchase_wrong_exchange_rate" in invented


def test_the_real_answers_hold_labels_nobody_knows(shared_data):
    folder = shared_data / "banking77"
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / "frontier500.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [(row["id"], row["teacher"]) for row in rows]
    unknown = [None if answer in labels else answer for _, answer in answers]
    outcomes = [Outcome(i, a, "unknown_label" if u else "", u) for (i, a), u in zip(answers, unknown, strict=True)]
    assert sum(find_unknown_labels(outcomes).values()) == 38
    with pytest.raises(TeacherError, match="wrong_exchange_rate"):
        judge(outcomes, SmokeConfig(rows=500, min_accepted=469), labels=labels)


LABELS = ("card_arrival", "card_linking", "top_up", "refund")


@pytest.mark.parametrize(
    "prompt",
    ["Labels: card_arrival, card_linking, top_up, refund.", "- card_arrival\n- card_linking\n- top_up\n- refund\n",
     "Route the query.", "card_arrival is one label."],
)  # fmt: skip
def test_a_prompt_that_lists_all_labels_or_none_passes(prompt):
    check_prompt(prompt, LABELS, SmokeConfig())


def test_a_prompt_that_leaves_labels_out_stops_before_the_first_call():
    prompt = "Labels:\ncard_arrival, card_linking, top_up, reimburse\n\nOnly the label."
    with pytest.raises(TeacherError) as stop:
        check_prompt(prompt, LABELS, SmokeConfig())
    assert "1 of the 4 labels: refund" in str(stop.value)
    assert "lists 1 labels that the task does not know: reimburse" in str(stop.value)
    check_prompt(prompt, LABELS, SmokeConfig(min_accepted=0))


def test_the_real_prompt_is_stopped_and_every_label_named(shared_data):
    folder = shared_data / "banking77"
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    listed = json.loads((folder / "prompt_labels.json").read_text(encoding="utf-8"))
    prompt = (folder / "prompt.txt").read_text(encoding="utf-8")
    assert set(find_listed(prompt, labels)) == set(listed)
    with pytest.raises(TeacherError) as stop:
        check_prompt(prompt, labels, SmokeConfig())
    for label in (set(labels) ^ set(listed)) - {"card_payment_wrong_exchange_rate"}:
        assert label in str(stop.value)
    assert "16 of the 77 labels" in str(stop.value)
    assert "lists 10 labels" in str(stop.value)

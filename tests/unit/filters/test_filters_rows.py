from __future__ import annotations

import pytest
from fakes.candidates import LABEL_TASK, TEXT_TASK, candidate, judge, judge_answer

from distill.filters import FilterContext
from distill.tasks.config import TaskConfig

JSON_TASK = TaskConfig(output="json", user="{{ input }}")


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I cannot assist with that request.",
        "Sorry, I can't do that.",
        "As an AI language model, I have no opinion.",
        "Leider kann ich Ihnen dabei nicht helfen.",
        "Je ne peux pas répondre à cette demande.",
        "Lo siento, no puedo ayudar con eso.",
        "Mi dispiace, non posso aiutarti.",
    ],
)
def test_refusals_are_dropped_in_several_languages(answer: str) -> None:
    assert judge_answer("not_refusal", answer).reason == "refusal"


@pytest.mark.parametrize(
    "answer",
    ["sorry_not_received", "I am happy to help.", "The customer says: I can't help it.", "We are sorry for the delay."],
)
def test_answers_that_only_sound_like_refusals_stay(answer: str) -> None:
    assert judge_answer("not_refusal", answer).keep


def test_marked_refusal_is_dropped_whatever_the_text() -> None:
    assert judge_answer("not_refusal", "", refusal="no").reason == "refusal"


@pytest.mark.parametrize(
    "answer", ["<!DOCTYPE html>", "Traceback (most recent call last):\n", '{"error": {}}', "503 Service"]
)
def test_errors_stored_as_answers_are_dropped(answer: str) -> None:
    assert judge_answer("error_text", answer).reason == "error_text"


@pytest.mark.parametrize("answer", ["500 euros", "error_in_transfer", "The page shows <html> tags."])
def test_answers_about_errors_stay(answer: str) -> None:
    assert judge_answer("error_text", answer).keep


@pytest.mark.parametrize(("reason", "expected"), [("length", "truncated"), ("content_filter", "content_filter")])
def test_unfinished_answers_are_dropped(reason: str, expected: str) -> None:
    assert judge_answer("finished", "some text", finish_reason=reason).reason == expected


def test_failed_calls_and_unparsed_answers_keep_their_own_reasons() -> None:
    assert judge_answer("parseable", "", error_kind="timeout", parse_error="call_failed").reason == "call_timeout"
    assert judge_answer("parseable", "{", parse_error="unparseable").reason == "unparseable"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"min_words": 4}, "too_short"),
        ({"max_words": 2}, "too_long"),
        ({"max_ratio": 1.0}, "too_long_for_input"),
        ({}, ""),
    ],
)
def test_length_bounds(options: dict[str, float], reason: str) -> None:
    assert judge("length", [candidate("a", "two words", "three words here")], **options)[0].reason == reason


def test_confidence_drops_only_known_doubt() -> None:
    assert judge_answer("confidence", "x", sampled_logprobs=[-2.0, -1.0]).reason == "unsure"
    assert judge_answer("confidence", "x", sampled_logprobs=[-0.1]).keep
    assert judge_answer("confidence", "x").keep


@pytest.mark.parametrize("answer", ["no " * 12, "and then we go home " * 7, "The cat sat.\n" * 60])
def test_loops_are_dropped(answer: str) -> None:
    assert judge_answer("repetition", answer).reason in ("repeated_phrase", "repetitive")


def test_block_that_repeats_far_apart_is_dropped_by_its_compression() -> None:
    block = "Alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi. "
    assert judge_answer("repetition", block * 20).reason == "repetitive"


@pytest.mark.parametrize("answer", ["no no no", '{"a": [0, 0, 0, 0]}', "He said that that was that, and that was all."])
def test_ordinary_repetition_stays(answer: str) -> None:
    assert judge_answer("repetition", answer).keep


@pytest.mark.parametrize(
    ("answer", "task", "reason"),
    [
        ("The answer that was begun here breaks off in the", TEXT_TASK, "mid_sentence"),
        ("The answer that was begun here comes to its end.", TEXT_TASK, ""),
        ("Steps to follow:\n- open the app and look for the button on top", TEXT_TASK, ""),
        ("short answer", TEXT_TASK, ""),
        ("```json\n{}", TEXT_TASK, "open_code_fence"),
        ('{"a": "x}', JSON_TASK, "open_json"),
        ('{"a": "br\\"ace }"} that is all', JSON_TASK, ""),
        ("the label that has rather many words in its name", LABEL_TASK, ""),
    ],
)
def test_broken_off_ends_are_dropped_where_no_finish_reason_says(answer: str, task: TaskConfig, reason: str) -> None:
    assert judge_answer("truncated", answer, task, finish_reason=None).reason == reason
    assert judge_answer("truncated", answer, task, finish_reason="unknown").reason == reason
    assert judge_answer("truncated", answer, task, finish_reason="stop").keep


@pytest.mark.parametrize(
    ("votes", "kept"), [("aab", [1, 1, 0]), ("ab", [0, 0]), ("abc", [0, 0, 0]), ("a", [1]), ("aa", [1, 1])]
)
def test_self_consistency_keeps_a_true_majority(votes: str, kept: list[int]) -> None:
    rows = [candidate("x", "q", vote, sample=i) for i, vote in enumerate(votes)]
    assert [int(verdict.keep) for verdict in judge("self_consistency", rows)] == kept


def test_answer_agrees_asks_the_task_and_passes_rows_without_gold() -> None:
    context = FilterContext(TEXT_TASK, agrees=lambda value, gold: str(value).lower() == str(gold).lower())
    rows = [
        candidate("a", "q", "YES", gold_json='"yes"'),
        candidate("b", "q", "no", gold_json='"yes"'),
        candidate("c", "q"),
    ]
    assert [verdict.reason for verdict in judge("answer_agrees", rows, context)] == ["", "not_gold", ""]

from __future__ import annotations

import json
import math

import pytest
from fakes.candidates import LABEL_TASK, candidate
from fakes.spelling_teacher import END, as_columns, say

from distill.records.completion import TopLogprobs
from distill.stages.label_mass import LabelMass, read_label_mass
from distill.stages.lessons import make_lessons
from distill.teachers.rehearsal.spelling import split_words
from distill.teachers.replies import read_reply

CARDS = ("card_arrival", "card_linking", "card_not_working", "refund")
BELIEVED = {"card_arrival": 0.5, "card_linking": 0.2, "card_not_working": 0.1, "refund": 0.2}


def tell(*steps: dict[str, float]) -> TopLogprobs:
    """Return log-probabilities of the first token of each step, among the others that it names."""
    return TopLogprobs(
        sampled_tokens=tuple(next(iter(step)) for step in steps),
        sampled_logprobs=tuple(math.log(next(iter(step.values()))) for step in steps),
        tokens=tuple(tuple(step) for step in steps),
        logprobs=tuple(tuple(math.log(p) for p in step.values()) for step in steps),
    )


def read(logprobs: TopLogprobs, answer: str, label: str, labels: tuple[str, ...] = CARDS) -> LabelMass:
    mass = read_label_mass(logprobs, answer, label, labels)
    assert mass is not None
    return mass


def test_labels_that_share_their_first_token_are_told_apart_by_the_next():
    task = LABEL_TASK.model_copy(update={"labels": CARDS})
    row = candidate("a", "q", "card_arrival", **as_columns(say("card_arrival", BELIEVED, split_words)))
    (lesson,) = make_lessons([row], task)
    assert lesson.label_probs == pytest.approx([BELIEVED[label] for label in CARDS], abs=1e-9)


def test_what_several_labels_may_be_behind_an_alternative_is_open_and_shared_evenly():
    mass = read(say("refund", BELIEVED, split_words), "refund", "refund")
    assert mass.parts() == pytest.approx({"known": 0.2, "unresolved": 0.8, "unseen": 0, "elsewhere": 0})
    assert mass.spread(CARDS) == pytest.approx([0.8 / 3, 0.8 / 3, 0.8 / 3, 0.2])


def test_a_label_that_a_longer_alternative_begins_has_no_share_in_the_shorter_one():
    mass = read(tell({"refund": 0.4, "card": 0.4, "card_link": 0.2}), "refund", "refund")
    assert mass.known == pytest.approx({"refund": 0.4, "card_linking": 0.2})
    assert mass.spread(CARDS) == pytest.approx([0.2, 0.2, 0.2, 0.4])


def test_what_is_not_among_the_likeliest_goes_to_labels_that_none_of_these_begins():
    mass = read(tell({"card": 0.9}, {"_arrival": 0.7, "_linking": 0.2}), "card_arrival", "card_arrival")
    assert mass.parts()["unseen"] == pytest.approx(0.1 + 0.09)
    assert mass.spread(CARDS) == pytest.approx([0.63, 0.18, 0.09, 0.1])


def test_texts_that_are_no_label_are_left_out():
    mass = read(tell({"refund": 0.6, "Sorry": 0.4}), "refund", "refund")
    assert mass.elsewhere == pytest.approx(0.4)
    assert mass.spread(CARDS) == (0, 0, 0, 1)


def test_a_label_that_begins_another_ends_where_the_end_is_shown():
    labels = ("card", "card_arrival", "refund")
    for said in labels[:2]:
        mass = read(say(said, {"card": 0.3, "card_arrival": 0.6, "refund": 0.1}, split_words), said, said, labels)
        assert mass.spread(labels) == pytest.approx([0.3, 0.6, 0.1], abs=1e-9)
        assert mass.unresolved == []


def test_an_end_that_is_not_shown_leaves_open_what_was_not_said():
    labels = ("card", "card_arrival", "refund")
    logprobs = say("card", {"card": 0.6, "card_arrival": 0.3, "refund": 0.1}, split_words, shows_end=False)
    mass = read(logprobs, "card", "card", labels)
    assert mass.known == pytest.approx({"refund": 0.1})
    assert mass.parts()["unresolved"] == pytest.approx(0.9)
    assert mass.spread(labels) == pytest.approx([0.9, 0, 0.1])


@pytest.mark.parametrize("end", ["", "<|im_end|>", "</s>", "\n", "<｜end▁of▁sentence｜>"])
def test_ends_of_many_names_end_a_label(end: str):
    labels = ("card", "card_arrival")
    mass = read(tell({"card": 1.0}, {"_arrival": 0.75, end: 0.25}), "card_arrival", "card_arrival", labels)
    assert mass.spread(labels) == pytest.approx([0.25, 0.75])


FRAMES = [(" ", ""), ('"', '"'), ("**", "**\n"), ('{"label": "', '"}'), ("Label: ", "."), ('```\n["', '"]\n```')]


@pytest.mark.parametrize(("before", "after"), FRAMES)
def test_what_stands_around_a_label_changes_nothing(before: str, after: str):
    texts = {before + label + after: p for label, p in BELIEVED.items()}
    said = before + "card_linking" + after
    logprobs = say(said, texts, lambda text: [*before, *text[len(before) : len(text) - len(after)], *after])
    assert read(logprobs, said, "card_linking").spread(CARDS) == pytest.approx(list(BELIEVED.values()), abs=1e-9)


def test_a_label_is_read_given_the_rationale_before_it():
    thought, other = "It is late.\n", "It is lost.\n"
    answers = {thought + label: 0.1 * p for label, p in BELIEVED.items()} | {other + "refund": 0.9}
    mass = read(say(thought + "card_arrival", answers, split_words), thought + "card_arrival", "card_arrival")
    assert mass.spread(CARDS) == pytest.approx(list(BELIEVED.values()), abs=1e-9)


def test_reasoning_that_the_server_took_out_of_the_answer_is_passed_over():
    logprobs = tell({"<think>": 1.0}, {"card_linking": 0.1, "no": 0.1}, {"</think>": 0.5}, {"\n\n": 1.0},
                    {"refund": 0.7, "card_arr": 0.3}, {END: 1.0})  # fmt: skip
    mass = read(logprobs, "refund", "refund")
    assert mass.known == pytest.approx({"refund": 0.7, "card_arrival": 0.3})


def test_a_teacher_that_writes_labels_its_own_way_is_read_its_way():
    logprobs = tell({"CARD": 0.9, "REF": 0.1}, {" ARRIVAL": 0.8, " LINKING": 0.2})
    mass = read(logprobs, "CARD ARRIVAL", "card_arrival")
    assert mass.known == pytest.approx({"card_arrival": 0.72, "card_linking": 0.18, "refund": 0.1})


def test_several_alternatives_with_one_text_are_added_up():
    logprobs = TopLogprobs(("refund",), (math.log(0.5),), (("refund", "refund", " refund"),),
                           (tuple(math.log(p) for p in (0.5, 0.2, 0.3)),))  # fmt: skip
    assert read(logprobs, "refund", "refund").known == pytest.approx({"refund": 1.0})


def test_a_sampled_token_outside_its_own_alternatives_counts():
    logprobs = TopLogprobs(
        ("refund",), (math.log(0.1),), (("card_arr", "card_link"),), ((math.log(0.6), math.log(0.3)),)
    )
    mass = read(logprobs, "refund", "refund")
    assert mass.known == pytest.approx({"card_arrival": 0.6, "card_linking": 0.3, "refund": 0.1})


def test_rounded_probabilities_never_sum_to_more_than_one():
    mass = read(tell({"refund": 0.8, "card_arr": 0.4}), "refund", "refund")
    assert sum(mass.parts().values()) == pytest.approx(1.0)


def test_parts_of_characters_are_read_by_their_bytes():
    labels = ("日本", "日常", "月")
    steps = tell({"bytes:\\xe6\\x97": 0.9, "月": 0.1}, {"bytes:\\xa5": 1.0}, {"本": 0.5, "常": 0.5})
    assert read(steps, "日本", "日本", labels).spread(labels) == pytest.approx([0.45, 0.45, 0.1])


@pytest.mark.parametrize(
    ("logprobs", "answer"),
    [
        (tell({"ref": 0.9, "card": 0.1}), "refund"),
        (tell({"日": 1.0}, {"\ufffd": 1.0}), "日本"),
        (tell({"refund": 0.9}, {" or": 1.0}, {" refund": 1.0}), "refund or refund"),
        (TopLogprobs(("refund",), (-0.1,), ((),), ((),)), "refund"),
    ],
    ids=["tokens of another answer", "lost bytes", "label said twice", "no alternatives"],
)
def test_tokens_that_do_not_show_the_label_give_no_probabilities(logprobs: TopLogprobs, answer: str):
    label = "refund" if "refund" in answer else "日本"
    assert read_label_mass(logprobs, answer, label, (*CARDS, "日本")) is None


def test_an_impossible_answer_gives_no_probabilities():
    mass = LabelMass(elsewhere=1.0)
    assert mass.spread(CARDS) is None


def test_every_label_of_banking77_is_told_apart(shared_data):
    labels = tuple(json.loads((shared_data / "banking77" / "labels.json").read_text(encoding="utf-8")))
    weights = {label: 1.0 + i % 7 for i, label in enumerate(labels)}
    believed = {label: weight / sum(weights.values()) for label, weight in weights.items()}
    alone = 0
    for said in labels:
        mass = read(say(said, believed, split_words), said, said, labels)
        first = split_words(said)[0]
        alone += sum(label.startswith(first) for label in labels) == 1
        assert mass.known[said] == pytest.approx(believed[said], abs=1e-9)
    assert alone == 32


def test_a_reply_that_shows_parts_of_a_character_tells_its_labels_by_their_bytes():
    """Two labels that differ in the last byte of their character, as a byte-level tokenizer splits them."""

    def step(*tokens: tuple[bytes, float]) -> dict[str, object]:
        shown = [{"token": "\ufffd", "bytes": list(token), "logprob": math.log(p)} for token, p in tokens]
        return {**shown[0], "top_logprobs": shown}

    first, (good, bad) = "好".encode()[:2], ("好".encode()[2:], "奼".encode()[2:])
    content = [step((first, 1.0)), step((good, 0.75), (bad, 0.25))]
    choice = {"message": {"content": "好"}, "logprobs": {"content": content}}
    logprobs = read_reply(json.dumps({"choices": [choice]}).encode()).logprobs
    assert logprobs is not None
    labels = ("好", (first + bad).decode())
    assert read(logprobs, "好", "好", labels).spread(labels) == pytest.approx([0.75, 0.25])

from __future__ import annotations

import pytest

from distill.tasks.label_prefixes import LabelPrefixes, Span, is_opening, place_label

LABELS = ("card", "card_arrival", "Card_lost", "lost card", "größe", "日本", "why?")
PREFIXES = LabelPrefixes(LABELS)


def reach(text: str | bytes, looseness: int = 0) -> set[str]:
    return set(PREFIXES.reach(text.encode() if isinstance(text, str) else text, looseness))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", set(LABELS)),
        ("c", {"card", "card_arrival"}),
        ("card", {"card", "card_arrival"}),
        ("card_", {"card_arrival"}),
        ("C", {"Card_lost"}),
        ("card ", {"card"}),
        ("lost ", {"lost card"}),
        ("  los", {"lost card"}),
        ("cards", set()),
        ("why?", {"why?"}),
    ],
)
def test_a_text_begins_the_labels_that_are_written_so(text: str, labels: set[str]):
    assert reach(text) == labels


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('"card_a', "card_arrival"),
        ('card"', "card"),
        ('card"}', "card"),
        ("card.", "card"),
        ("CARD_A", "card_arrival"),
        ("card-arr", "card_arrival"),
        ("card arr", "card_arrival"),
        ("lost_", "lost card"),
        ("**Card_", "Card_lost"),
        ("GRÖ", "größe"),
    ],
)
def test_other_spellings_count_where_no_stricter_one_does(text: str, label: str):
    assert reach(text) == {label}


def test_a_teacher_that_is_careless_about_case_is_read_so():
    assert reach("card_l") == {"Card_lost"}
    assert reach("card_l", looseness=2) == {"Card_lost"}
    assert reach("card_", looseness=2) == {"card_arrival", "Card_lost", "card"}


@pytest.mark.parametrize(("text", "looseness"), [("card", 0), (" card\n", 0), ("`card`", 1), ("CARD", 2), ("'CARD'", 3),
                                                 ("card arrival", 4), ("none", 0)])  # fmt: skip
def test_how_loosely_a_label_is_spelt(text: str, looseness: int):
    assert PREFIXES.looseness(text) == looseness


def test_a_line_break_ends_a_label():
    assert reach("card\nBecause") == {"card"}
    assert reach("nonsense\ncard") == set()


def test_a_text_that_stops_inside_a_character_begins_the_labels_with_its_bytes():
    assert reach("日".encode()[:2]) == {"日本"}
    assert reach("gr\xf6".encode()[:3]) == {"größe"}
    assert reach(b"card\xc3") == set()


def test_a_character_that_the_server_lost_may_be_any_but_ascii():
    assert reach("gr\ufffd") == {"größe"}
    assert reach("card\ufffd") == set()


def test_whole_texts_are_read_as_the_parser_reads_them():
    assert [PREFIXES.whole(text) for text in (b"card", b'"Card_lost"', b"card_a", b"\xe6\x97")] == [
        "card", "Card_lost", None, None,
    ]  # fmt: skip


def test_quotes_around_do_not_hide_a_difference_in_case():
    pair = LabelPrefixes(("yes", "Yes"))
    assert pair.reach(b'"Yes"') == {"Yes"}
    assert pair.reach(b"YES") == {"yes", "Yes"}


@pytest.mark.parametrize(
    ("answer", "span"),
    [
        ("card_arrival", Span(0, 12)),
        ('{"label": "card_arrival"}', Span(11, 23)),
        ("Card Arrival.", Span(0, 12)),
        ("The label is: card_arrival", Span(14, 26)),
        ("It asks for card arrival.\ncard_arrival", Span(26, 38)),
        ("card_arrival\nbecause of card_arrival and card_arrival", Span(0, 12)),
        ("card_arrival or card_arrival", None),
        ("card_arrivals", None),
    ],
)
def test_a_label_is_found_where_it_is_said(answer: str, span: Span | None):
    assert place_label(answer, "card_arrival") == span


def test_no_label_is_nowhere():
    assert place_label("card", "") is None


@pytest.mark.parametrize(("text", "opens"), [(' "', True), ("\n\n", True), ("", False), (": ", False), ("{x", False)])
def test_what_may_stand_right_before_a_label(text: str, opens: bool):
    assert is_opening(text) == opens

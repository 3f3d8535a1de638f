"""A teacher's label probabilities come back from its tokens: exact where these show all, else within what is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from fakes.spelling_teacher import ALL, Split, say, train_bytes, train_characters
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.stages.label_mass import LabelMass, read_label_mass

WORDS = ("card", "cards", "arrival", "Arrival", "linking", "not", "no", "né", "née", "日本", "日", "🂡", "🂢", "?")
TRAINERS = {"characters": train_characters, "bytes": train_bytes}
FRAMES = [("", ""), (" ", ""), ("\n", "\n"), ('"', '"'), ('{"label": "', '"}'), ("It does not fit.\nLabel: ", ".")]

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
spellings = st.builds(lambda parts, joint: joint.join(parts), words, st.sampled_from("_ -"))
label_sets = st.lists(spellings, min_size=2, max_size=9, unique=True).map(tuple)


@st.composite
def beliefs(draw: st.DrawFn, sets: st.SearchStrategy[tuple[str, ...]]) -> tuple[tuple[str, ...], dict[str, float], str]:
    """Draw labels, what a teacher believes of them (some it rules out), and the one that it says."""
    labels = draw(sets)
    weights = draw(st.lists(st.integers(0, 50), min_size=len(labels), max_size=len(labels)).filter(any))
    probabilities = {label: w / sum(weights) for label, w in zip(labels, weights, strict=True) if w}
    return labels, probabilities, draw(st.sampled_from(sorted(probabilities)))


def read(said: str, labels: tuple[str, ...], believed: dict[str, float], split: Split, top: int, frame: tuple[str, str],
         *, shows_end: bool = True) -> LabelMass:  # fmt: skip
    before, after = frame
    texts = {before + label + after: p for label, p in believed.items()}
    logprobs = say(before + said + after, texts, split, top, shows_end=shows_end)
    mass = read_label_mass(logprobs, before + said + after, said, labels)
    assert mass is not None
    return mass


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2


def check(mass: LabelMass, labels: tuple[str, ...], believed: dict[str, float]) -> None:
    """Hold the recovered masses against what the teacher believes."""
    assert sum(mass.parts().values()) <= 1 + 1e-9
    open_parts = [*mass.unresolved, *mass.unseen]
    for label in labels:
        known, truth = mass.known.get(label, 0.0), believed.get(label, 0.0)
        behind = sum(part.mass for part in open_parts if label in part.labels)
        assert known - 1e-9 <= truth <= known + behind + 1e-9
    truths = [believed.get(label, 0.0) for label in labels]
    spread = mass.spread(labels)
    assert spread is not None
    assert sum(spread) == pytest.approx(1, abs=1e-9)
    assert distance(spread, truths) <= sum(part.mass for part in open_parts) + 1e-9
    if not mass.unresolved and mass.parts()["unseen"] < 1e-12:
        assert spread == pytest.approx(truths, abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(
    beliefs(label_sets), st.sampled_from(sorted(TRAINERS)), st.integers(20, 120), st.sampled_from([1, 2, 5, ALL]),
    st.sampled_from(FRAMES), st.booleans(),
)  # fmt: skip
def test_known_mass_is_true_and_the_rest_is_within_what_is_open(
    belief: tuple[tuple[str, ...], dict[str, float], str], kind: str, vocabulary: int, top: int,
    frame: tuple[str, str], shows_end: bool,
) -> None:  # fmt: skip
    labels, believed, said = belief
    split = TRAINERS[kind]([frame[0] + label + frame[1] for label in labels], vocabulary)
    if kind == "characters":  # it would merge a frame with what is in it: frames that differ are not the question here
        whole, (before, after) = split, frame
        split = lambda text: [*before, *whole(text[len(before) : len(text) - len(after)]), *after]  # noqa: E731
    check(read(said, labels, believed, split, top, frame, shows_end=shows_end), labels, believed)


combs = st.builds(
    lambda stem, letters, tail, whole: ((stem,) if whole else ()) + tuple(stem + "_" + c + tail for c in letters),
    spellings.filter(lambda stem: stem == stem.strip("_ -")),
    st.lists(st.sampled_from("abcxyzäö日本"), min_size=2, max_size=8, unique=True),
    st.sampled_from(["", "_rest", " er"]),
    st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(beliefs(combs), st.sampled_from(FRAMES), st.booleans())
def test_labels_that_part_only_along_what_was_said_come_back_exactly(
    belief: tuple[tuple[str, ...], dict[str, float], str], frame: tuple[str, str], by_bytes: bool
) -> None:
    labels, believed, said = belief
    split: Callable[[str], Sequence[str]] = train_bytes(labels, 0) if by_bytes else list
    mass = read(said, labels, believed, split, ALL, frame)
    check(mass, labels, believed)
    if not by_bytes and said != min(labels, key=len):
        assert mass.spread(labels) == pytest.approx([believed.get(label, 0.0) for label in labels], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(beliefs(label_sets), st.lists(st.text("card_ x\n", max_size=9), max_size=4), st.sampled_from([2, ALL]))
def test_answers_that_are_no_label_never_make_the_sum_larger(
    belief: tuple[tuple[str, ...], dict[str, float], str], others: list[str], top: int
) -> None:
    labels, believed, said = belief
    answers = {text: p / 2 for text, p in believed.items()}
    answers |= {text: 0.5 / len(others) for text in others if text not in answers and text.strip()}
    mass = read_label_mass(say(said, answers, list, top), said, said, labels)
    assert mass is not None
    assert sum(mass.parts().values()) <= 1 + 1e-9
    spread = mass.spread(labels)
    assert spread is None or (min(spread) >= 0 and sum(spread) == pytest.approx(1, abs=1e-9))

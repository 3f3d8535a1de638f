from __future__ import annotations

import enum
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.engine.fingerprint import canonicalise, diff, fingerprint
from distill.errors import UnstableValueError
from distill.students.config import StudentConfig

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


class Colour(enum.Enum):
    RED = "red"


@given(values)
def test_fingerprint_is_a_function_of_the_value(value: object) -> None:
    assert fingerprint(value) == fingerprint(value)
    assert diff(canonicalise(value), canonicalise(value)) == []


@given(st.dictionaries(st.text(), scalars, min_size=2))
def test_key_order_does_not_matter(value: dict[str, object]) -> None:
    assert fingerprint(value) == fingerprint(dict(reversed(list(value.items()))))


@given(values, values)
def test_a_difference_in_fingerprint_is_a_named_difference(one: object, two: object) -> None:
    left, right = canonicalise({"v": one}), canonicalise({"v": two})
    assert (fingerprint(left) == fingerprint(right)) == (diff(left, right) == []) or _is_empty_swap(left, right)


def _is_empty_swap(left: object, right: object) -> bool:
    """`{}` against `{'a': '(absent)'}` is the one pair that only the word absent tells apart."""
    return "(absent)" in str(left) + str(right)


def test_one_and_true_and_one_point_zero_are_three_values() -> None:
    assert len({fingerprint(1), fingerprint(True), fingerprint(1.0)}) == 3


def test_negative_zero_is_zero() -> None:
    assert fingerprint(-0.0) == fingerprint(0.0)


def test_enum_and_model_become_plain() -> None:
    assert canonicalise(Colour.RED) == "red"
    plain = canonicalise(StudentConfig(kind="classifier", base="x"))
    assert isinstance(plain, dict)
    assert plain["kind"] == "classifier"


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ({1, 2}, "sorted list"),
        (Path("a"), "runtime"),
        (lambda: 1, "registered name"),
        (b"x", "sha256"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        ({1: 2}, "string keys"),
        (object(), "plain values"),
    ],
)
def test_what_has_no_stable_form_is_refused_with_advice(value: object, advice: str) -> None:
    with pytest.raises(UnstableValueError, match=advice) as caught:
        fingerprint({"deep": [value]})
    assert "config.deep[0]" in str(caught.value)


def test_diff_names_the_leaf() -> None:
    old = {"filters": [{"name": "length", "min_words": 3}], "a": 1}
    new = {"filters": [{"name": "length", "min_words": 5}], "a": 1, "b": None}
    assert diff(old, new) == ["b: (absent) -> null", "filters[0].min_words: 3 -> 5"]


def test_fingerprint_is_the_same_in_another_process() -> None:
    code = "from distill.engine.fingerprint import fingerprint; print(fingerprint({'b': [1, 2.5, 'ü'], 'a': None}))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == fingerprint({"a": None, "b": [1, 2.5, "ü"]})

"""A screen passes rows in bulk: whatever the texts, the verdicts are those of judging every row by itself."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from fakes import planted
from fakes.candidates import candidate, make_candidates
from fakes.mixed_candidates import CONTEXT, make_mixed
from hypothesis import given
from hypothesis import strategies as st

from distill.filters import FILTERS, Rows
from distill.filters.base import RowFilter
from distill.filters.screens import widen
from distill.records.verdict import KEEP

SCREENED = [member for member in FILTERS.values() if isinstance(member, RowFilter) and member.screen is not None]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "length": [{}, {"min_words": 0, "max_words": 3}, {"min_words": 4}, {"max_ratio": 0.5}, {"min_tokens": 2}],
    "schema_valid": [{}, {"schema": {"type": "string"}}, {"strict": True}],
    "pii": [{}, {"kinds": ["iban", "key"], "columns": ["answer"]}, {"kinds": ["phone"]}],
    "generation": [{}, {"author_column": None, "student_models": []}, {"student_models": [""]}, {"column": 'a "b"'}],
    "confidence": [{}, {"required": True}],
    "repetition": [{}, {"max_repeats": 2, "min_bytes": 1, "max_compression": 1.1}],
    "language": [{"min_chars": 1, "expected": "en"}],
}
DRAW = random.Random(5)
PIECES = [
    *planted.REFUSALS,
    *planted.HEDGES,
    *planted.ERRORS,
    *(planted.make_pii(DRAW) for _ in range(40)),
    *"\u0130\u0131\u017f\u212a\u00a0\u2028\u3000\x1c\x0b\n\r\t 0\u0663.,'\u2019",
    *("yes yes yes yes yes yes yes", "Error: ", "I ", "CAN'T", "\u0131 am not sure", "ASSIS\u0130T", "\U0001f600"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=5).map("".join)
CASES = [(member, options) for member in SCREENED for options in OPTIONS.get(member.name, [{}])]


def compare(member: RowFilter, options: dict[str, Any], table: pa.Table) -> None:
    config, alone = member.config_type(**options), replace(member, screen=None)
    assert member.judge(Rows(table), config, CONTEXT) == alone.judge(Rows(table), config, CONTEXT)


@pytest.mark.parametrize(("member", "options"), CASES, ids=lambda case: getattr(case, "name", ""))
@given(answer=TEXTS, text=TEXTS, draw=st.data())
def test_whatever_the_texts_the_verdicts_are_the_same(
    member: RowFilter, options: dict[str, Any], answer: str, text: str, draw: st.DataObject
) -> None:
    other = {
        "finish_reason": draw.draw(st.sampled_from([None, "stop", "length", "content_filter", "unknown"])),
        "parse_error": draw.draw(st.sampled_from([None, "unknown_label", "unparseable"])),
        "refusal": draw.draw(st.sampled_from([None, "", "no"])),
        "model": draw.draw(st.sampled_from([None, "m", "distill/x"])),
        "columns_json": draw.draw(
            st.sampled_from(['{"generation":1}', '{"gener\\u0061tion":2}', "{}", '{"answered_by":"student"}', None])
        ),
        "sampled_logprobs": draw.draw(st.sampled_from([None, [], [-0.5], [-3.0]])),
    }
    row = candidate("a", text.encode("utf-8", "replace").decode(), answer.encode("utf-8", "replace").decode(), **other)
    compare(member, options, make_candidates([row, candidate("b", "q", "refund"), {**row, "answer": None}]))


@pytest.mark.parametrize(("member", "options"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_on_the_mixed_rows_the_verdicts_are_the_same(member: RowFilter, options: dict[str, Any]) -> None:
    compare(member, options, make_mixed())


@pytest.mark.parametrize("name", sorted({member.name for member in SCREENED} & set(planted.PLANTS)))
def test_on_planted_defects_the_verdicts_are_the_same(name: str) -> None:
    rows, _ = planted.plant(name, 600)
    kind, _, options = planted.PLANTS[name]
    table, member = make_candidates(rows), FILTERS[name]
    assert isinstance(member, RowFilter)
    context, config = planted.make_context(planted.TASKS[kind]), member.config_type(**options)
    screened = member.judge(Rows(table), config, context)
    assert screened == replace(member, screen=None).judge(Rows(table), config, context)
    assert any(not verdict.keep for verdict in screened.verdicts)


def test_a_screen_that_names_too_few_rows_is_seen() -> None:
    blind = replace(FILTERS["empty"], screen=lambda _, rows: [False] * rows.num_rows)
    table = make_mixed()
    assert set(blind.judge(Rows(table), blind.config_type(), CONTEXT).verdicts) == {KEEP}
    with pytest.raises(AssertionError):
        compare(blind, {}, table)


@given(text=st.text(alphabet="aıiIkKsS19 \u0663_-\u00a0é", max_size=12))
@pytest.mark.parametrize(
    "pattern", [r"\bkis\b", r"\w+\s\d", r"(?<![\d(-])1(?!9|\)|-)\d?", r"[^ia]\W\S$", r"\.?[\w\s]{2}-", r"é_"]
)
def test_a_widened_pattern_is_found_wherever_the_exact_one_is(pattern: str, text: str) -> None:
    found = re.search(pattern, text, re.IGNORECASE) is not None
    wide = pa.compute.match_substring_regex(pa.array([text]), widen(pattern, ignore_case=True))[0].as_py()
    assert wide or not found


@pytest.mark.parametrize("pattern", [r"\Aab", r"[^\w]", r"(a)\1"])
def test_what_cannot_be_widened_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot be widened"):
        widen(pattern)

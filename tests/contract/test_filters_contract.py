from __future__ import annotations

import random
import re

import pyarrow as pa
import pytest
from fakes.mixed_candidates import CONTEXT, OPTIONS, make_mixed

from distill.filters import FILTERS, Filter, FilterSpec, Rows, run_chain
from distill.filters.batch import columns_of
from distill.records.verdict import KEEP, Verdict

WHOLE = {"judge": "reads rows one by one, but caps and calibrates over all", "distribution": "drops nothing"}


def judge(member: Filter, rows: pa.Table) -> list[Verdict]:
    return list(member.judge(Rows(rows), member.config_type(**OPTIONS.get(member.name, {})), CONTEXT).verdicts)


@pytest.fixture(params=list(FILTERS.values()), ids=list(FILTERS))
def member(request: pytest.FixtureRequest) -> Filter:
    return request.param


def test_one_verdict_per_row_some_kept_some_dropped(member: Filter) -> None:
    verdicts = judge(member, make_mixed())
    assert len(verdicts) == make_mixed().num_rows
    assert {verdict.keep for verdict in verdicts} == ({True} if member.name == "distribution" else {True, False})


def test_every_drop_has_a_countable_reason_and_no_keep_has_one(member: Filter) -> None:
    for verdict in judge(member, make_mixed()):
        assert (verdict == KEEP or verdict.edits) if verdict.keep else re.fullmatch(r"[a-z][a-z0-9_]*", verdict.reason)


def test_judging_is_pure(member: Filter) -> None:
    rows = make_mixed()
    assert judge(member, rows) == judge(member, rows)
    assert rows.equals(make_mixed())


def test_a_filter_needs_only_the_columns_that_it_names(member: Filter) -> None:
    assert judge(member, make_mixed().select(columns_of_member(member))) == judge(member, make_mixed())


def columns_of_member(member: Filter) -> list[str]:
    return columns_of([FilterSpec(name=member.name, options=OPTIONS.get(member.name, {}))])


def test_empty_table_has_no_verdicts(member: Filter) -> None:
    assert judge(member, make_mixed().slice(0, 0)) == []


def test_order_free_filters_judge_each_row_alone(member: Filter) -> None:
    if not member.order_free:
        pytest.skip("looks across rows, and says so")
    rows = make_mixed()
    together = judge(member, rows)
    order = random.Random(7).sample(range(rows.num_rows), rows.num_rows)
    assert [judge(member, rows.slice(i, 1))[0] for i in order] == [together[i] for i in order]


def test_filters_that_are_not_order_free_do_look_across_rows(member: Filter) -> None:
    if member.order_free or member.name in WHOLE:
        pytest.skip(WHOLE.get(member.name, "judges each row by itself"))
    rows = make_mixed()
    assert [judge(member, rows.slice(i, 1))[0] for i in range(rows.num_rows)] != judge(member, rows)


def test_a_second_pass_over_what_was_kept_drops_nothing(member: Filter) -> None:
    spec = FilterSpec(name=member.name, options=OPTIONS.get(member.name, {}))
    once = run_chain(make_mixed(), [spec], CONTEXT)
    assert run_chain(once.kept, [spec], CONTEXT).rejected.num_rows == 0


def test_the_table_names_each_filter_as_it_names_itself(member: Filter) -> None:
    assert FILTERS[member.name] is member
    assert member.version >= 1

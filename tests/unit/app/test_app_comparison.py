"""Two runs paired: the right conclusion, and a refusal where rows are not the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.app.comparison import compare_pair
from distill.app.runs import Run
from distill.engine.parquet import write_rows
from distill.errors import DataError, UsageError
from distill.records.prediction import Prediction
from distill.records.tables import PREDICTIONS
from distill.stages.scoring import prediction_row


def make_rows(right: list[bool]) -> list[Prediction]:
    return [
        Prediction(
            f"r{i:03d}", "student", 0, "a", "ba"[ok], ok, float(ok), 0.9, None, 5.0, 1, 1, None, "a",
            {"channel": "chat" if i % 2 else "mail"}, None, f"h{i}",
        )
        for i, ok in enumerate(right)
    ]  # fmt: skip


@pytest.fixture
def run_of(tmp_path: Path):
    def make(name: str, rows: list[Prediction]) -> Run:
        directory = tmp_path / name
        directory.mkdir()
        write_rows([prediction_row(p) for p in rows], PREDICTIONS, directory / "predictions.parquet")
        return Run(directory, {"id": name, "name": "x", "stages": [], "config": {}})

    return make


def compare(first: Run, second: Run, **options):
    return compare_pair(first, second, **{"metric": "accuracy", "margin": 0.05, **options})


def test_a_better_student_is_said_to_be_better(run_of) -> None:
    found = compare(
        run_of("a", make_rows([True] * 240 + [False] * 60)), run_of("b", make_rows([True] * 290 + [False] * 10))
    )
    assert "second is better" in found.conclusion
    assert (found.only_first, found.only_second, found.n) == (0, 50, 300)
    assert found.second_not_worse.difference == pytest.approx(50 / 300)
    assert {rule.slice for rule in found.slices} == {"channel=chat", "channel=mail"}


def test_the_same_answers_are_as_good_both_ways(run_of) -> None:
    rows = make_rows([True] * 280 + [False] * 20)
    assert "as good as each other" in compare(run_of("a", rows), run_of("b", rows)).conclusion


def test_too_few_rows_show_nothing_rather_than_sameness(run_of) -> None:
    a, b = make_rows([True] * 25 + [False] * 5), make_rows([True] * 24 + [False] * 6)
    assert "neither is shown" in compare(run_of("a", a), run_of("b", b), margin=0.02).conclusion


def test_swapping_the_runs_swaps_the_conclusion(run_of) -> None:
    a, b = run_of("a", make_rows([True] * 240 + [False] * 60)), run_of("b", make_rows([True] * 300))
    assert "second is better" in compare(a, b).conclusion
    assert "first is better" in compare(b, a).conclusion


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:-1], "in one of them only"),
        (lambda rows: [*rows[:-1], replace(rows[-1], content_hash="other")], "another content"),
        (lambda rows: [*rows[:-1], replace(rows[-1], score=float("nan"))], "not a number"),
    ],
)
def test_runs_on_other_rows_are_refused_never_cut_to_what_they_share(run_of, change, words) -> None:
    rows = make_rows([True] * 50)
    with pytest.raises(DataError, match=words):
        compare(run_of("a", rows), run_of("b", change(rows)))


def test_an_unknown_system_is_refused_with_those_there_are(run_of) -> None:
    run = run_of("a", make_rows([True] * 50))
    with pytest.raises(UsageError, match="student"):
        compare(run, run, system="cascade")


def test_a_quantile_has_no_paired_difference(run_of) -> None:
    run = run_of("a", make_rows([True] * 50))
    with pytest.raises(UsageError, match="quantile"):
        compare(run, run, metric="p95_latency_ms")

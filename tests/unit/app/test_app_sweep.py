"""Values, their combinations, and what a sweep ends with."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from distill.app.runs import Run
from distill.app.sweep import MAX_POINTS, PointResult, Sweep, choose, list_varied, read_validation_loss, spread
from distill.errors import DataError, UsageError


def test_every_combination_comes_once_the_last_value_changing_fastest():
    points = spread(["student.lora.rank=8,16", "student.seed=1,2"])
    assert points == [
        ("student.lora.rank=8", "student.seed=1"),
        ("student.lora.rank=8", "student.seed=2"),
        ("student.lora.rank=16", "student.seed=1"),
        ("student.lora.rank=16", "student.seed=2"),
    ]


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("a=[1, 2],[3]", ["a=[1, 2]", "a=[3]"]),
        ("a={x: 1, y: 2},null", ["a={x: 1, y: 2}", "a=null"]),
        ("a='x,y',z", ["a='x,y'", "a=z"]),
        ("a=1,1, 2", ["a=1", "a=2"]),
        ("a=b=c", ["a=b=c"]),
        ("a=", ["a="]),
    ],
)
def test_commas_inside_brackets_and_quotes_are_part_of_a_value(flag, values):
    assert [point[0] for point in spread([flag])] == values


def test_no_flag_is_one_run_as_it_is():
    assert spread([]) == [()]


@pytest.mark.parametrize("flags", [["a"], ["=1,2"], ["a=1,,2"], ["a=1", "a=2"]])
def test_what_is_no_sweep_is_refused(flags):
    with pytest.raises(UsageError, match="--set"):
        spread(flags)


def test_too_many_combinations_are_refused():
    with pytest.raises(UsageError, match=str(MAX_POINTS)):
        spread([f"{name}=" + ",".join(map(str, range(11))) for name in "abc"])


def test_an_array_job_takes_its_own_combination():
    points = spread(["a=1,2,3"])
    assert choose(points, 2) == [("a=3",)]
    assert choose(points, None) == points
    for wrong in (-1, 3):
        with pytest.raises(UsageError, match="numbered from 0"):
            choose(points, wrong)


def test_a_point_is_told_by_what_it_does_not_share():
    points = spread(["a=1", "b=2,3", "c=4,5"])
    assert list_varied(points)[1] == ("b=2", "c=5")
    assert list_varied([("a=1",)]) == [("a=1",)]
    assert list_varied([()]) == [()]


HISTORY = [{"eval_loss": 3.0, "eval_loss_per_row": 90.0}, {"loss": 2.0}, {"eval_loss": 2.5, "eval_loss_per_row": 75.0}]


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"best_validation_loss": 2.5, "history": HISTORY}, {"loss": 2.5, "loss_per_row": 75.0}),
        ({"best_validation_loss": 3.0, "history": [{"eval_loss": 3.0}]}, {"loss": 3.0, "loss_per_row": None}),
        ({"best_validation_loss": None, "history": []}, None),
        (None, None),
    ],
    ids=["the lowest", "trained before it was noted", "no validation rows", "not trained"],
)  # fmt: skip
def test_the_validation_loss_of_a_run_is_that_of_the_weights_it_kept(tmp_path: Path, training, expected):
    run = Run(tmp_path / "run", {"id": "r", "state_dir": "..", "stages": [{"stage": "train", "key": "k"}]})
    if training is not None:
        run.artifact("train").mkdir(parents=True)
        (run.artifact("train") / "training.json").write_text(json.dumps(training), encoding="utf-8")
    assert read_validation_loss(run) == expected


def _ended(code: int | None) -> PointResult:
    if code is None:
        return PointResult((), None, DataError("no rows"))
    return PointResult((), SimpleNamespace(exit_code=code))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([3, 0, 7], 0), ([3, 4, 7], 4), ([3, 7], 3), ([7], 7), ([3, None], 7), ([None, 0], 0), ([], 0)],
)  # fmt: skip
def test_the_exit_code_is_the_best_verdicts(codes, expected):
    assert Sweep(tuple(_ended(code) for code in codes), Path("x.html")).exit_code == expected

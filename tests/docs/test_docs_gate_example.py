"""The figures of the worked example in docs/gate.md are what the library makes of the counts that stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from distill.gates.non_inferiority import _needed_binary
from distill.statistics.looks import bound_over_looks, spend_alpha
from distill.statistics.power import gate_power
from distill.statistics.proportions import clopper_pearson_interval, clopper_pearson_upper, wilson_interval
from distill.statistics.tango import tango_interval
from distill.statistics.tango_exact import exact_noninferiority_p

N = 960


@pytest.fixture
def page(repo_root: Path) -> str:
    return " ".join((repo_root / "docs" / "gate.md").read_text(encoding="utf-8").split())


def numbers(page: str, pattern: str) -> list[float]:
    """Return the groups of the one place that the pattern names; a page that says it otherwise fails."""
    found = re.findall(pattern, page)
    assert len(found) == 1, f"{pattern!r} stands {len(found)} times in the page"
    return [float(number) for number in (found[0] if isinstance(found[0], tuple) else found)]


def counts(page: str, system: str) -> list[float]:
    return numbers(page, rf"\| {system} \| (\d+) of {N} \| ([.\d]*\d) \| ([.\d]*\d) to ([.\d]*\d) \|")


@pytest.mark.parametrize("system", ["teacher", "cascade", "student alone"])
def test_each_share_and_interval_is_that_of_its_count(page: str, system: str) -> None:
    right, share, low, high = counts(page, system)
    assert share == pytest.approx(right / N, abs=5e-5)
    assert (low, high) == pytest.approx(wilson_interval(right, N), abs=5e-5)


def table(page: str) -> tuple[int, int]:
    """Return (cascade only, teacher only) right."""
    lost, won = numbers(page, r"On (\d+) of the 960 rows the teacher is right and the cascade wrong, on (\d+) ")
    return int(won), int(lost)


def test_the_difference_and_its_interval_follow_from_the_rows_that_part(page: str) -> None:
    b, c = table(page)
    assert counts(page, "cascade")[0] - counts(page, "teacher")[0] == b - c
    (difference,) = numbers(page, r"\(0 - 5\) / 960 = (-[.\d]*\d)")
    assert difference == pytest.approx((b - c) / N, abs=5e-5)
    interval = numbers(page, r"\(the interval\): (-[.\d]*\d) to (-[.\d]*\d)\.")
    assert interval == pytest.approx(tuple(tango_interval(b, c, N)), abs=5e-5)


def test_p_power_and_needed_rows_are_those_of_the_gates_own_test(page: str) -> None:
    b, c = table(page)
    (p,) = numbers(page, r"would look this good by luck: ([.\d]*\d)\.")
    assert p == pytest.approx(exact_noninferiority_p(b, c, N, 0.02), abs=5e-5)
    (power,) = numbers(page, r"would pass with this many rows: over ([.\d]*\d)\.")
    assert gate_power(N, 0.02, (b + c) / N) > power
    (needed,) = numbers(page, r"\*\*needed_n\*\*: (\d+) rows")
    assert needed == _needed_binary(0.02, b, c, N, 0.05)


def test_the_student_alone_is_what_its_rows_say(page: str) -> None:
    c, b, difference, low, high = numbers(
        page,
        r"right on (\d+) rows, the student alone on (\d+): a difference of (-[.\d]*\d), "
        r"interval (-[.\d]*\d) to (-[.\d]*\d)\.",
    )
    assert counts(page, "student alone")[0] - counts(page, "teacher")[0] == b - c
    assert difference == pytest.approx((b - c) / N, abs=5e-4)
    assert (low, high) == pytest.approx(tuple(tango_interval(int(b), int(c), N)), abs=5e-4)


def test_none_in_960_is_bounded_as_the_page_says(page: str) -> None:
    (upper,) = numbers(page, r"none in 960, so the rate is at most ([.\d]*\d)")
    assert upper == pytest.approx(clopper_pearson_interval(0, N).high, abs=5e-5)
    assert clopper_pearson_upper(0, 100) > 0.01, "in 100 rows the same would not have passed"


def test_the_thresholds_promise_is_the_bound_on_its_count(page: str) -> None:
    rows, answered, wrong, share, upper = numbers(
        page,
        r"on (\d+) validation rows (\d+) reached it and (\d+) of those were wrong, "
        r"3 of 384 = ([.\d]*\d)% of the traffic\. With 90% confidence that share is at most ([.\d]*\d)%",
    )
    assert answered < rows
    assert share == pytest.approx(100 * wrong / rows, abs=5e-3)
    assert upper == pytest.approx(100 * clopper_pearson_upper(wrong, rows, 0.9), abs=5e-2)
    (held,) = numbers(page, r"5 of 960 = ([.\d]*\d)%")
    assert held == pytest.approx(100 * table(page)[1] / N, abs=5e-3)


def test_the_looks_cost_what_the_page_says(page: str) -> None:
    (ever,) = numbers(page, r"0\.0083, 0\.0042, \.\.\. \| at most ([.\d]*\d) \|")
    assert ever == pytest.approx(bound_over_looks(0.05))
    assert [round(spend_alpha(0.05, k), 4) for k in (2, 3)] == [0.0083, 0.0042]
    (three,) = numbers(page, r"0\.0025, 0\.0017, \.\.\. \| at most ([.\d]*\d) \|")
    assert three == pytest.approx(bound_over_looks(0.05, 3))

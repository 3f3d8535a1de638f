"""The fallback threshold: certified on rows of its own, calibrated on the others, honest where it cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from distill.engine.stage import Context
from distill.metrics.calibration import fit_calibration
from distill.metrics.config import FallbackConfig
from distill.records.training import Answer, Prompt
from distill.stages.threshold import fit_threshold
from distill.stages.validation import ValidationRow, divide_validation
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

TASK = make_task(TaskConfig(output="label", labels=("a", "b"), user="{{ text }}"))


def make(n: int, seed: int = 0) -> tuple[list[ValidationRow], list[Answer]]:
    """Answers whose confidence is the chance that they are right."""
    rng = np.random.default_rng(seed)
    rows = [ValidationRow(Prompt(f"v{i}", "x"), "a") for i in range(n)]
    sure = rng.beta(6, 1, n)
    return rows, [Answer(f"v{i}", "a" if rng.random() < p else "b", float(p)) for i, p in enumerate(sure)]


def fit(context: Context, n: int, **options):
    rows, answers = make(n)
    return fit_threshold(rows, answers, TASK, FallbackConfig(**options), 0, context)


def test_the_certificate_stands_on_rows_of_its_own(split_context: Context) -> None:
    fitted = fit(split_context, 2000, target_risk=0.1)
    table = json.loads((split_context.output_dir / "validation.json").read_text())
    certifying = {row["id"] for row in table if row["part"] == "certifying"}
    assert certifying == divide_validation([row["id"] for row in table], own_rows=True).certifying
    assert fitted.choice.certified
    assert fitted.choice.n == len(certifying)
    assert fitted.calibration is not None
    assert fitted.calibration.n == 2000 - len(certifying)


def test_nothing_can_be_certified_at_two_hundred_rows_and_that_is_said(split_context: Context) -> None:
    fitted = fit(split_context, 200, target_risk=0.01)
    assert not fitted.choice.certified
    assert "nothing can be certified at n=" in fitted.choice.reason


def test_few_rows_are_not_halved(split_context: Context) -> None:
    fit(split_context, 24, target_risk=0.3)
    assert {row["part"] for row in json.loads((split_context.output_dir / "validation.json").read_text())} == {"both"}


def test_what_is_stored_with_the_student_says_what_the_threshold_promises(split_context: Context) -> None:
    fitted = fit(split_context, 2000, target_risk=0.1)
    stored = fitted.manifest()
    assert stored["fallback"]["threshold"] == fitted.choice.threshold
    assert stored["fallback"]["chance_of_right_there"] == pytest.approx(fitted.choice.threshold, abs=0.12)
    assert stored["calibration"]["method"] == "isotonic"
    json.dumps(stored, allow_nan=False)


def test_calibration_never_reorders_and_corrects_overconfidence() -> None:
    rng = np.random.default_rng(3)
    said = rng.uniform(0.5, 1, 3000)
    found = fit_calibration(said.tolist(), (rng.random(3000) < said - 0.2).tolist())
    assert found is not None
    assert found.ece > 3 * found.ece_null_95, "what was said is far from what was so"
    chances = [found.chance(x) for x in np.linspace(0.5, 1, 20)]
    assert chances == sorted(chances)
    assert found.chance(0.9) == pytest.approx(0.7, abs=0.06)
    assert fit_calibration([0.5] * 49, [True] * 49) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_promise_of_the_certificate_holds_at_least_as_often_as_it_says(seed) -> None:
    """P(true risk above the target) <= delta over 150 validation sets each."""
    from distill.metrics.threshold import choose_threshold

    rng, broken, draws = np.random.default_rng(seed), 0, 150
    for _ in range(draws):
        sure = rng.beta(6, 1, 400)
        choice = choose_threshold(sure.tolist(), (rng.random(400) < sure).tolist(), FallbackConfig(target_risk=0.08))
        if choice.certified:
            population = np.random.default_rng(1).beta(6, 1, 40_000)
            kept = population[population >= choice.threshold]
            broken += float(1 - kept.mean()) > 0.08
    assert broken / draws <= 0.1 + 3 * (0.1 * 0.9 / draws) ** 0.5

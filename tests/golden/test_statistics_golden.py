"""Every case of statistics.json: expected values from independent implementations, named there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distill.statistics import (
    agreement,
    bootstrap,
    calibration,
    change,
    clusters,
    confidence_sequence,
    drift,
    holm,
    label_shift,
    learning_curve,
    mcnemar,
    mmd,
    newcombe,
    paired,
    power,
    proportions,
    sampling,
    selective,
    tango,
)

FAMILIES: dict[str, Any] = json.loads((Path(__file__).parent / "statistics.json").read_text())
FAMILIES.pop("_note")


def _ece_and_aurc(conf: list[float], correct: list[int], bins: int) -> list[float]:
    return [
        calibration.expected_calibration_error(conf, correct, bins),
        selective.area_under_risk_coverage(conf, correct),
    ]


def _detector_at_10_and_40(x: list[int], p0: float, p1: float) -> list[float]:
    values = change.shiryaev_roberts(x, p0, p1)
    return [values[9], values[39]]


OURS: dict[str, Callable[..., Any]] = {
    "wilson_95_two_sided": proportions.wilson_interval,
    "clopper_pearson_upper_one_sided_95": proportions.clopper_pearson_upper,
    "zero_failure_n": lambda p_max, conf: proportions.zero_failure_n(float(p_max), float(conf)),
    "tango_ci_95": tango.tango_interval,
    "tango_noninferiority_p": tango.tango_noninferiority_p,
    "newcombe10_ci_95": newcombe.newcombe_interval,
    "mcnemar_exact_two_sided": mcnemar.mcnemar_exact_p,
    "mcnemar_midp": mcnemar.mcnemar_midp,
    "n_paired_noninferiority": lambda margin, psi, d, alpha, power: _needed(margin, psi, d, alpha, power),
    "clustered_se_mean": lambda x, g: clusters.clustered_se(x, g),
    "paired_t_ci_95": paired.paired_t_interval,
    "bca_ci_95_mean": lambda d: bootstrap.bca_interval(d, resamples=60_000, seed=1),
    "betabinomial_confidence_sequence_95": confidence_sequence.confidence_sequence,
    "one_sided_log_e_value": confidence_sequence.log_e_value,
    "holm_adjusted_p": lambda p: holm.holm_adjust(p),
    "ece_equal_width_right_closed_and_aurc": _ece_and_aurc,
    "psi_and_calibrated_99pct_threshold": lambda p, q, n_ref, n_cur: [
        drift.population_stability_index(p, q),
        drift.psi_threshold(n_ref, n_cur, len(p)),
    ],
    "mmd2_unbiased_rbf": mmd.mmd_squared,
    "student_gold_accuracy_bounds": lambda agreement, teacher_acc: _bounds(agreement, teacher_acc),
    "pass_at_k": sampling.pass_at_k,
    "bbse_weights": lambda joint_pred_by_true, target_pred_marginal: label_shift.label_shift_weights(
        joint_pred_by_true, target_pred_marginal
    ),
    "pow3_noise_free_forecast": lambda n, y, predict_at: learning_curve.fit_power_law(n, y).at(predict_at),
    "shiryaev_roberts_e_detector": _detector_at_10_and_40,
    "temperature_scaling_T": lambda logits, y: calibration.fit_temperature(logits, y),
}


def _needed(margin: float, psi: float, d: float, alpha: float, wanted: float) -> int:
    return power.needed_n(margin, psi, d, alpha, wanted)


def _bounds(rate: float, teacher_acc: float) -> Any:
    return agreement.student_accuracy_bounds(rate, teacher_acc)


CASES = [
    pytest.param(name.split(" ")[0], case, family["tolerance"], id=f"{name.split(' ')[0]}-{number}")
    for name, family in FAMILIES.items()
    for number, case in enumerate(family["cases"])
]


def test_all_24_families_are_met() -> None:
    assert len(FAMILIES) == 24
    assert {name.split(" ")[0] for name in FAMILIES} == set(OURS)


@pytest.mark.parametrize(("name", "case", "tolerance"), CASES)
def test_golden_value(name: str, case: dict[str, Any], tolerance: float) -> None:
    got = np.asarray(OURS[name](**case["in"]), dtype=float)
    want = np.asarray(case["out"], dtype=float)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance if tolerance else 0)


@pytest.mark.parametrize("case", FAMILIES["n_paired_noninferiority"]["cases"], ids=lambda case: f"n={case['out']}")
def test_exact_power_at_the_formula_n(case: dict[str, Any]) -> None:
    given = case["in"]
    got = power.tango_power(case["out"], given["margin"], given["psi"], given["d"], given["alpha"])
    assert math.isclose(got, case["exact_power"], abs_tol=1e-4)

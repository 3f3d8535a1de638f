from __future__ import annotations

import numpy as np
import pytest

from distill.costs import CostInputs, CostsConfig, HeldoutRow, ServingCostConfig, TeacherLedger, TrainingCostConfig


@pytest.fixture
def config() -> CostsConfig:
    return CostsConfig(
        student=ServingCostConfig(usd_per_hour=0.8, utilisation=0.5),
        training=TrainingCostConfig(usd_per_hour=2.5),
        simulations=2000,
    )


@pytest.fixture
def inputs() -> CostInputs:
    rng = np.random.default_rng(3)
    rows = tuple(
        HeldoutRow(
            student_correct=bool(rng.random() < confidence),
            teacher_correct=bool(rng.random() < 0.99),
            confidence=float(confidence),
            student_latency_ms=5.0,
            teacher_latency_ms=400.0,
            teacher_cost_usd=float(rng.lognormal(-7, 0.4)),
        )
        for confidence in rng.beta(4, 1, 400)
    )
    ledger = TeacherLedger(
        calls=2000, input_tokens=900_000, output_tokens=20_000, usd=2.4, wasted_usd=0.1, price_source="price book"
    )
    return CostInputs(
        ledger,
        rows,
        throughput_per_s=120.0,
        p50_ms=5.0,
        p95_ms=8.0,
        training_s=240.0,
        evaluation_s=30.0,
        heldout=TeacherLedger(calls=400, usd=0.4, wasted_usd=0.0),
        threshold=0.8,
    )

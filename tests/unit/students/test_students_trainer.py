"""The trainer: steps are the same however they are cut, the best weights are kept, stopping early, trackers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distill.errors import ConfigError, DataError
from distill.students.config import StudentConfig, TinyModelConfig
from distill.students.device import place
from distill.students.trainer import Batch, LossSum, Setting, TeachingSet, fit, plan_training

CONFIG = StudentConfig(
    kind="causal_lm", base=TinyModelConfig(), epochs=3, learning_rate=0.05, batch_tokens=40, schedule="constant"
)


class Line(nn.Module):
    """y = w x, squared error: a model whose training can be followed by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> LossSum:
        loss_B = (batch["y"] - self.w * batch["x"]) ** 2
        return LossSum((loss_B * batch["loss_weight"]).sum(), batch["loss_weight"].sum())


def make_set(count: int, slope: float) -> TeachingSet:
    x_N = torch.linspace(0.1, 1.0, count)

    def collate(rows: Sequence[int]) -> dict[str, Tensor]:
        return {"x": x_N[list(rows)], "y": slope * x_N[list(rows)], "loss_weight": torch.ones(len(rows))}

    return TeachingSet([10] * count, collate, f"{slope}")


def train(path: Path, validation: TeachingSet, tracking: tuple[str, ...] = (), **changes: object):
    model = Line()
    setting = Setting(place("cpu"), path, tracking)
    rows, config = make_set(12, 1.0), CONFIG.model_copy(update=changes)
    result = fit(model, rows, validation, plan_training(rows, config), config, setting)
    return model, result


def test_accumulation_changes_memory_and_nothing_else(tmp_path: Path):
    whole, one = train(tmp_path / "a", make_set(0, 1.0))
    cut, three = train(tmp_path / "b", make_set(0, 1.0), gradient_accumulation=3)
    assert one.steps == three.steps == 9
    assert cut.w.item() == pytest.approx(whole.w.item(), abs=1e-6)


def test_more_micro_batches_than_rows_train_the_same(tmp_path: Path):
    whole, _ = train(tmp_path / "a", make_set(0, 1.0))
    cut, result = train(tmp_path / "b", make_set(0, 1.0), gradient_accumulation=7)
    assert result.steps == 9
    assert cut.w.item() == pytest.approx(whole.w.item(), abs=1e-6)


def test_weights_of_the_best_validation_loss_are_kept(tmp_path: Path):
    model, result = train(tmp_path, make_set(4, 0.2), epochs=6, learning_rate=0.1)
    losses = [entry["eval_loss"] for entry in result.history if "eval_loss" in entry]
    assert min(losses) < losses[-1]
    assert result.best_validation_loss == min(losses)
    best = model(make_set(4, 0.2).collate(range(4)))
    assert (best.loss / best.weight).item() == pytest.approx(min(losses), rel=1e-5)
    (per_row,) = [entry["eval_loss_per_row"] for entry in result.history if entry.get("eval_loss") == min(losses)]
    assert best.loss.item() / 4 == pytest.approx(per_row, rel=1e-5)


def test_training_stops_after_patience_evaluations_in_vain(tmp_path: Path):
    _, result = train(tmp_path, make_set(4, 0.0), epochs=50, learning_rate=0.1, early_stopping_patience=2)
    losses = [entry["eval_loss"] for entry in result.history if "eval_loss" in entry]
    assert len(losses) == 3
    assert result.steps == 9


def test_without_validation_the_last_weights_stay(tmp_path: Path):
    _, result = train(tmp_path, make_set(0, 1.0), early_stopping_patience=1)
    assert result.best_validation_loss is None
    assert result.steps == 9


def test_loss_that_is_no_number_stops_the_training(tmp_path: Path):
    with pytest.raises(DataError, match=r"became (inf|nan).*lower student\.learning_rate"):
        train(tmp_path, make_set(0, 1.0), learning_rate=1e38, max_grad_norm=1e38)


def test_unknown_tracker_is_a_config_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="unknown tracker 'comet'"):
        train(tmp_path, make_set(0, 1.0), tracking=("comet",))


def test_tracker_that_is_not_installed_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("distill.students.trackers._MODULES", {"wandb": "no_such_module"})
    with pytest.raises(ConfigError, match=r"pip install 'distill\[wandb\]'"):
        train(tmp_path, make_set(0, 1.0), tracking=("wandb",))

"""Each tracker, as its own reader sees it, holds the losses that the training noted. No account, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


def train(folder: Path, tracker: str, **environment: str) -> list[float]:
    """Train in a process of its own (trackers keep global state); return the validation losses."""
    script = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("tracked_training.py"))]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **environment}
    command = [*script, str(folder / "out"), str(folder / "work"), tracker]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[0")))


def test_tensorboard_reads_the_losses_back(tmp_path: Path):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    losses = train(tmp_path, "tensorboard", TENSORBOARD_LOGGING_DIR=str(tmp_path / "curves"))
    events = reading.EventAccumulator(str(tmp_path / "curves")).Reload()
    assert [event.value for event in events.Scalars("eval/loss")] == pytest.approx(losses, rel=1e-5)
    assert [event.step for event in events.Scalars("eval/loss")] == [3, 6, 9, 12]


def test_mlflow_reads_the_losses_back_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tracking = pytest.importorskip("mlflow.tracking")
    store = (tmp_path / "runs").as_uri()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    losses = train(tmp_path, "mlflow", MLFLOW_TRACKING_URI=store)
    client = tracking.MlflowClient(store)
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert [m.value for m in client.get_metric_history(run.info.run_id, "eval_loss")] == pytest.approx(losses, rel=1e-6)
    assert run.info.status == "FINISHED"


def test_wandb_offline_writes_a_run_that_can_be_synchronised_later(tmp_path: Path):
    pytest.importorskip("wandb")
    losses = train(tmp_path, "wandb", WANDB_MODE="offline", WANDB_DIR=str(tmp_path), WANDB_PROJECT="distill")
    (written,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = written.read_bytes()
    assert b"eval/loss" in content
    assert all(repr(loss)[:8].encode() in content for loss in losses)

"""`distill export` on a whole run: a new folder with card and parity, or one clear line and nothing left behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

pytestmark = pytest.mark.slow


def distill(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "distill", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    config = Path(__file__).parents[2] / "configs" / "tiny.yaml"
    done = distill("run", config, "--set", "student.lora={rank: 4}", "--set", "student.epochs=1", cwd=root)
    assert (root / "runs" / "tiny" / "latest" / "gate.json").is_file(), done.stderr
    return root


def test_merged_export_has_card_thresholds_and_parity(run_dir: Path):
    done = distill("export", "tiny@latest", "--format", "merged", "-o", "out/merged", cwd=run_dir)
    assert done.returncode == 0, done.stderr
    out = run_dir / "out" / "merged"
    assert json.loads((out / "export_parity.json").read_text())["passes"] is True
    card = ModelCard((out / "README.md").read_text())
    assert card.data.to_dict()["library_name"] == "transformers"
    assert {result.metric_type for result in card.data.eval_results} >= {"accuracy", "failure_rate"}
    digest = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    assert f"- exported `model.safetensors`: sha256 `{digest}`" in card.text
    assert "parity (merged float32, run in float32): the same choice at 100.00%" in done.stdout
    assert not (out / "probe.safetensors").exists()


def test_folder_in_use_is_refused_and_kept(run_dir: Path):
    taken = run_dir / "taken"
    taken.mkdir()
    (taken / "mine").write_text("x")
    done = distill("export", "tiny@latest", "--format", "vllm", "-o", taken, cwd=run_dir)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in taken.iterdir()] == ["mine"]


def test_failed_export_leaves_nothing(run_dir: Path):
    done = distill("export", "tiny@latest", "--format", "onnx", "--dtype", "float16", "-o", "out/onnx", cwd=run_dir)
    assert done.returncode == 2
    assert "writes float32" in done.stderr
    assert not (run_dir / "out" / "onnx").exists()
    assert not (run_dir / "out" / ".onnx.draft").exists()

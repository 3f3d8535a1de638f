"""Training on a real GPU; skipped where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from fakes.dense_head_loss import measure_densely, relative_error
from fakes.small_training import make_config, make_rows

from distill.records.runtime import RuntimeConfig
from distill.students import get_student, trainer
from distill.students.head_loss import sum_head_loss
from distill.students.protocol import Lessons
from distill.students.sparse_targets import hard_targets
from distill.tasks.config import TaskConfig

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

ROWS, CONFIG = make_rows(60), make_config(epochs=4, learning_rate=1e-2)


def train(out: Path, device: str, **changes: object) -> list[float]:
    """Train a tiny student; return its losses."""
    task, config = TaskConfig(output="text", user="{{ text }}"), CONFIG.model_copy(update=changes)
    runtime = RuntimeConfig(device=device)
    report = get_student("causal_lm").train(Lessons(ROWS, ROWS[:9]), task, config, runtime, out, out / "work")
    return [entry.get("loss", entry.get("eval_loss", 0.0)) for entry in report.history[:-1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_head_loss_on_the_gpu_equals_the_dense_reference(dtype: torch.dtype):
    torch.manual_seed(0)
    head = torch.nn.Linear(64, 500, bias=False)
    hidden_NH, ids_N, weight_N = torch.randn(50, 64), torch.arange(50), torch.rand(50)
    mine = hidden_NH.cuda().requires_grad_()
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        sum_head_loss(mine, head.cuda(), hard_targets(ids_N.cuda(), weight_N.cuda())).backward()
    wide = hidden_NH.double().requires_grad_()
    measure_densely(head.cpu().double()(wide), hard_targets(ids_N, weight_N)).backward()
    assert relative_error(mine.grad.cpu(), wide.grad) < (1e-3 if dtype == torch.float32 else 2e-2)


def test_head_loss_never_holds_the_logits():
    rows, width, vocabulary = 8192, 256, 100_000
    head = torch.nn.Linear(width, vocabulary, bias=False, device="cuda").requires_grad_(False)
    hidden_NH = torch.randn(rows, width, device="cuda", requires_grad=True)
    ids_N, weight_N = torch.randint(vocabulary, (rows,), device="cuda"), torch.ones(rows, device="cuda")
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    sum_head_loss(hidden_NH, head, hard_targets(ids_N, weight_N)).backward()
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before < rows * vocabulary * 4 / 4


@pytest.mark.parametrize("changes", [{}, {"packing": True}, {"lora": None, "learning_rate": 1e-3}])
def test_training_in_bf16_has_the_losses_of_a_cpu_in_fp32(changes: dict[str, object], tmp_path: Path):
    on_gpu = train(tmp_path / "gpu", "cuda", **changes)
    assert on_gpu == pytest.approx(train(tmp_path / "cpu", "cpu", **changes), abs=0.05)


def test_student_of_a_gpu_answers_alike_on_both(tmp_path: Path):
    train(tmp_path, "cuda")
    prompts = [row.prompt for row in ROWS[:8]]
    both = [
        get_student("causal_lm").load(tmp_path, RuntimeConfig(device=on)).predict(prompts) for on in ("cuda", "cpu")
    ]
    assert [answer.text for answer in both[0]] == [answer.text for answer in both[1]]


def test_a_step_never_waits_for_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    step = trainer.StudentTrainer.training_step

    def watched(self: trainer.StudentTrainer, *args: object, **kwargs: object) -> torch.Tensor:
        torch.cuda.set_sync_debug_mode("warn")
        try:
            return step(self, *args, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(trainer.StudentTrainer, "training_step", watched)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(tmp_path, "cuda")
    ours = [f"{w.filename}:{w.lineno}" for w in caught if "synchroniz" in str(w.message) and "/distill/" in w.filename]
    assert not ours


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
def test_sharded_over_two_gpus_trains_what_one_does(tmp_path: Path):
    script = ROOT / "tests" / "unit" / "students" / "sharded_training.py"
    names = ["lora", "full", "classifier", "seq2seq"]
    fsdp = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    made: dict[str, dict[str, dict[str, object]]] = {}
    for way, launcher, more in (("one", [], {"CUDA_VISIBLE_DEVICES": "0"}), ("two", torchrun, fsdp)):
        (tmp_path / way).mkdir()
        env = {**os.environ, "PYTHONPATH": str(ROOT), "DEVICE": "cuda", "HF_HUB_OFFLINE": "1", **more}
        command = [sys.executable, "-W", "ignore", *launcher, str(script), str(tmp_path / way), *names]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        made[way] = json.loads((tmp_path / way / "made.json").read_text())
    for name in names:
        assert made["two"][name]["sharded"] == made["two"][name]["parameters"]
        assert made["two"][name]["losses"] == pytest.approx(made["one"][name]["losses"], abs=0.02)

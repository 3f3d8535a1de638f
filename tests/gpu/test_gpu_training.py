"""Training on a real GPU; skipped where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes.dense_head_loss import measure_densely, relative_error

from distill.students.head_loss import sum_head_loss
from distill.students.sparse_targets import hard_targets

HAS_GPU = torch.cuda.is_available()
SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_gpu.py"


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
def test_head_loss_on_the_gpu_equals_the_dense_reference():
    torch.manual_seed(0)
    head = torch.nn.Linear(64, 500, bias=False)
    hidden_NH, ids_N, weight_N = torch.randn(50, 64), torch.arange(50), torch.rand(50)
    mine = hidden_NH.cuda().requires_grad_()
    sum_head_loss(mine, head.cuda(), hard_targets(ids_N.cuda(), weight_N.cuda())).backward()
    wide = hidden_NH.double().requires_grad_()
    measure_densely(head.cpu().double()(wide), hard_targets(ids_N, weight_N)).backward()
    assert relative_error(mine.grad.cpu(), wide.grad) < 1e-3


@pytest.mark.slow
def test_gpu_benchmark_runs_anywhere_on_a_tiny_shape():
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "--shape", "tiny", "--rows", "24", "--longest", "32"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    made = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert made["who"] == "distill"
    assert made["tokens_per_s"] > 0

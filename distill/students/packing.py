"""Proof that a base keeps rows laid end to end apart: its outputs are the same as row by row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from distill.errors import ConfigError, Problem
from distill.students.lm_model import run_decoder
from distill.students.lm_rows import EncodedRow, LmRows

TOLERANCE = 1e-3
"""Largest relative difference; rows that see each other differ by much more, rounding by less."""


def check_packing(model: PreTrainedModel, rows: Sequence[EncodedRow], device: torch.device) -> None:
    """Run two rows packed and alone, and compare.

    Raises:
        ConfigError: the base lets one row see the other (it ignores position ids, or carries a state along).
    """
    model.to(device).eval()  # pyright: ignore[reportArgumentType] transformers types `to` unbound
    two = [row._replace(soft=None) for row in (*rows, *rows)[:2]]
    packed_NX = _run(model, two, device)
    apart_NX = torch.cat([_run(model, [row], device) for row in two])
    model.train()
    if not (packed_NX - apart_NX).norm() <= TOLERANCE * apart_NX.norm():
        message = "this base does not keep packed rows apart by position ids; use packing: false"
        raise ConfigError([Problem("", "student.packing", message)])


def _run(model: PreTrainedModel, rows: list[EncodedRow], device: torch.device) -> torch.Tensor:
    batch = {name: value.to(device) for name, value in LmRows(0, rows, packed=True).collate(range(len(rows))).items()}
    with torch.no_grad():
        return run_decoder(model, batch, batch["where"]).given_NX.float()

"""The parity rule: what training measured of the served forms decides; without evidence nothing passes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from distill.errors import StoreError
from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.metrics import GATE_METRICS, METRICS
from distill.stages.gate import read_parity
from distill.students.protocol import PARITY_FILE

PARITY = GateConfig(rules=(RuleConfig(metric="parity", min=0.999),))


def _write(tmp_path, *agreements: float, prompts: int = 64):
    (tmp_path / "student").mkdir()
    forms = [{"form": f"form{i}", "prompts": prompts, "agreement": value} for i, value in enumerate(agreements)]
    (tmp_path / "student" / PARITY_FILE).write_text(json.dumps({"forms": forms}))
    return tmp_path


def _decide(evidence_of, parity):
    evidence = evidence_of(student=[True] * 80 + [False] * 20, teacher=[True] * 90 + [False] * 10)
    return decide(replace(evidence, metrics=GATE_METRICS, measured={"parity": parity}), PARITY).decision


@pytest.mark.parametrize(("agreements", "word"), [((1.0, 0.9995), "promote"), ((1.0, 0.97), "hold")])
def test_the_lowest_form_decides(tmp_path, evidence_of, agreements, word):
    assert _decide(evidence_of, read_parity(_write(tmp_path, *agreements))) == word


def test_without_evidence_it_never_passes(tmp_path, evidence_of):
    assert read_parity(tmp_path)["student"].value is None
    assert _decide(evidence_of, read_parity(tmp_path)) in ("inconclusive", "invalid")


def test_forms_that_were_held_against_no_prompt_are_no_evidence(tmp_path):
    assert read_parity(_write(tmp_path, 1.0, prompts=0))["student"].value is None


def test_damaged_evidence_is_an_error_that_says_what_to_do(tmp_path):
    path = _write(tmp_path, 1.0) / "student" / PARITY_FILE
    path.write_text('{"forms": 3}')
    with pytest.raises(StoreError, match="--from train"):
        read_parity(tmp_path)


def test_only_a_rule_may_ask_for_it():
    assert "parity" in GATE_METRICS
    assert "parity" not in METRICS

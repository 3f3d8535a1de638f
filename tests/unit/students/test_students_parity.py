"""Every form of a student is held against what the training stack said; a difference is seen, and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from distill.errors import StoreError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student
from distill.students.causal_lm import open_causal
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.parity import (
    Probe,
    choose_prompts,
    compare,
    measure_parity,
    read_probe,
    record_probe,
    write_parity,
    write_probe,
)
from distill.students.protocol import Lessons
from distill.students.reading import Question, cast_to, read_causal
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("yes", "no"), user="{{ text }}")
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"is number {i} odd"), "yes" if i % 2 else "no") for i in range(8)]
LOGITS = torch.tensor([[3.0, 2.0, 1.0], [0.0, 5.0, 1.0]])


def train(kind: str, folder: Path, lora: LoraConfig | None) -> Path:
    config = StudentConfig(kind=kind, base=TinyModelConfig(), lora=lora, epochs=4, learning_rate=1e-2, max_new_tokens=8)
    get_student(kind).train(Lessons(ROWS, ROWS[:2]), TASK, config, RUNTIME, folder / "out", folder / "work")
    return folder / "out"


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_reloaded_and_merged_students_say_what_the_trained_one_said(kind: str, lora, tmp_path: Path):
    forms = measure_parity(get_student(kind), train(kind, tmp_path, lora), RUNTIME)
    assert [form.form for form in forms] == ["reloaded", "merged"]
    assert all(form.agreement == 1.0 and form.largest_logit_gap < 1e-4 for form in forms)
    assert all(form.prompts == 10 and form.tokens >= 10 for form in forms)


def test_adapter_changed_after_training_is_seen(tmp_path: Path):
    directory = train("classifier", tmp_path, LoraConfig(rank=4))
    path = directory / "adapter_model.safetensors"
    save_file({name: value + 0.3 for name, value in load_file(path).items()}, path)
    forms = measure_parity(get_student("classifier"), directory, RUNTIME)
    assert all(form.largest_logit_gap > 1e-3 for form in forms)


def ask(logits: torch.Tensor):
    return lambda question: logits[question.ids[0] :][:1]


QUESTIONS = [Question([0], []), Question([1], [])]


def test_agreement_counts_positions_and_the_gap_is_over_the_likeliest_tokens():
    probe = record_probe(ask(LOGITS), QUESTIONS)
    flipped = LOGITS + torch.tensor([[0.0, 1.5, 0.0], [0.0, 0.0, 0.0]])
    form = compare(probe, ask(flipped), "merged")
    assert (form.agreement, form.tokens, form.largest_logit_gap) == (0.5, 2, 1.5)
    assert not form.passes


@pytest.mark.parametrize(("margin", "near_ties"), [(0.2, 1), (0.3, 0)])
def test_flip_is_a_near_tie_only_where_the_trained_student_was_all_but_undecided(margin: float, near_ties: int):
    trained = torch.tensor([[3.0, 3.0 - margin, 1.0], [0.0, 5.0, 1.0]])
    served = torch.tensor([[3.0, 3.1, 1.0], [0.0, 5.0, 1.0]])
    form = compare(record_probe(ask(trained), QUESTIONS), ask(served), "merged", "bfloat16")
    assert (form.number_type, form.flips, form.near_ties, form.passes) == ("bfloat16", 1, near_ties, False)


def test_close_second_does_not_excuse_a_third_choice():
    trained = torch.tensor([[3.0, 2.95, 1.0], [0.0, 5.0, 1.0]])
    served = torch.tensor([[3.0, 2.95, 4.0], [0.0, 5.0, 1.0]])
    form = compare(record_probe(ask(trained), QUESTIONS), ask(served), "merged")
    assert (form.flips, form.near_ties) == (1, 0)


def test_form_that_reads_prompts_otherwise_does_not_pass():
    form = compare(record_probe(ask(LOGITS), QUESTIONS), ask(LOGITS), "gguf")
    assert form.passes
    assert not replace(form, misread_prompts=1).passes


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_form_can_be_run_in_the_number_type_that_is_served(kind: str, tmp_path: Path):
    directory = train(kind, tmp_path, LoraConfig(rank=4))
    probe, student = read_probe(directory), get_student(kind)
    gaps = [
        compare(probe, student.read_form(directory, RUNTIME, merge=True, number_type=run_in), "merged", run_in)
        for run_in in ("float32", "float16", "bfloat16")
    ]
    assert gaps[0].mean_logit_gap < gaps[1].mean_logit_gap < gaps[2].mean_logit_gap < 0.1


def test_merging_in_bf16_is_further_from_the_trained_student_than_merging_in_fp32_and_casting(tmp_path: Path):
    directory = train("causal_lm", tmp_path, LoraConfig(rank=4))
    exact, early, late = (open_causal(directory, RUNTIME, merge=merge)[0] for merge in (True, False, True))
    early = cast("PeftModel", cast_to(early, "bfloat16")).merge_and_unload()
    late = cast_to(late, "bfloat16")

    def measure(model: PreTrainedModel) -> tuple[float, float]:
        theirs, ours = model.state_dict(), exact.state_dict()
        distance = sum((theirs[name].double() - ours[name].double()).square().sum() for name in ours) ** 0.5
        return float(distance), compare(read_probe(directory), read_causal(model.float()), "merged").mean_logit_gap

    (far, gap), (near, smaller_gap) = measure(early), measure(late)
    assert near < far
    assert smaller_gap < gap


def test_logit_that_is_no_number_is_a_disagreement(tmp_path: Path):
    broken = LOGITS.clone()
    broken[1, 2] = torch.nan
    form = compare(record_probe(ask(LOGITS), QUESTIONS), ask(broken), "merged")
    assert form.agreement == 0.5
    write_parity(tmp_path, [form])
    body = json.loads((tmp_path / "form_parity.json").read_text())
    assert body["passes"] is False
    assert body["forms"][0]["largest_logit_gap"] is None


def test_no_question_is_no_evidence():
    form = compare(record_probe(ask(LOGITS), []), ask(LOGITS), "merged")
    assert (form.agreement, form.passes) == (0.0, False)


def test_probe_survives_the_disk(tmp_path: Path):
    probe = Probe([Question([1, 2], [3]), Question([4], [5, 6])], torch.tensor([[0], [1], [2]]), torch.ones(3, 1))
    write_probe(tmp_path, probe)
    read = read_probe(tmp_path)
    assert read.questions == probe.questions
    assert torch.equal(read.top_ids_MK, probe.top_ids_MK)


def test_missing_or_torn_probe_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="missing or damaged"):
        read_probe(tmp_path)
    (tmp_path / "probe.safetensors").write_bytes(b"torn")
    with pytest.raises(StoreError, match="missing or damaged"):
        read_probe(tmp_path)


@pytest.mark.parametrize(("validation", "expected"), [(100, 64), (3, 64), (0, 64)])
def test_prompts_come_from_validation_first_and_never_twice(validation: int, expected: int):
    def rows(mark: str, count: int) -> list[TrainingRow]:
        return [TrainingRow(f"{mark}{i}", Prompt(f"{mark}{i}", "x"), "yes") for i in range(count)]

    chosen = choose_prompts(Lessons(rows("t", 90), rows("v", validation)))
    assert len({prompt.id for prompt in chosen}) == len(chosen) == expected
    assert sum(prompt.id.startswith("v") for prompt in chosen) == min(validation, 64)

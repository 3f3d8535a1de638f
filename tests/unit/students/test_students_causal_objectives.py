"""The causal student's objectives end to end on a tiny model: soft targets, packing, a local teacher, checkpointing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from fakes.dense_head_loss import relative_error

from distill.errors import ConfigError, DataError
from distill.records.completion import TopLogprobs
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.chat import open_chat
from distill.students.config import LoraConfig, ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.students.full_targets import FullTargets
from distill.students.head_loss import sum_logit_loss
from distill.students.lm_model import CausalModel
from distill.students.lm_rows import encode_lm_rows
from distill.students.packing import check_packing
from distill.students.protocol import Lessons
from distill.students.tiny import build_tiny
from distill.tasks.config import TaskConfig

CPU = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="text", user="{{ text }}")
CONFIG = StudentConfig(
    kind="causal_lm", base=TinyModelConfig(), lora=None, epochs=2, learning_rate=1e-2, batch_tokens=256
)


def say(text: str, other: str) -> TopLogprobs:
    return TopLogprobs((text,), (math.log(0.7),), ((text, other),), ((math.log(0.7), math.log(0.2)),))


ROWS = [
    TrainingRow(f"r{i}", Prompt(f"r{i}", "word " * (i % 5 + 1)), answer, logprobs=say(answer, "no"))
    for i, answer in enumerate(["yes", "no way", "maybe", "yes", "so", "never"])
]


def build(config: StudentConfig = CONFIG):
    tokenizer, lm = build_tiny("causal_lm", config.base, [row.prompt.user + row.target for row in ROWS], 7)
    return encode_lm_rows(ROWS, open_chat(tokenizer), config), lm


def change(**changes: object) -> StudentConfig:
    return StudentConfig(**{**CONFIG.model_dump(), **changes})


def test_packed_loss_and_gradients_equal_the_padded_ones():
    (padded, lm), (packed, _) = build(), build(change(packing=True))
    model = CausalModel(lm, ObjectiveConfig())
    sums, grads = [], []
    for rows in (padded, packed):
        summed = model(rows.collate(range(6)))
        model.zero_grad()
        summed.loss.backward()
        sums.append((summed.loss.item(), summed.weight.item()))
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert packed.collate(range(6))["ids"].shape[0] == 1
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)
    assert relative_error(grads[0], grads[1].double()) < 1e-5


def test_base_that_ignores_position_ids_cannot_be_packed(monkeypatch: pytest.MonkeyPatch):
    rows, lm = build(change(packing=True))
    check_packing(lm, rows.rows, torch.device("cpu"))
    decoder, forward = lm.get_decoder(), lm.get_decoder().forward
    monkeypatch.setattr(decoder, "forward", lambda position_ids=None, **given: forward(**given))
    with pytest.raises(ConfigError, match="does not keep packed rows apart"):
        check_packing(lm, rows.rows, torch.device("cpu"))


def test_end_token_is_supervised_in_every_row():
    rows, _ = build()
    ends = [row.answer[-1] for row in rows.rows]
    batch = rows.collate(range(6))
    assert all(end in batch["targets"][b] for b, end in enumerate(ends))
    assert set(ends) == {rows.rows[0].answer[-1]}


def test_soft_targets_change_the_student_and_their_coverage_is_reported(tmp_path: Path):
    soft = change(objective={"hard": 0.5, "soft": 0.5, "temperature": 2.0})
    student, reports = get_student("causal_lm"), {}
    for name, config in (("hard", CONFIG), ("soft", soft)):
        reports[name] = student.train(Lessons(ROWS, ()), TASK, config, CPU, tmp_path / name, tmp_path / f"w{name}")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in reports]
    assert weights[0] != weights[1]
    facts = reports["soft"].facts
    assert reports["hard"].facts == {}
    assert facts["rows_without_logprobs"] == 0
    share = facts["tokens_taught_by_logprobs"] / facts["answer_tokens"]
    assert facts["logprob_coverage"] == pytest.approx(share, abs=1e-6)
    assert 0 < share < 1


def test_soft_targets_that_map_nowhere_are_refused(tmp_path: Path):
    rows = [TrainingRow(row.id, row.prompt, row.target) for row in ROWS]
    soft = change(objective={"hard": 0.5, "soft": 0.5})
    with pytest.raises(DataError, match="would act nowhere"):
        get_student("causal_lm").train(Lessons(rows, ()), TASK, soft, CPU, tmp_path / "o", tmp_path / "w")


def test_changed_soft_targets_are_changed_data():
    soft = change(objective={"hard": 0.5, "soft": 0.5})
    one, _ = build(soft)
    other, _ = build(CONFIG)
    assert one.teaching().digest != other.teaching().digest


def measure_densely(logits, teacher, ids, t: float, divergence: str):
    log_p, log_q = (logits / t).log_softmax(-1), (teacher / t).log_softmax(-1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    kl = lambda a, b: (a.exp() * (a - b)).sum()  # noqa: E731
    soft = {"kl": kl(log_q, log_p), "reverse_kl": kl(log_p, log_q), "jsd": (kl(log_p, log_m) + kl(log_q, log_m)) / 2}
    return 0.3 * torch.nn.functional.cross_entropy(logits, ids, reduction="sum") + 0.7 * t * t * soft[divergence]


@pytest.mark.parametrize("divergence", ["kl", "reverse_kl", "jsd"])
@pytest.mark.parametrize("t", [1.0, 2.0])
def test_full_divergence_and_gradient_equal_the_dense_float64_reference(divergence, t: float):
    torch.manual_seed(0)
    teacher, ids, ones = torch.randn(9, 30) * 2, torch.arange(9), torch.ones(9)
    mine = (torch.randn(9, 30) * 2).requires_grad_()
    wide = mine.detach().double().requires_grad_()
    loss = sum_logit_loss(mine, FullTargets(teacher, None, ids, ones * 0.3, ones * 0.7, t, divergence))
    loss.backward()
    reference = measure_densely(wide, teacher.double(), ids, t, divergence)
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5)
    assert relative_error(mine.grad, wide.grad) < 1e-5


@pytest.fixture(scope="module")
def teacher_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with its tokenizer on disk; it teaches students made from itself."""
    where = tmp_path_factory.mktemp("base")
    tokenizer, lm = build_tiny("causal_lm", TinyModelConfig(), [row.prompt.user + row.target for row in ROWS], 7)
    open_chat(tokenizer)
    lm.resize_token_embeddings(len(tokenizer) + 8)
    lm.save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where


def test_student_equal_to_its_local_teacher_has_nothing_to_learn(teacher_dir: Path, tmp_path: Path):
    objective = {"hard": 0.0, "soft": 1.0, "teacher_model": str(teacher_dir), "divergence": "jsd"}
    config = change(base=str(teacher_dir), objective=objective, lora=LoraConfig(dropout=0.0))
    report = get_student("causal_lm").train(Lessons(ROWS, ROWS[:2]), TASK, config, CPU, tmp_path / "o", tmp_path / "w")
    assert report.best_validation_loss == pytest.approx(0, abs=1e-6)
    assert report.facts["teacher_model"]["hashes"]["model.safetensors"]
    saved = json.loads((tmp_path / "o" / "distill.json").read_text())
    assert saved["config"]["objective"]["divergence"] == "jsd"
    assert not any("teacher" in name for name in (path.name for path in (tmp_path / "o").iterdir()))


def test_local_teacher_with_other_tokens_is_refused(teacher_dir: Path, tmp_path: Path):
    config = change(objective={"hard": 0.0, "soft": 1.0, "teacher_model": str(teacher_dir)}, base={"vocab_size": 300})
    with pytest.raises(ConfigError, match="does not share the base's tokenizer"):
        get_student("causal_lm").train(Lessons(ROWS, ()), TASK, config, CPU, tmp_path / "o", tmp_path / "w")


def test_recomputed_activations_give_the_same_bytes(tmp_path: Path):
    for name in (False, True):
        config = change(gradient_checkpointing=name, lora=LoraConfig(dropout=0.1))
        get_student("causal_lm").train(
            Lessons(ROWS, ()), TASK, config, CPU, tmp_path / f"{name}", tmp_path / f"w{name}"
        )
    one, other = ((tmp_path / f"{name}" / "adapter_model.safetensors").read_bytes() for name in (False, True))
    assert one == other

"""One contestant of bench_train.py: builds model and rows, then trains a pass for each line read, and prints its cost.

Runs in whichever environment has its package; `distill` itself is imported only by those who need it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TRANSFORMERS_NO_ADVISORY_WARNINGS="1")

import numpy as np
import peft
import torch
from torch import nn
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Qwen2Config,
    Qwen2ForCausalLM,
    Trainer,
    TrainingArguments,
    set_seed,
)

torch.set_num_threads(1)
VOCABULARY, ROWS, ROWS_PER_STEP, STEP_TOKENS, IGNORED = 8192, int(os.environ.get("BENCH_ROWS", "512")), 32, 1600, -100


def make_rows() -> list[tuple[list[int], list[int]]]:
    """Return (prompt, answer) ids: 20 to 80 tokens, of which a third is the answer."""
    draw = np.random.default_rng(0)
    rows = []
    for length in draw.integers(20, 81, ROWS):
        ids = draw.integers(3, VOCABULARY, length).tolist()
        rows.append((ids[: 2 * length // 3], ids[2 * length // 3 :]))
    return rows


def make_model() -> nn.Module:
    """Return a Qwen2 of 5 million parameters with LoRA of rank 16 on every linear layer."""
    set_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, max_position_embeddings=1024,
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    lora = make_lora()
    return peft.get_peft_model(Qwen2ForCausalLM(config), lora)


def make_lora() -> peft.LoraConfig:
    """Return the adapter everybody trains."""
    return peft.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def pad(rows: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """Return a stock padded batch: ids, mask and labels over the answer."""
    longest = max(len(p) + len(a) for p, a in rows)
    ids, labels = torch.zeros((len(rows), longest), dtype=torch.long), torch.full((len(rows), longest), IGNORED)
    mask = torch.zeros_like(ids)
    for i, (prompt, answer) in enumerate(rows):
        n = len(prompt) + len(answer)
        ids[i, :n], labels[i, len(prompt) : n], mask[i, :n] = torch.tensor(prompt + answer), torch.tensor(answer), 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def stock_arguments(**changes: object) -> TrainingArguments:
    """Return the arguments of the plain Trainer."""
    return TrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, num_train_epochs=1, per_device_train_batch_size=ROWS_PER_STEP,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
        learning_rate=1e-4,
        dataloader_pin_memory=False, **changes,
    )  # fmt: skip


def strip(trainer: Trainer) -> Trainer:
    """Take the callbacks that print off a trainer."""
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def plan() -> list[list[int]]:
    """Return the batches that distill lays out: rows of like length within a budget of padded tokens."""
    from distill.students.batching import plan_batches

    lengths = [len(p) + len(a) - 1 for p, a in make_rows()]
    return list(plan_batches(lengths, STEP_TOKENS, 1, seed=7))


class Dense(Trainer):
    """The stock Trainer, fed with dense batches."""

    def get_train_dataloader(self) -> object:
        return torch.utils.data.DataLoader(self.train_dataset, batch_sampler=plan(), collate_fn=self.data_collator)


def prepare_stock(name: str):
    rows, model = make_rows(), make_model()
    if name == "dense":
        steps = len(plan())
        return lambda: strip(Dense(model, stock_arguments(max_steps=steps), pad, rows)).train
    changes = (
        {"train_sampling_strategy": "group_by_length", "length_column_name": "length"} if name == "grouped" else {}
    )

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, i: int) -> dict:
            return {"row": rows[i], "input_ids": rows[i][0] + rows[i][1]}

    collate = lambda batch: pad([item["row"] for item in batch])  # noqa: E731
    return lambda: strip(Trainer(model, stock_arguments(**changes), collate, Rows())).train


def prepare_trl(name: str):
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    core = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="w0", eos_token="w1", unk_token="w0")
    rows = make_rows()
    data = Dataset.from_list([{"input_ids": p + a, "completion_mask": [0] * len(p) + [1] * len(a)} for p, a in rows])
    model = make_model()
    changes = {"packing": True, "max_length": 512, "padding_free": False} if name == "trl_packed" else {}
    arguments = SFTConfig(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, num_train_epochs=1, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True,
        learning_rate=1e-4, dataloader_pin_memory=False,
        completion_only_loss=True, **changes,
    )  # fmt: skip

    def build() -> SFTTrainer:
        return strip(SFTTrainer(model, arguments, train_dataset=data, processing_class=tokenizer))

    first = build()
    prepare_trl.loss = lambda: first.compute_loss(
        model, first.data_collator([first.train_dataset[i] for i in range(8)])
    ).item()
    return lambda: build().train


def distill_parts():
    from distill.students.config import ObjectiveConfig
    from distill.students.lm_model import CausalModel
    from distill.students.lm_rows import EncodedRow, LmRows

    rows = LmRows(0, [EncodedRow(str(i), p, a, 1.0) for i, (p, a) in enumerate(make_rows())])
    return rows, CausalModel(make_model(), ObjectiveConfig())


def prepare_distill(name: str):
    from pathlib import Path

    from distill.students.config import StudentConfig, TinyModelConfig
    from distill.students.device import place
    from distill.students.trainer import Setting, TeachingSet, fit, plan_training

    rows, model = distill_parts()
    config = StudentConfig(
        kind="causal_lm", base=TinyModelConfig(), epochs=1, batch_tokens=STEP_TOKENS, learning_rate=1e-4
    )
    nothing = TeachingSet([], rows.collate, "")
    if name == "ours":

        def once() -> None:
            setting = Setting(place("cpu"), Path(tempfile.mkdtemp()))
            fit(model, rows.teaching(), nothing, plan_training(rows.teaching(), config), config, setting)

        return lambda: once

    def bare() -> None:
        chosen = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(chosen, lr=1e-4, fused=True)
        for batch in plan():
            summed = model(rows.collate(batch))
            (summed.loss / summed.weight).backward()
            nn.utils.clip_grad_norm_(chosen, 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return lambda: bare


def loss_of_one_batch(name: str) -> float:
    """Return the mean loss of the first eight rows before any training."""
    if name.startswith("trl"):
        return prepare_trl.loss()
    if name in ("ours", "bare"):
        rows, model = distill_parts()
        summed = model(rows.collate(range(8)))
        return (summed.loss / summed.weight).item()
    return make_model()(**pad(make_rows()[:8])).loss.item()


def main() -> None:
    name = sys.argv[1]
    prepare = prepare_trl if name.startswith("trl") else prepare_distill if name in ("ours", "bare") else prepare_stock
    once = prepare(name)
    tokens = sum(len(p) + len(a) for p, a in make_rows())
    print(json.dumps({"loss": loss_of_one_batch(name)}), flush=True)
    for _ in sys.stdin:
        train = once()
        start = time.process_time()
        train()
        print(json.dumps({"tokens": tokens, "cpu_s": time.process_time() - start}), flush=True)


if __name__ == "__main__":
    main()

"""Training on one GPU: tokens/s, share of the card's peak (MFU) and memory, for a Qwen2 of 0.5B with random weights.

python scripts/bench_gpu.py                     # needs CUDA; add --trl where trl is installed to compare
python scripts/bench_gpu.py --shape tiny        # anywhere: proves that it runs
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import peft
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, set_seed

from distill.students.config import ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.students.device import place
from distill.students.lm_model import CausalModel
from distill.students.lm_rows import EncodedRow, LmRows
from distill.students.trainer import Setting, TeachingSet, fit, plan_training

SHAPES = {
    "0.5b": {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
             "num_attention_heads": 14, "num_key_value_heads": 2},
    "tiny": {"vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 2},
}  # fmt: skip
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "4090": 165e12}
"""Dense bf16, from the makers' data sheets."""


def build(shape: str, device: torch.device) -> torch.nn.Module:
    """Return the student's base with LoRA of rank 16."""
    set_seed(0)
    lm = Qwen2ForCausalLM(Qwen2Config(tie_word_embeddings=True, max_position_embeddings=4096, **SHAPES[shape]))
    lora = peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return peft.get_peft_model(lm.to(torch.bfloat16 if device.type == "cuda" else torch.float32), lora).to(device)


def make_rows(count: int, longest: int, vocabulary: int) -> list[tuple[list[int], list[int]]]:
    """Return (prompt, answer) ids, a quarter of each row the answer."""
    draw = np.random.default_rng(0)
    rows = [draw.integers(3, vocabulary, n).tolist() for n in draw.integers(longest // 4, longest + 1, count)]
    return [(ids[: 3 * len(ids) // 4], ids[3 * len(ids) // 4 :]) for ids in rows]


def train_distill(
    lm: torch.nn.Module, rows: list[tuple[list[int], list[int]]], batch_tokens: int, *, packed: bool
) -> float:
    """Return the seconds of one pass."""
    encoded = LmRows(0, [EncodedRow(str(i), p, a, 1.0) for i, (p, a) in enumerate(rows)], packed=packed)
    config = StudentConfig(kind="causal_lm", base=TinyModelConfig(), epochs=1, batch_tokens=batch_tokens)
    taught, nothing = encoded.teaching(), TeachingSet([], encoded.collate, "")
    with tempfile.TemporaryDirectory() as work:
        setting, model = Setting(place("auto"), Path(work)), CausalModel(lm, ObjectiveConfig())
        start = time.perf_counter()
        fit(model, taught, nothing, plan_training(taught, config), config, setting)
        return time.perf_counter() - start


def train_trl(lm: torch.nn.Module, rows: list[tuple[list[int], list[int]]], per_step: int) -> float:
    """Return the seconds of one pass of TRL's trainer, with its defaults."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    core = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")
    data = Dataset.from_list([{"input_ids": p + a, "completion_mask": [0] * len(p) + [1] * len(a)} for p, a in rows])
    with tempfile.TemporaryDirectory() as work:
        on_cpu = not torch.cuda.is_available()
        settings = SFTConfig(work, per_device_train_batch_size=per_step, num_train_epochs=1, report_to=[],
                             save_strategy="no", use_cpu=on_cpu, bf16=not on_cpu)  # fmt: skip
        trainer = SFTTrainer(lm, settings, train_dataset=data, processing_class=tokenizer)
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="0.5b")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--longest", type=int, default=512)
    parser.add_argument("--batch-tokens", type=int, default=16_384)
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--trl", action="store_true")
    given = parser.parse_args()
    placement = place("auto")
    if given.shape != "tiny" and placement.device.type != "cuda":
        raise SystemExit("no CUDA GPU here; try --shape tiny")
    rows = make_rows(given.rows, given.longest, SHAPES[given.shape]["vocab_size"])
    tokens = sum(len(p) + len(a) for p, a in rows)
    contestants = {"distill": lambda lm: train_distill(lm, rows, given.batch_tokens, packed=given.packed)}
    if given.trl:
        per_step = max(1, given.batch_tokens * len(rows) // tokens)
        contestants["trl"] = lambda lm: train_trl(lm, rows, per_step)
    for name, train in contestants.items():
        lm = build(given.shape, placement.device)
        if placement.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        print(json.dumps(describe(name, lm, tokens, train(lm))), flush=True)


def describe(name: str, lm: torch.nn.Module, tokens: int, seconds: float) -> dict[str, object]:
    """Return the figures; a frozen parameter costs 4 FLOPs per token (forward, and backward to activations)."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    peak = next((flops for key, flops in PEAK_FLOPS.items() if key in card), None)
    frozen = sum(p.numel() for p in lm.parameters() if not p.requires_grad)
    trained = sum(p.numel() for p in lm.parameters() if p.requires_grad)
    done = tokens * (4 * frozen + 6 * trained)
    memory = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
    return {
        "who": name, "card": card, "tokens_per_s": tokens / seconds, "memory_mb": memory,
        "mfu": None if peak is None else done / seconds / peak,
    }  # fmt: skip


if __name__ == "__main__":
    main()

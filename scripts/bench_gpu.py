"""Training on one GPU against TRL: tokens/s, share of the card's peak (MFU) and memory, for a Qwen2 of 0.5B.

python scripts/bench_gpu.py --trl             # needs CUDA, and TRL for the comparison
python scripts/bench_gpu.py --tiny --trl      # anywhere (also --device cpu): runs every line but CUDA's own

Weights and rows are random. Each contestant trains a short warm-up first, then `--rounds` passes in turns; the table at
the end (medians) is Markdown. Only the trainers' own time counts, checkpoints included.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import peft
import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM, set_seed

from distill.students.config import ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.students.device import Placement, place
from distill.students.lm_model import CausalModel, bare
from distill.students.lm_rows import EncodedRow, LmRows
from distill.students.trainer import Setting, TeachingSet, fit, plan_training

SHAPES = {
    "0.5b": {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
             "num_attention_heads": 14, "num_key_value_heads": 2},
    "tiny": {"vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 2},
}  # fmt: skip
PEAK_FLOPS = {"H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12,
              "4090": 165e12}  # fmt: skip
"""Dense bf16 (no sparsity), from the makers' data sheets; the first name that is in the card's counts."""

Rows = list[tuple[list[int], list[int]]]
"""(prompt, answer) ids of each row."""


class Pass(NamedTuple):
    """One measured pass."""

    seconds: float
    peak_mb: float | None
    reserved_mb: float | None


def build(shape: str, device: torch.device, *, full: bool) -> PreTrainedModel | peft.PeftModel:
    """Return a base in fp32, as a student's is, with LoRA of rank 16 or all of it to be trained."""
    set_seed(0)
    lm = Qwen2ForCausalLM(Qwen2Config(tie_word_embeddings=True, max_position_embeddings=4096, **SHAPES[shape]))
    lm.to(device)
    if full:
        return lm
    lora = peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return peft.get_peft_model(lm, lora).to(device)


def make_rows(count: int, longest: int, vocabulary: int) -> Rows:
    """Return rows of a quarter of `longest` up to it; a quarter of each row is the answer."""
    draw = np.random.default_rng(0)
    rows = [draw.integers(3, vocabulary, n).tolist() for n in draw.integers(longest // 4, longest + 1, count)]
    return [(ids[: 3 * len(ids) // 4], ids[3 * len(ids) // 4 :]) for ids in rows]


def count_flops(lm: PreTrainedModel | peft.PeftModel, rows: Rows) -> float:
    """Return what one pass over `rows` has to compute, however it is done.

    Per token, a trained weight of a matrix costs 6 FLOPs: 2 forward, 2 for the gradient of its input, 2 for its own
    (Kaplan et al. 2020, arXiv:2001.08361, 2.1; Chowdhery et al. 2022, arXiv:2204.02311, appendix B). A frozen one costs
    4: no gradient of its own. The output head works at supervised positions alone, the embedding is a look-up.
    Attention costs 12 x heads x head size x T a token and layer (appendix B), half of it under a causal mask; it has no
    weights, so freezing saves none. Norms, biases, softmax and recomputed activations do not count.
    """
    config, head = bare(lm).config, bare(lm).get_output_embeddings().weight
    layers = [p for name, p in lm.named_parameters() if p.dim() == 2 and "embed_tokens" not in name and p is not head]
    per_token = sum(p.numel() * (6 if p.requires_grad else 4) for p in layers)
    per_answer_token = head.numel() * (6 if head.requires_grad else 4)
    lengths = [len(prompt) + len(answer) - 1 for prompt, answer in rows]
    head_size = config.hidden_size // config.num_attention_heads
    attention = 12 / 2 * config.num_hidden_layers * config.num_attention_heads * head_size
    return (
        sum(lengths) * per_token
        + sum(len(answer) for _, answer in rows) * per_answer_token
        + sum(length * length for length in lengths) * attention
    )


def train_distill(
    lm: PreTrainedModel | peft.PeftModel, rows: Rows, placement: Placement, batch_tokens: int, *, packed: bool
) -> float:
    """Return the seconds of one pass of our trainer."""
    encoded = LmRows(0, [EncodedRow(str(i), p, a, 1.0) for i, (p, a) in enumerate(rows)], packed=packed)
    config = StudentConfig(kind="causal_lm", base=TinyModelConfig(), epochs=1, batch_tokens=batch_tokens)
    taught, nothing = encoded.teaching(), TeachingSet([], encoded.collate, "")
    with tempfile.TemporaryDirectory() as work:
        model, setting = CausalModel(lm, ObjectiveConfig()), Setting(placement, Path(work))
        done = fit(model, taught, nothing, plan_training(taught, config), config, setting)
        return done.seconds + wait(placement)


def train_trl(
    lm: PreTrainedModel | peft.PeftModel, rows: Rows, placement: Placement, per_step: int, **settings: object
) -> float:
    """Return the seconds of one pass of TRL's trainer, with its defaults but for `settings`."""
    from datasets import Dataset, disable_progress_bars
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    core = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")
    data = Dataset.from_list([{"input_ids": p + a, "completion_mask": [0] * len(p) + [1] * len(a)} for p, a in rows])
    with tempfile.TemporaryDirectory() as work:
        chosen = SFTConfig(
            work,
            per_device_train_batch_size=per_step,
            num_train_epochs=1,
            max_length=max(len(p) + len(a) for p, a in rows),
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=placement.device.type == "cpu",
            bf16=placement.autocast is not None,
            **settings,
        )
        trainer = SFTTrainer(lm, chosen, train_dataset=data, processing_class=tokenizer)
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start + wait(placement)


def wait(placement: Placement) -> float:
    """Return the seconds until the device has done all that it was given."""
    start = time.perf_counter()
    if placement.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(train: Callable[[Rows], float], rows: Rows, placement: Placement) -> Pass:
    """Return one pass, with the most memory that tensors, and the allocator, held in it."""
    on_gpu = placement.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = train(rows)
    if not on_gpu:
        return Pass(seconds, None, None)
    return Pass(seconds, torch.cuda.max_memory_allocated() / 2**20, torch.cuda.max_memory_reserved() / 2**20)


def run(name: str, train: Callable[..., float], given: argparse.Namespace, placement: Placement, rows: Rows) -> Pass:
    """Return one pass of a contestant on a fresh model, after a warm-up."""
    gc.collect()  # trainers lie in reference cycles, and would count as memory of the next one
    if placement.device.type == "cuda":
        torch.cuda.empty_cache()
    lm = build(given.shape, placement.device, full=given.full)
    train(lm, rows[: given.warmup_rows])
    made = measure(lambda taught: train(lm, taught), rows, placement)
    tokens, flops = sum(len(p) + len(a) - 1 for p, a in rows), count_flops(lm, rows)
    print(json.dumps({"who": name, **describe(tokens, flops, [made], name_card(placement))}), flush=True)
    return made


def name_card(placement: Placement) -> str:
    """Return the name of the device."""
    return torch.cuda.get_device_name() if placement.device.type == "cuda" else "cpu"


def describe(tokens: int, flops: float, passes: list[Pass], card: str) -> dict[str, float | str | None]:
    """Return the figures of passes over `tokens` that need `flops` each: medians of speed, the most of memory."""
    seconds = statistics.median(one.seconds for one in passes)
    peak = next((most for key, most in PEAK_FLOPS.items() if key in card), None)
    return {
        "card": card,
        "tokens_per_s": tokens / seconds,
        "tflops_per_s": flops / seconds / 1e12,
        "mfu": None if peak is None else flops / seconds / peak,
        "peak_mb": max((one.peak_mb for one in passes if one.peak_mb is not None), default=None),
        "reserved_mb": max((one.reserved_mb for one in passes if one.reserved_mb is not None), default=None),
    }


def draw_table(figures: dict[str, dict[str, float | str | None]]) -> str:
    """Return the figures as a table for docs/benchmarks.md."""
    lines = [
        "| trainer | tokens/s | TFLOP/s needed | MFU | peak memory, MB | reserved, MB |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in figures.items():
        cells = [f"{one['tokens_per_s']:,.0f}", f"{one['tflops_per_s']:.3g}"]
        cells.append("-" if one["mfu"] is None else f"{one['mfu']:.1%}")
        cells += ["-" if one[key] is None else f"{one[key]:,.0f}" for key in ("peak_mb", "reserved_mb")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def choose_contestants(given: argparse.Namespace, placement: Placement, rows: Rows) -> dict[str, Callable[..., float]]:
    """Return who trains: (model, rows) -> seconds."""

    def ours(lm: PreTrainedModel, taught: Rows, *, packed: bool = False) -> float:
        return train_distill(lm, taught, placement, given.batch_tokens, packed=packed)

    contestants: dict[str, Callable[..., float]] = {"distill": ours}
    if given.packed:
        contestants["distill, packed"] = lambda lm, taught: ours(lm, taught, packed=True)
    if given.trl:
        mean = sum(len(p) + len(a) for p, a in rows) / len(rows)
        per_step = max(1, int(given.batch_tokens / mean))
        contestants["TRL SFTTrainer"] = lambda lm, taught: train_trl(lm, taught, placement, per_step)
        contestants["TRL, no recomputation"] = lambda lm, taught: train_trl(
            lm, taught, placement, per_step, gradient_checkpointing=False
        )
    return contestants


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the settings of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="0.5b")
    parser.add_argument("--tiny", action="store_const", dest="shape", const="tiny", help="the same as --shape tiny")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--longest", type=int, default=512, help="tokens of the longest row")
    parser.add_argument("--batch-tokens", type=int, default=16_384, help="tokens of a step")
    parser.add_argument("--warmup-rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="train all weights instead of LoRA")
    parser.add_argument("--packed", action="store_true", help="also with rows laid end to end")
    parser.add_argument("--trl", action="store_true", help="also TRL, where it is installed")
    return parser.parse_args(arguments)


def main() -> None:
    given = parse()
    placement = place(given.device)
    if given.shape != "tiny" and placement.device.type != "cuda":
        raise SystemExit("no CUDA GPU here; try --tiny")
    rows = make_rows(given.rows, given.longest, SHAPES[given.shape]["vocab_size"])
    contestants = choose_contestants(given, placement, rows)
    passes: dict[str, list[Pass]] = {name: [] for name in contestants}
    for _ in range(given.rounds):
        for name, train in contestants.items():
            passes[name].append(run(name, train, given, placement, rows))
    lm = build(given.shape, torch.device("cpu"), full=given.full)
    tokens, flops = sum(len(p) + len(a) - 1 for p, a in rows), count_flops(lm, rows)
    figures = {name: describe(tokens, flops, made, name_card(placement)) for name, made in passes.items()}
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", *(["trl"] if given.trl else []))
    )
    print(f"\n{name_card(placement)}; {versions}; {given.shape}, {'full' if given.full else 'LoRA 16'}, "
          f"{given.rows:,} rows up to {given.longest} tokens, {given.batch_tokens:,} tokens a step; "
          f"medians of {given.rounds}:\n")  # fmt: skip
    print(draw_table(figures))


if __name__ == "__main__":
    main()

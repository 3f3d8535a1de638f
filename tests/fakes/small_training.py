"""Rows and a config for a training of seconds, in which nothing is drawn at random."""

from __future__ import annotations

from distill.records.training import Prompt, TrainingRow
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig


def make_rows(count: int) -> list[TrainingRow]:
    """Return rows of seven lengths and three answers."""
    return [
        TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i} of many " + "word " * (i % 7)), f"answer {i % 3}")
        for i in range(count)
    ]


def make_config(epochs: int, learning_rate: float, max_new_tokens: int = 16) -> StudentConfig:
    return StudentConfig(
        kind="causal_lm",
        base=TinyModelConfig(),
        lora=LoraConfig(rank=4, dropout=0.0),
        epochs=epochs,
        learning_rate=learning_rate,
        batch_tokens=256,
        max_new_tokens=max_new_tokens,
    )

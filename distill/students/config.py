"""The `student` section: what is taught and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from distill.records.frozen import Frozen


class LoraConfig(Frozen):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = Field(default=16, ge=1)
    """Rank of the update."""
    alpha: float = Field(default=32, gt=0)
    """Scale; the update is multiplied by alpha/rank (rsLoRA: alpha/sqrt(rank))."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout before the update (drawing the masks is costly on a CPU; 0 there trains nearly twice as fast)."""
    targets: str | tuple[str, ...] = "all-linear"
    """Module names, or all-linear."""
    variant: Literal["lora", "rslora", "dora", "qlora"] = "lora"
    """Which member of the family (qlora: the base in 4 bits while training; needs the `qlora` extra)."""


class ObjectiveConfig(Frozen):
    """Weights of the loss terms; at least one is > 0."""

    hard: float = Field(default=1.0, ge=0)
    """Cross-entropy against the answer."""
    soft: float = Field(default=0.0, ge=0)
    """KL to the teacher's distribution (label probabilities or top-k log-probabilities)."""
    temperature: float = Field(default=2.0, gt=0)
    """Temperature of the soft targets (Hinton et al. 2015, arXiv:1503.02531)."""
    rationale: float = Field(default=0.0, ge=0)
    """Cross-entropy against the teacher's rationale (seq2seq; Hsieh et al. 2023, arXiv:2305.02301)."""
    divergence: Literal["kl", "reverse_kl", "jsd"] = "kl"
    """Divergence for full-vocabulary distillation from a local teacher model."""
    teacher_model: str | None = None
    """Local teacher model for full-vocabulary distillation: path or hub name; its tokenizer must be the base's."""
    teacher_revision: str | None = None
    """Commit of the teacher model on the hub; needed for a hub name."""

    @model_validator(mode="after")
    def check_some_weight(self) -> ObjectiveConfig:
        if self.hard + self.soft + self.rationale == 0:
            raise ValueError("at least one of hard, soft, rationale must be > 0")
        return self


class TinyModelConfig(Frozen):
    """A model built from a config with random weights, and a tokenizer trained on the rows: for CI."""

    hidden_size: int = Field(default=32, ge=8)
    """Width."""
    layers: int = Field(default=2, ge=1)
    """Depth."""
    heads: int = Field(default=2, ge=1)
    """Attention heads."""
    vocab_size: int = Field(default=512, ge=64)
    """Tokenizer size."""


class StudentConfig(Frozen):
    """What is taught and how."""

    kind: Literal["classifier", "causal_lm", "seq2seq"]
    """Model family."""
    base: str | TinyModelConfig
    """Pretrained model: local path or hub name; or the shape of a small random one."""
    revision: str | None = None
    """Commit of the base on the hub; needed for a hub name."""
    lora: LoraConfig | None = LoraConfig()
    """Adapters; null fine-tunes everything."""
    pooling: Literal["mean", "first", "last"] = "mean"
    """Classifier: how token features become one (sentence encoders were trained with mean)."""
    normalise: bool = True
    """Classifier: scale pooled features to length 1, then by `feature_scale`."""
    feature_scale: float = Field(default=20.0, gt=0)
    """Classifier: factor on normalised features."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """Loss terms."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the rows."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Decay after the warm-up."""
    warmup_fraction: float = Field(default=0.06, ge=0, lt=1)
    """Share of the steps for warm-up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradient clipping."""
    batch_tokens: int = Field(default=4096, ge=1)
    """Tokens per optimizer step over all processes (padding included)."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Micro-batches per optimizer step and process: the step's rows are dealt over them, so it never changes a step."""
    packing: bool = False
    """Lay the rows of a batch end to end, told apart by position ids (causal_lm; faster on a GPU, slower on a CPU)."""
    max_length_tokens: int = Field(default=512, ge=8)
    """Longest row; a longer one is counted, named and refused or truncated by `overlong`."""
    overlong: Literal["drop", "truncate", "error"] = "drop"
    """What happens to rows over `max_length_tokens`."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Generated tokens per answer at most (causal_lm, seq2seq)."""
    early_stopping_patience: int | None = Field(default=None, ge=1)
    """Stop after this many evaluations without a better validation loss."""
    base_dropout: bool = False
    """Keep the base's own dropout while training (on a CPU it costs a third of the time)."""
    gradient_checkpointing: bool = False
    """Recompute activations to save memory."""
    trust_remote_code: bool = False
    """Run model code from the hub. Off; turning it on is named in every report."""
    seed: int = 7
    """Seed of initialisation, order and dropout."""

    @property
    def reads_logprobs(self) -> bool:
        """Whether the teacher's log-probabilities of tokens teach anything here."""
        return self.kind == "causal_lm" and self.objective.soft > 0 and self.objective.teacher_model is None

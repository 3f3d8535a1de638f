"""Trains tiny students one after the other in as many processes as a launcher starts: OUT CASE...

With FSDP asked for, the processes are CPUs that accelerate takes for GPUs: the one thing changed is the kind of
parallelism it finds, so that its own code shards the model. With DEVICE=cuda they are what they are.
The first process writes what came out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from distill.records.runtime import RuntimeConfig
from distill.records.training import TrainingRow
from distill.students import causal_lm, classifier, is_follower, tiny, trainer
from distill.students.config import LoraConfig, ObjectiveConfig, StudentConfig
from distill.students.crew import Job, dismiss, follow, train_together
from distill.students.device import Placement
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig
from tests.fakes.small_training import make_config, make_rows

ROWS = make_rows(40)
LABELLED = [TrainingRow(row.id, row.prompt, "abc"[i % 3]) for i, row in enumerate(ROWS)]
EXPLAINED = [
    TrainingRow(row.id, row.prompt, row.target, rationale="because" if i == 3 else None) for i, row in enumerate(ROWS)
]
TEXT, LABEL = TaskConfig(output="text", user="{{ text }}"), TaskConfig(output="label", labels=("a", "b", "c"), user="x")
BASE = make_config(epochs=2, learning_rate=3e-3)

MISTAUGHT = [TrainingRow(row.id, row.prompt, "zq") for row in ROWS[:9]]
"""Validation rows whose loss rises as soon as the training rows are learnt."""


class Case(NamedTuple):
    """One training."""

    rows: list[TrainingRow]
    task: TaskConfig
    validation: list[TrainingRow]
    config: StudentConfig


def case(
    rows: list[TrainingRow], task: TaskConfig, validation: list[TrainingRow] = ROWS[:9], **changes: object
) -> Case:
    return Case(rows, task, validation, BASE.model_copy(update=changes))


CASES = {
    "lora": case(ROWS, TEXT),
    "full": case(ROWS, TEXT, lora=None, gradient_accumulation=2, gradient_checkpointing=True),
    "unvalidated": case(ROWS, TEXT, [], packing=True),
    "best_is_not_last": case(ROWS, TEXT, MISTAUGHT, lora=None, epochs=6, schedule="constant", warmup_fraction=0.0),
    "classifier": case(LABELLED, LABEL, LABELLED[:9], kind="classifier", epochs=6),
    "classifier_full": case(LABELLED, LABEL, LABELLED[:9], kind="classifier", lora=None, epochs=6),
    "seq2seq": case(
        EXPLAINED, TEXT, EXPLAINED[:9], kind="seq2seq", lora=None, objective=ObjectiveConfig(rationale=1.0)
    ),
    "dropout": case(ROWS, TEXT, lora=LoraConfig(rank=4, dropout=0.2), gradient_accumulation=2),
    "more_processes_than_rows": case(ROWS[:3], TEXT, ROWS[:1], batch_tokens=8),
}


def take_cpus_for_gpus() -> None:
    """Let accelerate find several GPUs where it finds several CPU processes."""
    begin = PartialState.__init__

    def found(self: PartialState, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)
        if self._shared_state.get("distributed_type") == DistributedType.MULTI_CPU:
            self._shared_state["distributed_type"] = DistributedType.MULTI_GPU

    PartialState.__init__ = found


def watch(seen: dict[str, object]) -> None:
    """Note, at the first training step, how the model lies in this process."""
    step = trainer.StudentTrainer.training_step

    def noting(self: trainer.StudentTrainer, model: torch.nn.Module, *args: object, **kwargs: object) -> torch.Tensor:
        if "parameters" not in seen:
            parameters = list(model.parameters())
            shards = [p for p in parameters if isinstance(p, DTensor)]
            seen.update(
                {
                    "parameters": len(parameters),
                    "sharded": len(shards),
                    "values": sum(p.numel() for p in parameters),
                    "values_here": sum(p.to_local().numel() for p in shards),
                    "layers": sorted(
                        {type(m).__mro__[2].__name__ for m in model.modules() if isinstance(m, FSDPModule)}
                    ),
                    "moments_sharded": all(
                        isinstance(p, DTensor) for g in self.optimizer.param_groups for p in g["params"]
                    ),
                }
            )
        return step(self, model, *args, **kwargs)

    trainer.StudentTrainer.training_step = noting


def compute_in_bf16() -> None:
    """Let trainings use autocast, as on a GPU."""
    placement = Placement(torch.device("cpu"), torch.bfloat16)
    causal_lm.place = classifier.place = lambda device: placement


def untie() -> None:
    """Give tiny causal models an output head of their own."""
    tied = tiny.Qwen2Config
    tiny.Qwen2Config = lambda **shape: tied(**shape | {"tie_word_embeddings": False})


def die_after_checkpoint(number: int) -> None:
    """End every process, as a lost machine does, once this many checkpoints were written."""
    save: Callable[..., None] = trainer.StudentTrainer._save_checkpoint
    left = [number]

    def dying(self: trainer.StudentTrainer, *args: object) -> None:
        save(self, *args)
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)

    trainer.StudentTrainer._save_checkpoint = dying


def main(out: Path, *names: str) -> None:
    seen: dict[str, object] = {}
    device = os.environ.get("DEVICE", "cpu")
    if os.environ.get("ACCELERATE_USE_FSDP") and device == "cpu" and not os.environ.get("AS_THEY_ARE"):
        take_cpus_for_gpus()
    watch(seen)
    if "BF16" in os.environ:
        compute_in_bf16()
    if "UNTIED" in os.environ:
        untie()
    if "DIE_AFTER" in os.environ:
        die_after_checkpoint(int(os.environ["DIE_AFTER"]))
    if is_follower():
        follow()
        return
    made: dict[str, object] = {}
    for name in names:
        rows, task, validation, config = CASES[name]
        changed = config.model_copy(update=json.loads(os.environ.get("CHANGES", "{}")))
        job = Job(Lessons(rows, validation), task, changed, RuntimeConfig(device=device), out / f"{name}-work")
        seen.clear()
        report = train_together(job, out / name)
        losses = [entry.get("loss", entry.get("eval_loss")) for entry in report.history[:-1]]
        made[name] = {"losses": losses, "best": report.best_validation_loss, "steps": report.steps, **seen}
        made[name]["trainable"] = report.trainable_parameters
        (out / "made.json").write_text(json.dumps(made))
    dismiss()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

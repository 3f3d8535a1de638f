"""The one trainer: `transformers.Trainer` with our batches, our loss and checkpoints that are whole or absent.

The module of every student kind maps a batch to a `LossSum`; the trainer divides by the weight of the whole
optimizer step (all micro-batches, all processes), so accumulation and world size never change the gradient.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import structlog
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments

from distill.students import checkpoints, sharding
from distill.students.batching import BatchPlan, pack_sorted, plan_batches
from distill.students.checkpoints import TrainingIdentity
from distill.students.conductor import Conductor
from distill.students.config import StudentConfig
from distill.students.device import Placement
from distill.students.protocol import OnProgress
from distill.students.trackers import check_trackers
from distill.students.trainable import list_trainable, read_trainable, write_trainable

Batch = dict[str, Tensor]
EVAL_BATCH_TOKENS = 8192


class LossSum(NamedTuple):
    """The weighted sum of the loss over a batch, and the weight it is to be divided by."""

    loss: Tensor
    weight: Tensor


class TeachingSet(NamedTuple):
    """Encoded rows, their lengths in tokens, how to collate row indices, and a hash of the content.

    `packed`: a batch lays its rows end to end instead of padding them.
    """

    lengths: Sequence[int]
    collate: Callable[[Sequence[int]], Batch]
    digest: str
    packed: bool = False


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training did."""

    steps: int
    tokens: int
    seconds: float
    best_validation_loss: float | None
    history: tuple[dict[str, float], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a training is run: nothing here changes what comes out."""

    placement: Placement
    work_dir: Path
    tracking: tuple[str, ...] = ()


def plan_training(train: TeachingSet, config: StudentConfig) -> BatchPlan:
    """Lay out every micro-batch of a training on all of its processes."""
    return plan_batches(
        train.lengths,
        config.batch_tokens,
        config.epochs,
        config.seed,
        config.gradient_accumulation,
        count_processes(),
        packed=train.packed,
    )


def fit(
    model: nn.Module,
    train: TeachingSet,
    validation: TeachingSet,
    plan: BatchPlan,
    config: StudentConfig,
    setting: Setting,
    on_progress: OnProgress | None = None,
) -> FitResult:
    """Train `model` in place by `plan`, resuming from the work directory, and leave it with its best weights.

    Raises:
        StoreError: the work directory holds a checkpoint that is damaged or of another training.
        DataError: the loss is not finite.
        ConfigError: a tracker cannot be used, or sharding was asked for where it is not done.
    """
    sharding.check_settings()
    setting.work_dir.mkdir(parents=True, exist_ok=True)
    trainer = StudentTrainer(model, train, validation, plan, config, setting, on_progress)
    newest = checkpoints.find_newest(setting.work_dir)
    if newest is not None:
        checkpoints.verify(newest, trainer.identity)
    start = time.perf_counter()
    if trainer.is_fsdp_enabled:
        structlog.get_logger(__name__).info("sharded", processes=count_processes())
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    seconds = time.perf_counter() - start
    trainer.restore_best()
    sharding.make_whole(model)
    history = tuple(_numbers(entry) for entry in trainer.state.log_history)
    tokens = sum(train.lengths[row] for batch in plan.batches for row in batch)
    return FitResult(trainer.state.global_step, tokens, seconds, trainer.best_validation_loss, history)


class StudentTrainer(Trainer):
    """`transformers.Trainer` over a `BatchPlan`: the plan is one long epoch, whose ends are evaluation points."""

    def __init__(
        self,
        model: nn.Module,
        train: TeachingSet,
        validation: TeachingSet,
        plan: BatchPlan,
        config: StudentConfig,
        setting: Setting,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Bind model, data and order; nothing runs yet."""
        self.teaching, self.validation, self.plan = train, validation, plan
        self.work_dir = setting.work_dir
        self.last_loss = torch.zeros(())
        super().__init__(
            model=model,
            args=build_arguments(config, plan, setting),
            data_collator=train.collate,
            train_dataset=cast("Any", range(len(train.lengths))),
            callbacks=[
                Conductor(
                    plan,
                    bool(validation.lengths),
                    config.early_stopping_patience,
                    lambda: self.last_loss.item(),
                    on_progress,
                )
            ],
        )
        self.loss_is_scaled_for_ga = True
        self._set_up_sharding(setting.placement)
        self.remove_callback(PrinterCallback)
        self.identity = TrainingIdentity(
            data=train.digest,
            validation=validation.digest,
            order=plan.digest,
            learning_rate=config.learning_rate,
            schedule=f"{config.schedule}, warm-up {config.warmup_fraction}",
            steps=plan.steps,
            trainable=", ".join(f"{name}{list(p.shape)}" for name, p in list_trainable(model)),
            settings=checkpoints.list_settings(config),
        )

    def _set_up_sharding(self, placement: Placement) -> None:
        """Let a sharded model compute as a whole one does.

        Raises:
            ConfigError: sharding was asked for, and accelerate would leave the model whole without a word.
        """
        self.sharded_autocast = placement if self.is_fsdp_enabled and placement.autocast is not None else None
        if self.is_fsdp_enabled:
            cast("Any", self.accelerator.state.fsdp_plugin).mixed_precision_policy = sharding.choose_precision()
        elif sharding.is_asked_for() and count_processes() > 1:
            raise sharding.refuse_unsharded()

    def compute_loss_context_manager(self) -> contextlib.ExitStack:
        """Return the context of a forward pass: of a sharded model, accelerate leaves autocast out."""
        stack = contextlib.ExitStack()
        if self.sharded_autocast is not None:
            stack.enter_context(torch.autocast(self.sharded_autocast.device.type, self.sharded_autocast.autocast))
        return stack

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the plan's micro-batches, collated."""
        loader = DataLoader(
            cast("Any", range(len(self.teaching.lengths))),
            batch_sampler=cast("Any", self.plan),
            collate_fn=partial(collate, self.teaching),
            num_workers=0,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return cast("DataLoader[Any]", self.accelerator.prepare(loader))

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor | None]:
        """Collect one optimizer step's micro-batches and the weight of their supervised parts."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if not batches:
            return batches, None
        weight = torch.stack([batch["loss_weight"].sum() for batch in batches]).sum().to(device)
        return batches, cast("Tensor", self.accelerator.reduce(weight, reduction="sum"))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return this micro-batch's share of the step's mean loss."""
        summed = cast("LossSum", model(inputs))
        weight = num_items_in_batch if num_items_in_batch is not None else summed.weight
        loss = summed.loss * self.accelerator.num_processes / weight
        self.last_loss = (summed.loss / summed.weight.clamp_min(1e-12)).detach()
        return (loss, None) if return_outputs else loss

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """Return the mean validation loss, and the loss a row; remember the best weights in the work directory."""
        if not self.validation.lengths:
            return {}
        model = cast("nn.Module", self.model)
        model.eval()
        sums: list[Tensor] = []
        with torch.no_grad(), self.compute_loss_context_manager():
            for rows in self._own_share(pack_sorted(self.validation.lengths, EVAL_BATCH_TOKENS)):
                batch = cast("Batch", self._prepare_inputs(collate(self.validation, rows)))
                summed = cast("LossSum", model(batch))
                sums.append(torch.stack([summed.loss, summed.weight.to(summed.loss.dtype)]))
        model.train()
        losses, weights = zip(*torch.stack(sums).tolist(), strict=True)
        total, weight = self._add_up(sum(losses), sum(weights))
        loss = total / max(weight, 1e-12)
        if self.best_validation_loss is None or loss < self.best_validation_loss:
            self.state.best_metric, self.state.best_global_step = loss, self.state.global_step
            write_trainable(model, cast("Path", self._best_path()), main=self.is_world_process_zero())
        losses = {"eval_loss": loss, "eval_loss_per_row": total / len(self.validation.lengths)}
        self.log(losses)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, losses)
        return losses

    @property
    def best_validation_loss(self) -> float | None:
        """The lowest mean validation loss so far; None without validation rows."""
        return self.state.best_metric

    def restore_best(self) -> None:
        """Load the weights with the lowest validation loss into the model."""
        best = self._best_path()
        if best is not None and self.state.best_global_step != self.state.global_step:
            self.accelerator.wait_for_everyone()
            read_trainable(cast("nn.Module", self.model), best)

    def _best_path(self) -> Path | None:
        """Return where the weights with the lowest validation loss lie; None while nothing was validated."""
        if self.best_validation_loss is None:
            return None
        return self.work_dir / f"best-{self.state.best_global_step}.safetensors"

    def _own_share(self, batches: list[list[int]]) -> list[list[int]]:
        """Return this process's batches; all get as many, because a sharded model runs on all or on none."""
        processes = self.accelerator.num_processes
        filled = batches + [[]] * (-len(batches) % processes)
        return filled[self.accelerator.process_index :: processes]

    def _add_up(self, total: float, weight: float) -> tuple[float, float]:
        sums = torch.tensor([total, weight], dtype=torch.float64, device=self.accelerator.device)
        added = cast("Tensor", self.accelerator.reduce(sums, reduction="sum"))
        return added[0].item(), added[1].item()

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        staging = self.work_dir / checkpoints.STAGING
        if self.is_world_process_zero():
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        write_trainable(
            cast("nn.Module", self.model), staging / "trainable.safetensors", main=self.is_world_process_zero()
        )
        if self.is_world_process_zero():
            self.state.save_to_json(str(staging / "trainer_state.json"))
        self._save_optimizer_and_scheduler(str(staging))
        self._save_rng_state(str(staging))
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            beside = [path for path in [self._best_path()] if path is not None]
            kept = checkpoints.publish(staging, self.work_dir, self.state.global_step, self.identity, beside)
            checkpoints.prune(self.work_dir, {kept})
            self._prune_best()
        self.accelerator.wait_for_everyone()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Write the optimizer's state as one file, whole where parameters are sharded."""
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_optimizer_state_dict(cast("nn.Module", self.model), self._inner_optimizer(), options=whole)
        if self.is_world_process_zero():
            torch.save(state, Path(output_dir) / "optimizer.pt")
            torch.save(cast("Any", self.lr_scheduler).state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.is_fsdp_enabled:
            if checkpoint is not None:
                state = torch.load(Path(checkpoint) / "optimizer.pt", weights_only=True, mmap=True)
                checkpoints.check_sharded(Path(checkpoint), state, sharded=False)
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        whole = StateDictOptions(full_state_dict=True)
        state = torch.load(Path(checkpoint) / "optimizer.pt", weights_only=True)
        checkpoints.check_sharded(Path(checkpoint), state, sharded=True)
        set_optimizer_state_dict(cast("nn.Module", self.model), self._inner_optimizer(), state, options=whole)
        schedule = torch.load(Path(checkpoint) / "scheduler.pt", weights_only=True)
        cast("Any", self.lr_scheduler).load_state_dict(schedule)

    def _inner_optimizer(self) -> torch.optim.Optimizer:
        return cast("torch.optim.Optimizer", getattr(self.optimizer, "optimizer", self.optimizer))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        read_trainable(cast("nn.Module", self.model), Path(resume_from_checkpoint) / "trainable.safetensors")

    def _prune_best(self) -> None:
        for path in self.work_dir.glob("best-*.safetensors"):
            if path != self._best_path():
                path.unlink()


def collate(teaching: TeachingSet, rows: Sequence[int]) -> Batch:
    """Return the batch of these rows; of none, a batch of weight 0, so that every process has as many."""
    batch = teaching.collate(rows or [0])
    if not rows:
        batch["loss_weight"] = torch.zeros_like(batch["loss_weight"])
    return batch


def count_processes() -> int:
    """Return how many processes train together, as their launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def build_arguments(config: StudentConfig, plan: BatchPlan, setting: Setting) -> TrainingArguments:
    """Translate a student's config into the Trainer's arguments.

    Raises:
        ConfigError: a tracker cannot be used.
    """
    on_gpu = setting.placement.device.type == "cuda"
    return TrainingArguments(
        output_dir=str(setting.work_dir),
        max_steps=plan.steps,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule if config.schedule != "constant" else "constant_with_warmup",
        warmup_steps=math.ceil(plan.steps * config.warmup_fraction),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=setting.placement.autocast is not None,
        use_cpu=setting.placement.device.type == "cpu",
        seed=config.seed,
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to=check_trackers(setting.tracking),
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        accelerator_config={"even_batches": False, "non_blocking": on_gpu},
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
        average_tokens_across_devices=False,
    )


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in entry.items() if isinstance(value, int | float)}

"""The composition root: a config becomes a plan. The one module that knows every stage.

Each stage gets the narrow part of the config that shapes its output; what only shapes *how* it runs (budget, limits,
prices, keys) goes into `Surroundings` and never into a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill.config import LoadedConfig, PipelineConfig
from distill.engine.stage import Input, Node, Plan
from distill.filters import filter_versions
from distill.records.runtime import RuntimeConfig
from distill.sources import digest_sources
from distill.stages.evaluate import EVALUATE, EvaluateStageConfig
from distill.stages.filter import FILTER, FilterStageConfig
from distill.stages.gate import GATE, GateStageConfig
from distill.stages.generate import GENERATE, GenerateConfig
from distill.stages.ingest import INGEST, IngestConfig
from distill.stages.report import REPORT, ReportConfig
from distill.stages.split import OPEN, SEALED, SPLIT, SplitConfig
from distill.stages.surroundings import Surroundings
from distill.stages.train import TRAIN, TrainConfig
from distill.tasks.prompts import input_columns
from distill.stages.teacher_identity import TeacherIdentity, identify_teacher


@dataclass(frozen=True, slots=True)
class Composition:
    """A plan with what it needs to run."""

    config: PipelineConfig
    runtime: RuntimeConfig
    plan: Plan
    surroundings: Surroundings
    base_dir: Path


def compose(loaded: LoadedConfig, budget_usd: float | None = None) -> Composition:
    """Build the plan of a config. Reads the sources' bytes for their digests; runs nothing.

    Raises:
        DataError: a source cannot be found.
    """
    config = loaded.pipeline
    teacher = identify_teacher(config.teacher, loaded.base_dir)
    columns = input_columns(config.task)
    nodes = (
        _ingest(loaded, columns),
        _split(config),
        Node(GENERATE, GenerateConfig(config.task, teacher), {}, {"split": Input("split", OPEN)}),
        Node(
            FILTER,
            FilterStageConfig(config.task, config.filters),
            filter_versions(config.filters),
            {"split": Input("split", OPEN), "generate": Input("generate")},
        ),
        Node(
            TRAIN,
            TrainConfig(config.task, config.student),
            {},
            {"split": Input("split", OPEN), "kept": Input("filter")},
        ),
        _evaluate(config, teacher),
        Node(
            GATE,
            GateStageConfig(config.gate, config.costs, config.task.output, config.data.heldout.allowed_looks),
            {},
            {"evaluate": Input("evaluate"), "train": Input("train"), "heldout": Input("split", SEALED)},
        ),
        Node(
            REPORT,
            ReportConfig(config.name, config.costs, config.teacher.terms, config.teacher.price_is_assumption),
            {},
            {name: Input(name) for name in ("ingest", "generate", "filter", "train", "evaluate", "gate")}
            | {"split": Input("split", OPEN)},
        ),
    )
    surroundings = Surroundings(
        runtime=loaded.runtime,
        base_dir=loaded.base_dir,
        teacher=config.teacher,
        filters=config.filters,
        budget_usd=budget_usd if budget_usd is not None else config.teacher.budget_usd,
    )
    return Composition(config, loaded.runtime, Plan(nodes), surroundings, loaded.base_dir)


def _ingest(loaded: LoadedConfig, columns: tuple[str, ...]) -> Node:
    data = loaded.pipeline.data
    return Node(INGEST, IngestConfig(data, columns, digest_sources(data, loaded.base_dir)), {}, {})


def _split(config: PipelineConfig) -> Node:
    data = config.data
    split = SplitConfig(
        heldout=data.heldout,
        validation_fraction=data.validation.fraction,
        near_duplicate_threshold=data.near_duplicate_threshold,
        by_time=data.time is not None,
        seed=data.seed,
    )
    return Node(SPLIT, split, {}, {"examples": Input("ingest")})


def _evaluate(config: PipelineConfig, teacher: TeacherIdentity) -> Node:
    return Node(
        EVALUATE,
        EvaluateStageConfig(config.task, config.evaluate, teacher, config.student.kind),
        {},
        {
            "sealed": Input("split", SEALED),
            "split": Input("split", OPEN),
            "kept": Input("filter"),
            "train": Input("train"),
        },
    )

"""The composition root: a config becomes a plan. The one module that knows every stage.

Each stage gets the narrow part of the config that shapes its output; what only shapes *how* it runs (budget, limits,
prices, keys) goes into `Surroundings` and never into a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distill.config import LoadedConfig, PipelineConfig
from distill.engine.channels import ChannelEntry, Channels
from distill.engine.stage import Input, Node, Plan
from distill.filters import EmbeddingModel, filter_versions
from distill.records.runtime import RuntimeConfig
from distill.sources import digest_sources
from distill.stages.chain_services import check_chain, check_regenerate
from distill.stages.evaluate import EVALUATE, EvaluateStageConfig
from distill.stages.filter import FILTER, FilterStageConfig
from distill.stages.gate import GATE, GateStageConfig
from distill.stages.generate import GENERATE, GenerateConfig
from distill.stages.ingest import INGEST, IngestConfig
from distill.stages.likelihoods import METRICS_OF_LIKELIHOOD
from distill.stages.panel_facts import NamedTerms
from distill.stages.report import REPORT, ReportConfig
from distill.stages.split import OPEN, SEALED, SPLIT, SplitConfig
from distill.stages.surroundings import Surroundings
from distill.stages.teacher_identity import TeacherIdentity, identify_teacher
from distill.stages.train import TRAIN, TrainConfig
from distill.tasks.prompts import input_columns
from distill.teachers import name_teachers


@dataclass(frozen=True, slots=True)
class Composition:
    """A plan with what it needs to run."""

    config: PipelineConfig
    runtime: RuntimeConfig
    plan: Plan
    surroundings: Surroundings
    base_dir: Path


def compose(
    loaded: LoadedConfig, budget_usd: float | None = None, purse: str = "", *, is_rehearsal: bool = False
) -> Composition:
    """Build the plan of a config. Reads the sources' bytes for their digests; runs nothing.

    `purse` is what `budget_usd` is the budget of; default: everything bought for these rows, prompt and teacher. In a
    rehearsal stand-ins answer for the teachers, so its look at the held-out rows is counted apart.

    Raises:
        DataError: a source cannot be found.
        UsageError: a filter needs what this run does not have.
    """
    config = loaded.pipeline
    check_chain(config.filters, config.panel, config.student)
    check_regenerate(config.regenerate, config.filters, config.panel)
    teachers = tuple(identify_teacher(teacher, loaded.base_dir) for teacher in config.panel)
    channels = find_channels(config, loaded.runtime)
    columns = input_columns(config.task)
    nodes = (
        _ingest(loaded, columns),
        _split(config),
        Node(GENERATE, GenerateConfig(config.task, teachers), {}, {"split": Input("split", OPEN)}),
        Node(
            FILTER,
            _filter(config, teachers),
            filter_versions(config.filters),
            {"split": Input("split", OPEN), "generate": Input("generate")},
        ),
        _train(config),
        _evaluate(config, teachers[0], channels),
        Node(
            GATE,
            _gate(config, {name: entry.version for name, entry in channels.items()}),
            {},
            {"evaluate": Input("evaluate")},
        ),
        Node(
            REPORT,
            _report(config),
            {},
            {name: Input(name) for name in ("generate", "filter", "train", "evaluate", "gate")}
            | {"split": Input("split", OPEN), "sealed": Input("split", SEALED)},
        ),
    )
    plan = Plan(nodes)
    surroundings = Surroundings(
        runtime=loaded.runtime,
        base_dir=loaded.base_dir,
        teachers=config.panel,
        filters=config.filters,
        budget_usd=budget_usd if budget_usd is not None else config.reference_teacher.budget_usd,
        purse=purse or plan.keys["generate"],
        is_rehearsal=is_rehearsal,
        task=config.task,
    )
    return Composition(config, loaded.runtime, plan, surroundings, loaded.base_dir)


def _filter(config: PipelineConfig, teachers: tuple[TeacherIdentity, ...]) -> FilterStageConfig:
    measures = any("losses" in spec.needs for spec in config.filters)
    student = config.student if measures else None
    return FilterStageConfig(
        config.task, config.filters, student, config.regenerate, teachers if config.regenerate is not None else ()
    )


def _gate(config: PipelineConfig, channels: Mapping[str, int]) -> GateStageConfig:
    return GateStageConfig(
        config.gate,
        config.costs,
        config.task.output,
        config.task.labels,
        config.evaluate.metrics,
        config.data.heldout.allowed_looks,
        channels=channels,
    )


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
        paraphrase_threshold=data.paraphrase_threshold,
        remove_paraphrases=data.remove_paraphrases,
        embargo_days=data.embargo_days,
        heldout_vectors=_heldout_encoder(config),
    )
    return Node(SPLIT, split, {}, {"examples": Input("ingest")})


def _heldout_encoder(config: PipelineConfig) -> EmbeddingModel | None:
    """Return the encoder whose vectors of the held-out rows a contamination filter asks for."""
    wanted = [spec.config for spec in config.filters if spec.name == "contamination" and "embedder" in spec.needs]
    return getattr(wanted[0], "model") if wanted else None  # noqa: B009  (a filter's own config, known by its name)


def find_channels(config: PipelineConfig, runtime: RuntimeConfig) -> dict[str, ChannelEntry]:
    """Return what the channels that rules name point at now; one that was never promoted to is left out.

    Raises:
        UsageError: a name cannot be a channel's.
        StoreError: a channel's history is damaged.
    """
    compared = [rule.versus for rule in config.gate.rules if rule.versus is not None]
    names = {name.removeprefix("channel:") for name in compared if name.startswith("channel:")}
    channels = Channels(runtime.state_dir)
    found = {name: channels.read(name) for name in sorted(names)}
    return {name: entry for name, entry in found.items() if entry is not None}


def _train(config: PipelineConfig) -> Node:
    fallback = config.evaluate.fallback
    has_own_rows = fallback is not None and fallback.threshold == "auto" and fallback.own_rows
    train = TrainConfig(config.task, config.student, own_threshold_rows=has_own_rows)
    return Node(TRAIN, train, {}, {"split": Input("split", OPEN), "kept": Input("filter")})


def _evaluate(config: PipelineConfig, teacher: TeacherIdentity, channels: Mapping[str, ChannelEntry]) -> Node:
    """Systems that a rule compares with are evaluated though no list names them."""
    named = {rule.versus for rule in config.gate.rules} - set(config.evaluate.baselines)
    extra = tuple(name for name in ("base", "few_shot") if name in named)
    evaluate = config.evaluate.model_copy(update={"baselines": (*config.evaluate.baselines, *extra)})
    targets = {name: entry.target for name, entry in channels.items()}
    return Node(
        EVALUATE,
        EvaluateStageConfig(config.task, evaluate, teacher, config.student, targets, weighs_references(config)),
        {},
        {
            "sealed": Input("split", SEALED),
            "split": Input("split", OPEN),
            "kept": Input("filter"),
            "train": Input("train"),
        },
    )


def weighs_references(config: PipelineConfig) -> bool:
    """Say whether a metric that is shown or judged needs the likelihood of the references."""
    named = {*(config.evaluate.metrics or ()), *(rule.metric for rule in config.gate.rules)}
    return bool(named & METRICS_OF_LIKELIHOOD)


def _report(config: PipelineConfig) -> ReportConfig:
    base, panel = config.student.base, config.panel
    name = base if isinstance(base, str) else f"tiny {base.layers}x{base.hidden_size}"
    return ReportConfig(
        name=config.name,
        task=config.task.output,
        teachers=tuple(NamedTerms(name, t.terms) for name, t in zip(name_teachers(panel), panel, strict=True)),
        student=f"{name} ({config.student.kind})",
        base=name,
        costs=config.costs,
        price_is_assumption=panel[0].price_is_assumption or panel[0].provider == "rehearsal",
        seeds={"student": config.student.seed, "data": config.data.seed, "evaluate": config.evaluate.seed},
    )

"""Ingest: read the declared sources into example tables. Every malformed line is named and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from distill.engine.fingerprint import Plain
from distill.engine.stage import Context, Stage, Summary
from distill.errors import DataError
from distill.records.example import Example
from distill.sources import read_source
from distill.sources.config import DataConfig
from distill.stages.examples_table import write_examples
from distill.stages.gold import check_gold
from distill.stages.surroundings import surroundings_of
from distill.tasks import make_task


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """What is read and how; `digests` are those of the files' content, so that changed rows are a changed key."""

    data: DataConfig
    input_columns: tuple[str, ...]
    digests: Mapping[str, str] = field(default_factory=dict[str, str])


def run_ingest(config: object, context: Context) -> Summary:
    """Read the sources; write pool.parquet, heldout.parquet (when it has its own source) and malformed.json.

    Raises:
        DataError: a source is missing, empty or malformed beyond its limit, an id is in both, or gold is no answer.
    """
    config = cast("IngestConfig", config)
    around = surroundings_of(context)
    base_dir = around.base_dir
    context.progress(0, None, config.data.source)
    pool = read_source(config.data, config.input_columns, base_dir)
    found = {"pool": pool}
    if config.data.heldout.source is not None:
        found["heldout"] = read_source(heldout_source(config.data), config.input_columns, base_dir)
        check_disjoint_ids(pool.examples, found["heldout"].examples)
    for name, result in found.items():
        if not result.examples:
            raise DataError(f"{config.data.source}: no usable row for the {name}; check `data.source` and the columns")
        if around.task is not None:
            check_gold(result.examples, make_task(around.task))
        write_examples(result.examples, context.output_dir / f"{name}.parquet")
    malformed = [{"where": line.where, "message": line.message} for part in found.values() for line in part.malformed]
    report = {"malformed": malformed, "rows": {name: len(part.examples) for name, part in found.items()}}
    (context.output_dir / "ingest.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    rows = sum(len(part.examples) for part in found.values())
    facts: dict[str, Plain] = {"malformed": len(malformed), **{name: len(r.examples) for name, r in found.items()}}
    return Summary(rows_in=rows + len(malformed), rows_out=rows, facts=facts)


def heldout_source(data: DataConfig) -> DataConfig:
    """Return the data section as it reads for the held-out source."""
    return data.model_copy(update={"source": data.heldout.source})


def check_disjoint_ids(pool: Sequence[Example], heldout: Sequence[Example]) -> None:
    """Refuse an id that stands in both sources.

    Raises:
        DataError: naming the first such id and both places.
    """
    places = {example.id: example.where for example in pool}
    for example in heldout:
        if example.id in places:
            raise DataError(
                f"{example.where}: id {example.id!r} is also in the training source ({places[example.id]}); "
                "held-out rows need ids of their own"
            )


INGEST = Stage("ingest", 1, run_ingest)

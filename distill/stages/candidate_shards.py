"""Candidates in shards on disk: a join of two tables in no common order, of which only a bucket is in memory at a time.

The order of ids cuts the rows into buckets, all answers to an example into one. One pass over each table carries its
rows to their buckets; then each bucket is joined and parsed by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distill.engine.parquet import read_batches
from distill.engine.shards import DiskShards
from distill.engine.spool import DiskSpool
from distill.records.tables import CANDIDATES, COMPLETIONS, EXAMPLES
from distill.stages.candidates import COMPLETION_COLUMNS, EXAMPLE_COLUMNS, find_examples, join_candidates, order_answers
from distill.tasks.protocol import Task

I64 = NDArray[np.int64]
BUCKET_ROWS = 32_768
MAX_BUCKETS = 256
"""Files open at once; beyond so many, buckets grow."""


def write_candidates(
    examples: Sequence[Path], completions: Path, task: Task, folder: Path, bucket_rows: int = BUCKET_ROWS
) -> DiskShards:
    """Join completions to their examples and parse them; return shards in the order of id, teacher and sample.

    Raises:
        StoreError: a table is damaged, or a completion belongs to none of the examples.
        OSError: the disk refuses.
    """
    asked = _gather(examples, EXAMPLES, ["id"]).column("id")
    answered = _gather([completions], COMPLETIONS, ["id", "teacher", "sample"])
    count = max(1, min(MAX_BUCKETS, -(-answered.num_rows // bucket_rows)))
    example = find_examples(answered.column("id"), asked)
    bucket = _rank_examples(order_answers(answered).to_numpy(), example) * count // max(1, answered.num_rows)
    wanted = np.unique(example * count + bucket)
    del asked, answered, example
    answers = _scatter(
        read_batches(completions, COMPLETION_COLUMNS),
        np.arange(len(bucket)),
        bucket,
        _make_spools(folder / "answers", COMPLETIONS, COMPLETION_COLUMNS, count),
    )
    inputs = _scatter(
        chain.from_iterable(read_batches(path, EXAMPLE_COLUMNS) for path in examples),
        wanted // count,
        wanted % count,
        _make_spools(folder / "inputs", EXAMPLES, EXAMPLE_COLUMNS, count),
    )
    shards = DiskShards(folder / "rows", CANDIDATES)
    shards.extend(_join(*pair, task) for pair in zip(inputs, answers, strict=True))
    return shards


def _rank_examples(order: I64, example: I64) -> I64:
    """Return for each answer where, in `order`, the first answer to its example stands."""
    sorted_examples = example[order]
    starts = np.flatnonzero(np.diff(sorted_examples, prepend=-1))
    rank = np.empty_like(example)
    rank[order] = np.repeat(starts, np.diff(np.append(starts, len(order))))
    return rank


def _gather(paths: Sequence[Path], schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    nothing = schema.empty_table().select(list(columns))
    return pa.concat_tables([nothing, *(table for path in paths for table in read_batches(path, columns))])


def _make_spools(folder: Path, schema: pa.Schema, columns: Sequence[str], count: int) -> list[DiskSpool]:
    chosen = schema.empty_table().select(list(columns)).schema
    return [DiskSpool(folder / f"{number:03}.arrow", chosen) for number in range(count)]


def _scatter(tables: Iterable[pa.Table], rows: I64, buckets: I64, spools: Sequence[DiskSpool]) -> Sequence[DiskSpool]:
    """Carry row `rows[i]` (ascending) of the tables to spool `buckets[i]`."""
    start = 0
    for table in tables:
        first, last = np.searchsorted(rows, [start, start + table.num_rows]).tolist()
        mine, where = rows[first:last] - start, buckets[first:last]
        for bucket in np.unique(where).tolist():
            spools[bucket].append(table.take(pa.array(mine[where == bucket])))
        start += table.num_rows
    return spools


def _join(inputs: DiskSpool, answers: DiskSpool, task: Task) -> pa.Table:
    joined = join_candidates(pa.concat_tables(inputs.read()), pa.concat_tables(answers.read()), task)
    inputs.remove()
    answers.remove()
    return joined

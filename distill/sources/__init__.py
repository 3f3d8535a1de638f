"""Sources of examples: one reader a file format, listed here; what they yield becomes examples in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distill.errors import DataError
from distill.records.example import Example
from distill.sources.chat import is_chat, read_chat
from distill.sources.config import DataConfig
from distill.sources.csv import read_csv
from distill.sources.examples import Recorded, make_example
from distill.sources.files import digest_files, find_files, is_hub, name_in_messages
from distill.sources.hub import read_hub
from distill.sources.jsonl import read_jsonl
from distill.sources.parquet import read_parquet
from distill.sources.row import MalformedLine, Reader, Row

READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
_SHOWN = 3

__all__ = ["READERS", "DataConfig", "MalformedLine", "SourceResult", "digest_sources", "read_source"]


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The examples of a source in its order, and every line that was left out."""

    examples: list[Example]
    malformed: list[MalformedLine]
    digest: str


def read_source(config: DataConfig, input_columns: Sequence[str], base_dir: Path) -> SourceResult:
    """Read the rows of `config.source`; `input_columns` are the columns the prompts use, in order.

    Gold may be absent where the held-out rows have a source of their own and this is not it.

    Raises:
        DataError: a file is missing or unusable, a declared column is in no row, two rows have one id, or
            more than `max_malformed_fraction` of the lines are malformed.
        MissingExtraError: a hub source without the `datasets` library.
    """
    examples: list[Example] = []
    malformed: list[MalformedLine] = []
    seen: Counter[str] = Counter()
    lines = 0
    as_chat: bool | None = None if config.format == "auto" else config.format == "chat"
    for row in _read_rows(config.source, base_dir):
        lines += 1
        if row.values is None:
            malformed.append(MalformedLine(row.where, row.problem))
            continue
        if as_chat is None:
            as_chat = is_chat(row.values, input_columns)
        try:
            recorded = Recorded(*read_chat(row.values)) if as_chat else Recorded(row.values)
            seen.update(recorded.values.keys())
            examples.append(make_example(recorded, row.where, config, input_columns))
        except ValueError as error:
            malformed.append(MalformedLine(row.where, str(error)))
    if lines == 0:
        raise DataError(f"{config.source}: has no rows")
    _check_columns(config, input_columns, seen)
    _check_malformed(config, malformed, lines)
    return SourceResult(_settle_ids(examples, config.id), malformed, _digest(config.source, base_dir))


def digest_sources(config: DataConfig, base_dir: Path) -> dict[str, str]:
    """Return the content digest (64 hex digits) of each source: `source`, and `heldout` where it has its own.

    A hub dataset is named, not read: its digest is that of its name and revision.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    sources = {"source": config.source, "heldout": config.heldout.source}
    return {name: _digest(source, base_dir) for name, source in sources.items() if source is not None}


def _digest(source: str, base_dir: Path) -> str:
    return source if is_hub(source) else digest_files(find_files(source, base_dir))


def _read_rows(source: str, base_dir: Path) -> Iterator[Row]:
    if is_hub(source):
        yield from read_hub(source)
        return
    for path in find_files(source, base_dir):
        name = name_in_messages(path, base_dir)
        yield from _choose_reader(path, name)(path, name)


def _choose_reader(path: Path, name: str) -> Reader:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    reader = READERS.get(suffix.lower())
    if reader is None or (reader is read_parquet and path.suffix == ".gz"):
        known = ", ".join(sorted(READERS))
        raise DataError(f"{name}: unknown format {path.suffix!r}; known: {known} (text formats also with .gz)")
    return reader


def _check_columns(config: DataConfig, input_columns: Sequence[str], seen: Counter[str]) -> None:
    gold_may_lack = config.heldout.source not in (None, config.source)
    declared = {
        "data.id": (config.id,),
        "data.gold": () if gold_may_lack else (config.gold,),
        "data.teacher_output": (config.teacher_output,) if config.heldout.source != config.source else (),
        "data.slices": config.slices,
        "data.group": (config.group,),
        "data.time": (config.time,),
        "the prompt": tuple(input_columns),
    }
    if not seen:
        return
    for place, columns in declared.items():
        for column in columns:
            if column is not None and column not in seen:
                available = ", ".join(sorted(seen))
                raise DataError(f"{config.source}: column {column!r} ({place}) is in no row; columns: {available}")


def _check_malformed(config: DataConfig, malformed: Sequence[MalformedLine], lines: int) -> None:
    if len(malformed) <= config.max_malformed_fraction * lines:
        return
    shown = "; ".join(f"{line.where}: {line.message}" for line in malformed[:_SHOWN])
    more = f"; and {len(malformed) - _SHOWN} more" if len(malformed) > _SHOWN else ""
    raise DataError(
        f"{config.source}: {len(malformed)} of {lines} lines are malformed, more than data.max_malformed_fraction "
        f"{config.max_malformed_fraction:g}: {shown}{more}"
    )


def _settle_ids(examples: Sequence[Example], id_column: str | None) -> list[Example]:
    """Refuse an id given twice; number the copies of rows that have no id of their own (`-2`, `-3`, ...)."""
    settled: list[Example] = []
    first: dict[str, Example] = {}
    copies: Counter[str] = Counter()
    for example in examples:
        earlier = first.setdefault(example.id, example)
        if earlier is example:
            settled.append(example)
            continue
        if id_column is not None or earlier.content_hash != example.content_hash:
            raise DataError(f"{example.where}: id {example.id!r} is already used at {earlier.where}")
        copies[example.id] += 1
        settled.append(replace(example, id=f"{example.id}-{copies[example.id] + 1}"))
    return settled

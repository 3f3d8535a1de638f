"""Split: near-duplicates and groups stay together, leaks leave train, the held-out part is sealed.

Order (golden/README 'Splits'): dedupe, components of near-duplicates and user groups, then the split, then the seal.
Writes `open/` (train, validation, hashes of the held-out part's word runs) and `sealed/`, which only `evaluate` has as
an input.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
from numpy.typing import NDArray

from distill.engine.fingerprint import Plain
from distill.engine.stage import Context, Stage, Summary
from distill.errors import DataError
from distill.filters import EmbeddingModel
from distill.records.example import Example
from distill.records.json import dump_canonical
from distill.similarity import components, near_duplicate_pairs, normalise
from distill.similarity.paraphrase import paraphrase_pairs
from distill.sources.config import HeldoutConfig
from distill.stages.examples_table import read_examples, write_examples
from distill.stages.heldout_traces import write_traces, write_vectors
from distill.stages.leaks import Audit, remove_leaks
from distill.stages.surroundings import surroundings_of

OPEN, SEALED = "open", "sealed"
MIN_HELDOUT = 20


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How rows are divided."""

    heldout: HeldoutConfig
    validation_fraction: float
    near_duplicate_threshold: float
    by_time: bool
    seed: int
    paraphrase_threshold: float | None = None
    remove_paraphrases: bool = False
    embargo_days: float = 0.0
    heldout_vectors: EmbeddingModel | None = None


def run_split(config: object, context: Context) -> Summary:
    """Divide the examples; write open/, sealed/ and audit.json.

    Raises:
        DataError: too little is left for a part.
    """
    config = cast("SplitConfig", config)
    source = context.inputs["examples"]
    pool = read_examples(source / "pool.parquet")
    audit = Audit(pool=len(pool))
    context.progress(0, None, "finding duplicates")
    pool = remove_duplicates(pool, audit)
    heldout_path = source / "heldout.parquet"
    threshold = config.near_duplicate_threshold
    if heldout_path.is_file():
        heldout = read_examples(heldout_path)
        pool = remove_leaks(
            pool,
            heldout,
            threshold,
            audit,
            paraphrase_threshold=config.paraphrase_threshold,
            remove_paraphrases=config.remove_paraphrases,
        )
        heldout = assign_components(heldout, threshold)
        pool = assign_components(pool, threshold)
    else:
        pool = assign_components(pool, threshold)
        heldout, pool = carve_heldout(pool, config)
        pool = keep_embargo(pool, heldout, config, audit)
        pool = audit_paraphrases(pool, heldout, config, audit)
    validation, train = take_part(pool, config.validation_fraction * len(pool), config.seed + 1)
    audit.train, audit.validation, audit.heldout = len(train), len(validation), len(heldout)
    audit.heldout_groups = len({example.group for example in heldout})
    check_sizes(audit)
    write_parts(context, train, validation, heldout, audit)
    if config.heldout_vectors is not None:
        write_vectors(_embed(heldout, config.heldout_vectors, context), context.output_dir / OPEN)
    facts: dict[str, Plain] = {name: value for name, value in asdict(audit).items() if isinstance(value, int)}
    return Summary(rows_in=audit.pool + len(heldout), rows_out=len(train) + len(validation) + len(heldout), facts=facts)


def remove_duplicates(pool: Sequence[Example], audit: Audit) -> list[Example]:
    """Keep the first of rows that are the same after normalisation; count differing golds among them."""
    first: dict[str, Example] = {}
    for example in pool:
        known = first.setdefault(normalise(example.text), example)
        if known is not example:
            audit.duplicates_removed += 1
            audit.conflicting_gold += known.gold != example.gold
    return list(first.values())


def assign_components(examples: list[Example], threshold: float) -> list[Example]:
    """Give every example the group of its component: same user group, or near-duplicate, transitively."""
    near = near_duplicate_pairs([e.text for e in examples], threshold)
    pairs: list[tuple[int, int]] = list(zip(near.left.tolist(), near.right.tolist(), strict=True))
    by_group: dict[str, int] = {}
    for index, example in enumerate(examples):
        if example.group is not None:
            other = by_group.setdefault(example.group, index)
            if other != index:
                pairs.append((other, index))
    roots: list[int] = components(len(examples), pairs).tolist()
    names: dict[int, str] = {}
    for index, root in enumerate(roots):
        names[root] = min(names.get(root, examples[index].id), examples[index].id)
    return [replace(example, group=names[root]) for example, root in zip(examples, roots, strict=True)]


def carve_heldout(pool: list[Example], config: SplitConfig) -> tuple[list[Example], list[Example]]:
    """Cut the held-out part from the pool: the newest groups when rows carry a time, else a stratified draw.

    Raises:
        DataError: more rows are asked for than there are.
    """
    wanted = config.heldout.size if config.heldout.size is not None else (config.heldout.fraction or 0.0) * len(pool)
    if wanted >= len(pool):
        raise DataError(f"data.heldout asks for {wanted:.0f} of {len(pool)} rows; leave some to train on")
    if not config.by_time:
        return take_part(pool, wanted, config.seed)
    newest: dict[str, str] = defaultdict(str)
    for example in pool:
        newest[str(example.group)] = max(newest[str(example.group)], example.time or "")
    order = sorted(_groups(pool).items(), key=lambda item: (newest[item[0]], item[0]), reverse=True)
    taken: set[str] = set()
    count = 0
    for name, members in order:
        if count >= wanted:
            break
        taken.add(name)
        count += len(members)
    return [e for e in pool if e.group in taken], [e for e in pool if e.group not in taken]


def keep_embargo(pool: list[Example], heldout: Sequence[Example], config: SplitConfig, audit: Audit) -> list[Example]:
    """Leave out of train what lies within the embargo before the oldest held-out row: near in time is near in content.

    Raises:
        DataError: a row's time cannot be read as a date.
    """
    if not config.by_time or config.embargo_days <= 0 or not heldout:
        return pool
    edge = min(read_time(example) for example in heldout) - timedelta(days=config.embargo_days)
    kept = [example for example in pool if read_time(example) < edge]
    audit.embargoed = len(pool) - len(kept)
    return kept


def read_time(example: Example) -> datetime:
    """Return a row's time, taken as UTC where it names no zone.

    Raises:
        DataError: it is not an ISO 8601 date.
    """
    try:
        found = datetime.fromisoformat(example.time or "")
    except ValueError as error:
        raise DataError(
            f"{example.where or example.id}: data.embargo_days needs ISO 8601 times, not {example.time!r}"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def audit_paraphrases(
    pool: list[Example], heldout: Sequence[Example], config: SplitConfig, audit: Audit
) -> list[Example]:
    """Count suspected paraphrases between the cut parts (groups keep copies apart); remove them if told."""
    if config.paraphrase_threshold is None:
        return pool
    suspects = paraphrase_pairs([e.text for e in pool], [e.text for e in heldout], config.paraphrase_threshold)
    audit.overlap_paraphrase = len(set(suspects.right.tolist()))
    gone = set(suspects.left.tolist()) if config.remove_paraphrases else set[int]()
    audit.leaks_removed_from_train = len(gone)
    return [example for index, example in enumerate(pool) if index not in gone]


def take_part(pool: list[Example], wanted: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Draw about `wanted` rows, whole groups, stratified by gold and slices; return (drawn, left).

    Systematic sampling along the groups sorted by stratum and seeded hash: each stratum gives its share, and
    every group has the same chance whatever its size.
    """
    groups = _groups(pool)
    order = sorted(groups, key=lambda name: (_stratum(groups[name]), _hash(seed, name)))
    fraction = wanted / len(pool) if pool else 0.0
    offset = int(_hash(seed, "offset")[:8], 16) / 0xFFFFFFFF
    taken: set[str] = set()
    position = 0.0
    for name in order:
        before = int(position + offset)
        position += fraction
        if int(position + offset) > before:
            taken.add(name)
    return [e for e in pool if e.group in taken], [e for e in pool if e.group not in taken]


def _groups(pool: Iterable[Example]) -> Mapping[str, list[Example]]:
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in pool:
        groups[str(example.group)].append(example)
    return groups


def _stratum(members: Sequence[Example]) -> str:
    first = min(members, key=lambda example: example.id)
    return dump_canonical([first.gold, dict(sorted(first.slices.items()))])


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def check_sizes(audit: Audit) -> None:
    """Refuse a split in which a part is too small to mean anything.

    Raises:
        DataError: naming the part.
    """
    if audit.heldout < MIN_HELDOUT:
        raise DataError(f"only {audit.heldout} held-out rows; at least {MIN_HELDOUT} are needed to say anything")
    if audit.train < 1 or audit.validation < 1:
        raise DataError(
            f"{audit.train} train and {audit.validation} validation rows are left "
            f"({audit.leaks_removed_from_train} train rows were near-copies of held-out ones); bring more rows"
        )


def write_parts(
    context: Context, train: Sequence[Example], validation: Sequence[Example], heldout: Sequence[Example], audit: Audit
) -> None:
    """Write all parts and the seal.

    Raises:
        StoreError: a value does not fit.
    """
    by_id: Callable[[Example], str] = lambda example: example.id  # noqa: E731 a sort key, named once
    opened, sealed = context.output_dir / OPEN, context.output_dir / SEALED
    write_examples(sorted(train, key=by_id), opened / "train.parquet")
    write_examples(sorted(validation, key=by_id), opened / "validation.parquet")
    ordered = sorted(heldout, key=by_id)
    write_examples(ordered, sealed / "heldout.parquet")
    seal = {"digest": seal_digest(ordered), "rows": len(ordered), "groups": audit.heldout_groups}
    for folder in (opened, sealed):
        (folder / "seal.json").write_text(json.dumps(seal, indent=1), encoding="utf-8")
    write_traces([example.text for example in ordered], opened)
    (opened / "audit.json").write_text(json.dumps(asdict(audit), indent=1, ensure_ascii=False), encoding="utf-8")


def _embed(heldout: Sequence[Example], model: EmbeddingModel, context: Context) -> NDArray[np.float32]:
    from distill.students.embeddings import embed_texts  # noqa: PLC0415  (torch, only where paraphrases are looked for)

    texts = [example.text for example in sorted(heldout, key=lambda example: example.id)]
    return embed_texts(texts, model.name, model.revision, surroundings_of(context).runtime.device)


def seal_digest(heldout: Sequence[Example]) -> str:
    """Return the sha256 (64 hex digits) over ids and contents of the held-out set, in id order."""
    lines = sorted(f"{example.id}\t{example.content_hash}" for example in heldout)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


SPLIT = Stage("split", 3, run_split)

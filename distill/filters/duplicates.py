"""Filters that look across rows: the first of equal or near-equal inputs stays. Rows come in a fixed order."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import pyarrow as pa
from pydantic import Field

from distill.filters.protocol import FilterContext, NoOptions
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict
from distill.similarity import Pairs, near_duplicate_pairs, normalise

RUN_WORDS = 13
"""Length of the word runs that count as copied (Brown et al. 2020, arXiv:2005.14165, appendix C)."""
HASH_CHARS = 16
CONFLICT = "duplicate_conflict"
"""Reason of a copy whose own answer differs from every answer of the row it copies."""

Targets = Mapping[str, frozenset[str]]


class ExactDuplicate:
    """Drops later rows whose normalised input is that of an earlier row with another id."""

    name = "exact_duplicate"
    version = 2
    order_free = False
    config_type = NoOptions

    def judge(self, rows: pa.Table, config: object, context: FilterContext) -> Sequence[Verdict]:
        """Judge rows in their order; samples of one example are no duplicates of each other."""
        del config, context
        ids, targets = _ids(rows), _targets(rows)
        first: dict[str, str] = {}
        owners = {
            identity: first.setdefault(normalise(text), identity)
            for identity, text in zip(ids, cast("list[str]", rows.column("text").to_pylist()), strict=True)
        }
        return [
            KEEP
            if owners[i] == i
            else Verdict(False, _reason("exact_duplicate", i, owners[i], targets), f"of {owners[i]}")
            for i in ids
        ]


class NearDuplicateConfig(Frozen):
    """How near is too near."""

    threshold: float = Field(default=0.85, gt=0, le=1)
    """Jaccard similarity from which a row counts as a copy."""


class _Copy(NamedTuple):
    owner: int
    jaccard: float


class NearDuplicate:
    """Drops a row that is near to a row kept before it; every drop is verified by the true Jaccard of those two.

    Nearness is not passed on: of a chain a ~ b ~ c in which a and c are not near, a and c stay.
    """

    name = "near_duplicate"
    version = 2
    order_free = False
    config_type = NearDuplicateConfig

    def judge(self, rows: pa.Table, config: object, context: FilterContext) -> Sequence[Verdict]:
        """Judge rows in their order; samples of one example are no duplicates of each other."""
        del context
        threshold = cast("NearDuplicateConfig", config).threshold
        ids, targets = _ids(rows), _targets(rows)
        texts = dict(zip(reversed(ids), reversed(cast("list[str]", rows.column("text").to_pylist())), strict=True))
        names = list(dict.fromkeys(ids))
        copies = find_copies(len(names), near_duplicate_pairs([texts[name] for name in names], threshold))
        verdicts = dict.fromkeys(names, KEEP)
        for index, copy in copies.items():
            name, owner = names[index], names[copy.owner]
            reason = _reason("near_duplicate", name, owner, targets)
            verdicts[name] = Verdict(False, reason, f"of {owner} (Jaccard {copy.jaccard:.3f})")
        return [verdicts[name] for name in ids]


def find_copies(n: int, pairs: Pairs) -> dict[int, _Copy]:
    """Walk nodes 0 to n - 1 and return those to drop, each with a kept earlier node that it is paired with.

    A pair of Jaccard 1 has one and the same set on both sides, so what is near to one is as near to the other.
    """
    earlier: dict[int, list[_Copy]] = defaultdict(list)
    for left, right, score in pairs.tuples():
        earlier[right].append(_Copy(left, score))
    copies: dict[int, _Copy] = {}
    for node in range(n):
        for partner in earlier[node]:
            if partner.owner not in copies:
                copies[node] = partner
                break
            if partner.jaccard == 1.0:
                copies[node] = copies[partner.owner]
                break
    return copies


def _ids(rows: pa.Table) -> list[str]:
    return cast("list[str]", rows.column("id").to_pylist())


def _targets(rows: pa.Table) -> Targets:
    found: dict[str, set[str]] = defaultdict(set)
    for identity, target in zip(_ids(rows), cast("list[str | None]", rows.column("target").to_pylist()), strict=True):
        if target is not None:
            found[identity].add(target)
    return {identity: frozenset(values) for identity, values in found.items()}


def _reason(same: str, identity: str, owner: str, targets: Targets) -> str:
    mine, theirs = targets.get(identity), targets.get(owner)
    return CONFLICT if mine and theirs and not mine & theirs else same


class Contamination:
    """Drops rows that share a run of 13 words (or, when shorter, the whole text) with the held-out set."""

    name = "contamination"
    version = 1
    order_free = True
    config_type = NoOptions

    def judge(self, rows: pa.Table, config: object, context: FilterContext) -> Sequence[Verdict]:
        """Judge each row by the hashes of its word runs."""
        del config
        texts = cast("list[str]", rows.column("text").to_pylist())
        return [
            Verdict(False, "contamination", "shares 13 words with a held-out row")
            if any(run in context.heldout_hashes for run in hash_runs(text))
            else KEEP
            for text in texts
        ]


def hash_runs(text: str) -> Iterator[str]:
    """Yield the digests (16 hex digits) of a text's 13-word runs; of the whole text when it is shorter."""
    words = normalise(text).split()
    for start in range(max(1, len(words) - RUN_WORDS + 1)):
        run = " ".join(words[start : start + RUN_WORDS])
        if run:
            yield hashlib.sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_CHARS]


EXACT_DUPLICATE = ExactDuplicate()
NEAR_DUPLICATE = NearDuplicate()
CONTAMINATION = Contamination()

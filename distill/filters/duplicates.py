"""Filters that look across rows: the first of equal or near-equal inputs stays. Rows come in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
from pydantic import Field

from distill.filters.protocol import FilterContext, NoOptions
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict
from distill.similarity import components, near_duplicate_pairs, normalise

RUN_WORDS = 13
"""Length of the word runs that count as copied (Brown et al. 2020, arXiv:2005.14165, appendix C)."""
HASH_CHARS = 16


class ExactDuplicate:
    """Drops later rows whose normalised input is that of an earlier row with another id."""

    name = "exact_duplicate"
    version = 1
    order_free = False
    config_type = NoOptions

    def judge(self, rows: pa.Table, config: Any, context: FilterContext) -> Sequence[Verdict]:
        """Judge rows in their order; samples of one example are no duplicates of each other."""
        del config, context
        first: dict[str, str] = {}
        verdicts: list[Verdict] = []
        for identity, text in zip(rows.column("id").to_pylist(), rows.column("text").to_pylist(), strict=True):
            owner = first.setdefault(normalise(cast("str", text)), cast("str", identity))
            verdicts.append(KEEP if owner == identity else Verdict(False, "exact_duplicate", f"of {owner}"))
        return verdicts


class NearDuplicateConfig(Frozen):
    """How near is too near."""

    threshold: float = Field(default=0.85, gt=0, le=1)
    """Jaccard similarity from which a row counts as a copy."""


class NearDuplicate:
    """Keeps the first row of each component of near-duplicates; every pair is verified by its true Jaccard."""

    name = "near_duplicate"
    version = 1
    order_free = False
    config_type = NearDuplicateConfig

    def judge(self, rows: pa.Table, config: Any, context: FilterContext) -> Sequence[Verdict]:
        """Judge rows in their order; samples of one example are no duplicates of each other."""
        del context
        ids = cast("list[str]", rows.column("id").to_pylist())
        texts = cast("list[str]", rows.column("text").to_pylist())
        position = {identity: index for index, identity in reversed(list(enumerate(ids)))}
        unique = sorted(position.values())
        pairs = near_duplicate_pairs([texts[index] for index in unique], config.threshold)
        roots = components(len(unique), zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)).tolist()
        owner = {ids[index]: ids[unique[root]] for index, root in zip(unique, roots, strict=True)}
        return [KEEP if owner[i] == i else Verdict(False, "near_duplicate", f"of {owner[i]}") for i in ids]


class Contamination:
    """Drops rows that share a run of 13 words (or, when shorter, the whole text) with the held-out set."""

    name = "contamination"
    version = 1
    order_free = True
    config_type = NoOptions

    def judge(self, rows: pa.Table, config: Any, context: FilterContext) -> Sequence[Verdict]:
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

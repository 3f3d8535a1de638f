"""What train and held-out share: found, removed from train, reported. Held-out rows are never removed.

Four kinds, each counted in held-out rows: the same text, the same after normalisation, near copies (word sets),
and suspected paraphrases (rare word stems). The first three leave train with their groups; suspects stay unless the
config says otherwise, because two customers may well ask the same thing in much the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from distill.records.example import Example
from distill.similarity import cross_pairs, normalise
from distill.similarity.paraphrase import paraphrase_pairs

SHOWN = 20


@dataclass(slots=True)
class Audit:
    """What the split found; shown by plan, doctor and report. Overlaps count held-out rows."""

    pool: int = 0
    duplicates_removed: int = 0
    conflicting_gold: int = 0
    overlap_exact: int = 0
    overlap_normalised: int = 0
    overlap_near: int = 0
    overlap_paraphrase: int = 0
    overlap_group: int = 0
    leaks_removed_from_train: int = 0
    train: int = 0
    validation: int = 0
    heldout: int = 0
    heldout_groups: int = 0
    embargoed: int = 0
    examples_of_leaks: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def describe(self) -> str | None:
        """Say in one line what train and held-out share; None when it is nothing."""
        if not (self.overlap_near or self.overlap_normalised or self.overlap_paraphrase or self.overlap_group):
            return None
        return (
            f"of {self.heldout} held-out rows, {self.overlap_exact} are also in the training data letter for letter, "
            f"{self.overlap_normalised} after normalisation, {self.overlap_near} as near copies, {self.overlap_group} "
            f"by group, and {self.overlap_paraphrase} are suspected paraphrases; {self.leaks_removed_from_train} "
            "training rows are left out for it"
        )


def find_leaks(
    pool: Sequence[Example],
    heldout: Sequence[Example],
    threshold: float,
    audit: Audit,
    *,
    paraphrase_threshold: float | None = None,
    remove_paraphrases: bool = False,
) -> set[int]:
    """Return the indices of pool rows that must leave train, and write what was found into `audit`."""
    audit.heldout = len(heldout)
    exact = {example.text for example in pool}
    ours, theirs = ([normalise(example.text) for example in side] for side in (pool, heldout))
    in_train, in_heldout = set(ours), set(theirs)
    audit.overlap_exact = sum(example.text in exact for example in heldout)
    audit.overlap_normalised = sum(text in in_train for text in theirs)
    kinds = {i: "normalised" for i, text in enumerate(ours) if text in in_heldout}
    pairs = cross_pairs([e.text for e in pool], [e.text for e in heldout], threshold)
    audit.overlap_near = len(set(pairs.right.tolist()))
    for i in pairs.left.tolist():
        kinds.setdefault(i, "near")
    groups = {example.group for example in heldout if example.group is not None}
    in_pool = {example.group for example in pool if example.group is not None}
    audit.overlap_group = sum(example.group in in_pool for example in heldout if example.group is not None)
    for i, example in enumerate(pool):
        if example.group is not None and example.group in groups:
            kinds.setdefault(i, "group")
    if paraphrase_threshold is not None:
        suspects = paraphrase_pairs([e.text for e in pool], [e.text for e in heldout], paraphrase_threshold)
        known = set(pairs.right.tolist()) | {j for j, text in enumerate(theirs) if text in in_train}
        audit.overlap_paraphrase = len(set(suspects.right.tolist()) - known)
        for i in suspects.left.tolist() if remove_paraphrases else ():
            kinds.setdefault(i, "paraphrase")
    audit.leaks_removed_from_train = len(kinds)
    audit.examples_of_leaks = [
        {"id": pool[i].id, "where": pool[i].where, "kind": kinds[i]} for i in sorted(kinds)[:SHOWN]
    ]
    return set(kinds)


def remove_leaks(
    pool: list[Example],
    heldout: list[Example],
    threshold: float,
    audit: Audit,
    *,
    paraphrase_threshold: float | None = None,
    remove_paraphrases: bool = False,
) -> list[Example]:
    """Remove from train, never from held-out, what `find_leaks` names."""
    leaks = find_leaks(
        pool,
        heldout,
        threshold,
        audit,
        paraphrase_threshold=paraphrase_threshold,
        remove_paraphrases=remove_paraphrases,
    )
    return [example for index, example in enumerate(pool) if index not in leaks]

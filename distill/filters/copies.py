"""What the duplicate filters share: which row is a copy of which kept row, and whether their answers conflict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from distill.filters.rows import Rows
from distill.records.verdict import Verdict
from distill.similarity import Pairs

CONFLICT = "duplicate_conflict"
"""Reason of a copy whose own answer differs from every answer of the row it copies."""

Targets = Mapping[str, frozenset[str]]


class Copy(NamedTuple):
    """A node's kept earlier partner, and how alike they are."""

    owner: int
    score: float


class Inputs(NamedTuple):
    """The distinct examples of some rows, in the order of the rows: samples of one example are no copies."""

    names: list[str]
    texts: list[str]

    @classmethod
    def of(cls, rows: Rows) -> Inputs:
        """Read them off the rows."""
        texts: dict[str, str] = {}
        for name, text in zip(rows.values("id"), rows.strings("text"), strict=True):
            texts.setdefault(name, text)
        return cls(list(texts), list(texts.values()))


def find_copies(pairs: Pairs) -> dict[int, Copy]:
    """Walk the nodes in order and return those to drop, each with a kept earlier node that it is paired with.

    Nearness is not passed on: of a chain a ~ b ~ c in which a and c are not near, a and c stay.
    A pair of similarity 1 has one and the same set on both sides, so what is near to one is as near to the other.
    """
    earlier: dict[int, list[Copy]] = defaultdict(list)
    for left, right, score in pairs.tuples():
        earlier[right].append(Copy(left, score))
    copies: dict[int, Copy] = {}
    for node in sorted(earlier):
        for partner in earlier[node]:
            if partner.owner not in copies:
                copies[node] = partner
                break
            if partner.score == 1.0:
                copies[node] = copies[partner.owner]
                break
    return copies


def judge_copies(
    rows: Rows, names: Sequence[str], copies: Mapping[int, Copy], reason: str, measure: str
) -> dict[str, Verdict]:
    """Return a verdict for the examples that are copies."""
    targets = read_targets(rows)
    verdicts: dict[str, Verdict] = {}
    for index, copy in copies.items():
        name, owner = names[index], names[copy.owner]
        same = find_reason(reason, name, owner, targets)
        verdicts[name] = Verdict(False, same, f"of {owner} ({measure} {copy.score:.3f})")
    return verdicts


def read_targets(rows: Rows) -> Targets:
    """Return each example's parsed answers."""
    found: dict[str, set[str]] = defaultdict(set)
    for identity, target in zip(rows.values("id"), rows.values("target"), strict=True):
        if target is not None:
            found[identity].add(target)
    return {identity: frozenset(values) for identity, values in found.items()}


def find_reason(same: str, identity: str, owner: str, targets: Targets) -> str:
    """Return `same`, or that the copy's answers conflict with its owner's."""
    mine, theirs = targets.get(identity), targets.get(owner)
    return CONFLICT if mine and theirs and not mine & theirs else same

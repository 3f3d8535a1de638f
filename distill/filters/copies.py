"""What the duplicate filters share: which row is a copy of which kept row, and whether their answers conflict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distill.filters.rows import Rows
from distill.records.verdict import KEEP, Verdict
from distill.similarity import Pairs

CONFLICT = "duplicate_conflict"
"""Reason of a copy whose own answer differs from every answer of the row it copies."""

_BLOCK = 8192


class Copy(NamedTuple):
    """A node's kept earlier partner, and how alike they are."""

    owner: int
    score: float


class Inputs:
    """The distinct examples of some rows, numbered in the order of the rows: samples of one example are no copies."""

    def __init__(self, rows: Rows) -> None:
        encoded = rows.table.column("id").dictionary_encode()
        self.of_row: NDArray[np.int64] = np.concatenate(
            [np.zeros(0, np.int64), *(chunk.indices.to_numpy() for chunk in encoded.chunks)]
        )
        highest = np.maximum.accumulate(self.of_row)
        self.first_rows = np.flatnonzero(np.diff(highest, prepend=-1))
        self._rows = rows

    def __len__(self) -> int:
        return len(self.first_rows)

    def names(self, numbers: Iterable[int] | None = None) -> list[str]:
        """Return the ids of some examples, or of all."""
        chosen = self.first_rows if numbers is None else self.first_rows[list(numbers)]
        return self._rows.pick("id", chosen)

    def texts(self) -> Iterator[str]:
        """Yield the text of each example; a null is an empty text. Few are in memory at once."""
        for start in range(0, len(self), _BLOCK):
            block = self._rows.table.column("text").take(pa.array(self.first_rows[start : start + _BLOCK]))
            yield from (text or "" for text in cast("list[str | None]", block.to_pylist()))

    def targets(self, numbers: Iterable[int]) -> dict[int, frozenset[str]]:
        """Return the parsed answers of some examples."""
        wanted = np.zeros(len(self), bool)
        wanted[list(numbers)] = True
        places = np.flatnonzero(wanted[self.of_row])
        found: dict[int, set[str]] = defaultdict(set)
        for number, target in zip(self.of_row[places].tolist(), self._rows.pick("target", places), strict=True):
            if target is not None:
                found[number].add(target)
        return {number: frozenset(answers) for number, answers in found.items()}

    def spread(self, verdicts: Mapping[int, Verdict]) -> list[Verdict]:
        """Return one verdict per row, from those on examples; the others are kept."""
        if not verdicts:
            return [KEEP] * len(self.of_row)
        return [verdicts.get(number, KEEP) for number in self.of_row.tolist()]


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


def judge_copies(inputs: Inputs, copies: Mapping[int, Copy], reason: str, measure: str | None) -> list[Verdict]:
    """Return a verdict per row; evidence names the row that was copied and, with a `measure`, how alike they are."""
    owners = [copy.owner for copy in copies.values()]
    targets = inputs.targets({*copies, *owners})
    names = dict(zip(owners, inputs.names(owners), strict=True))
    verdicts: dict[int, Verdict] = {}
    for number, (owner, score) in copies.items():
        mine, theirs = targets.get(number), targets.get(owner)
        conflict = mine and theirs and not mine & theirs
        alike = "" if measure is None else f" ({measure} {score:.3f})"
        verdicts[number] = Verdict(False, CONFLICT if conflict else reason, f"of {names[owner]}{alike}")
    return inputs.spread(verdicts)

"""What an example's answers come to together: the answer that is taught, and how its teachers' opinions are spread.

One rule for several samples and several teachers: a teacher's opinion is a distribution, and opinions are averaged.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, cast

from distill.records.completion import TopLogprobs
from distill.stages.label_mass import LabelMass, read_label_mass

Row = Mapping[str, object]
Floats = tuple[float, ...]


class Winner(NamedTuple):
    """The answer that is taught: `row` gives it, `agreeing` (in order, `row` first) say the same."""

    row: Row
    agreeing: tuple[Row, ...]


def group_by_example(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each example, examples in order of id, their rows in order of teacher and sample."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=_place):
        by_id[cast("str", row["id"])].append(row)
    return list(by_id.values())


def find_winner(members: Sequence[Row]) -> Winner:
    """Return the answer with most votes; a teacher's one vote is shared out over its samples.

    A tie goes to the teacher named first, and between samples of one teacher to the smaller text.
    """
    votes, first = _count(members), dict[str, int]()
    for row in members:
        first.setdefault(cast("str", row["target"]), _teacher(row))
    target = min(votes, key=lambda answer: (-votes[answer], first[answer], answer))
    agreeing = tuple(row for row in members if row["target"] == target)
    return Winner(agreeing[0], agreeing)


def is_shared(members: Sequence[Row]) -> bool:
    """Tell whether more than one teacher's answers are among the rows."""
    return len({_teacher(row) for row in members}) > 1


def pool_label(members: Sequence[Row], labels: Sequence[str]) -> Floats | None:
    """Return the mean of the teachers' distributions over the labels, or None where a lone answer is all there is.

    A teacher asked once speaks through its log-probabilities where it gave any, else for its answer alone; one asked
    several times through the shares of its samples.
    """
    opinions = [_opinion(rows, labels) for rows in _by_teacher(members)]
    if len(opinions) == 1:
        return opinions[0]
    certain = [opinion or _share(rows, labels) for opinion, rows in zip(opinions, _by_teacher(members), strict=True)]
    return _mean(certain)


def pool_labels(members: Sequence[Row], labels: Sequence[str]) -> Floats | None:
    """Return, per label of a label set, the teachers' mean share of answers naming it; None for a lone answer."""
    if len(members) == 1:
        return None
    named = [[set(cast("list[str]", json.loads(cast("str", row["value_json"])))) for row in rows]
             for rows in _by_teacher(members)]  # fmt: skip
    return _mean([tuple(sum(label in one for one in sets) / len(sets) for label in labels) for sets in named])


def list_lone_answers(members: Sequence[Row]) -> list[Row]:
    """Return the answers of the teachers that gave only one: the ones whose log-probabilities speak for them."""
    return [rows[0] for rows in _by_teacher(members) if len(rows) == 1]


def read_logprobs(row: Row) -> TopLogprobs | None:
    """Return a row's token log-probabilities, or None where the teacher gave none. Equal tokens are one in memory."""
    tokens = cast("list[list[str]] | None", row["top_tokens"])
    if not tokens:
        return None
    values = cast("list[list[float]]", row["top_logprobs"])
    return TopLogprobs(
        sampled_tokens=tuple(map(sys.intern, cast("list[str]", row["sampled_tokens"]))),
        sampled_logprobs=tuple(float(v) for v in cast("list[float]", row["sampled_logprobs"])),
        tokens=tuple(tuple(map(sys.intern, alternatives)) for alternatives in tokens),
        logprobs=tuple(tuple(float(v) for v in alternatives) for alternatives in values),
    )


def read_mass(row: Row, labels: Sequence[str]) -> LabelMass | None:
    """Return where a teacher's probability went in one answer; None where its log-probabilities do not tell."""
    logprobs = read_logprobs(row)
    if logprobs is None:
        return None
    return read_label_mass(logprobs, cast("str", row["answer"]), cast("str", row["target"]), tuple(labels))


def label_distribution(row: Row, labels: Sequence[str]) -> Floats | None:
    """Return the label probabilities that an answer's tokens show, in label order; None where they show none."""
    mass = read_mass(row, labels)
    return None if mass is None else mass.spread(labels)


def _opinion(rows: Sequence[Row], labels: Sequence[str]) -> Floats | None:
    return _share(rows, labels) if len(rows) > 1 else label_distribution(rows[0], labels)


def _share(rows: Sequence[Row], labels: Sequence[str]) -> Floats:
    return tuple(sum(row["target"] == label for row in rows) / len(rows) for label in labels)


def _mean(opinions: Sequence[Floats]) -> Floats:
    """Average opinions: the linear pool (Stone 1961, Annals of Mathematical Statistics 32:1339)."""
    return tuple(sum(values) / len(opinions) for values in zip(*opinions, strict=True))


def _count(members: Sequence[Row]) -> dict[str, Fraction]:
    votes: dict[str, Fraction] = defaultdict(Fraction)
    for rows in _by_teacher(members):
        for row in rows:
            votes[cast("str", row["target"])] += Fraction(1, len(rows))
    return votes


def _by_teacher(members: Sequence[Row]) -> list[list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in members:
        found[_teacher(row)].append(row)
    return [found[teacher] for teacher in sorted(found)]


def _teacher(row: Row) -> int:
    return cast("int | None", row["teacher"]) or 0


def _place(row: Row) -> tuple[str, int, int]:
    return cast("str", row["id"]), _teacher(row), cast("int", row["sample"])

"""What selections to a target size share: how many rows to take, label by label, and the verdict on the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from pydantic import Field, model_validator

from distill.filters.rows import Rows
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class TargetSize(Frozen):
    """How many examples stay: a count, or a share of those that are left."""

    size: int | None = Field(default=None, ge=1)
    """Examples to keep."""
    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of the examples to keep, when no size is given."""

    @model_validator(mode="after")
    def _check_one(self) -> TargetSize:
        if self.size is not None and self.fraction is not None:
            raise ValueError("give size or fraction, not both")
        return self

    def count(self, examples: int) -> int:
        """Return how many of so many examples stay; all, when neither is given."""
        wanted = self.size if self.size is not None else round((self.fraction or 1.0) * examples)
        return min(wanted, examples)


def share_out(total: int, groups: Mapping[Hashable, int], *, evenly: bool) -> dict[Hashable, int]:
    """Share `total` places among groups of given sizes: in proportion (largest remainder), or evenly."""
    if evenly:
        return _share_evenly(total, groups)
    everything = sum(groups.values())
    exact = {name: total * size / everything for name, size in groups.items()}
    places = {name: int(value) for name, value in exact.items()}
    order = sorted(groups, key=lambda name: (places[name] - exact[name], str(name)))
    for name in order[: total - sum(places.values())]:
        places[name] += 1
    return places


def _share_evenly(total: int, groups: Mapping[Hashable, int]) -> dict[Hashable, int]:
    places: dict[Hashable, int] = dict.fromkeys(groups, 0)
    order = sorted(groups, key=lambda name: (groups[name], str(name)))
    left = total
    for index, name in enumerate(order):
        places[name] = min(groups[name], left // (len(order) - index))
        left -= places[name]
    for name in reversed(order):
        more = min(left, groups[name] - places[name])
        places[name] += more
        left -= more
    return places


def group_by_target(rows: Rows, names: Sequence[str]) -> dict[Hashable, list[int]]:
    """Return the places of examples (in `names`) by their first answer."""
    first: dict[str, str | None] = {}
    for name, target in zip(rows.values("id"), rows.values("target"), strict=True):
        first.setdefault(name, target)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        groups[first[name]].append(place)
    return groups


def keep_chosen(rows: Rows, chosen: set[str], reason: str) -> list[Verdict]:
    """Return the verdicts of a selection of examples."""
    dropped = Verdict(False, reason)
    return [KEEP if name in chosen else dropped for name in rows.values("id")]

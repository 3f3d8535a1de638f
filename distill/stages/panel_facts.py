"""What the report tells of several teachers: how often each was with the others, what each cost, under which terms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from distill.engine.parquet import read_table
from distill.filters.votes import lead_of, word_of
from distill.records.amounts import add_usd
from distill.reports import TeacherFacts
from distill.stages.report_files import Files
from distill.teachers.config import TermsConfig

Target = str | None


@dataclass(frozen=True, slots=True)
class NamedTerms:
    """A teacher as the report calls it, and its terms on training with its outputs."""

    name: str
    terms: TermsConfig


@dataclass(slots=True)
class _Tally:
    """Rows on which a teacher gave a usable answer, and with whom it was."""

    answered: int = 0
    with_majority: int = 0
    compared: int = 0
    with_reference: int = 0
    kept: int = 0
    usd: list[float | None] = field(default_factory=list[float | None])


def gather_panel(files: Files, inputs: Mapping[str, Path], teachers: Sequence[NamedTerms]) -> tuple[TeacherFacts, ...]:
    """Return a line per teacher where there are several, the reference teacher first; else nothing.

    Raises:
        StoreError: a table is damaged.
    """
    if len(teachers) == 1:
        return ()
    tallies = _tally(inputs["filter"])
    entries = cast("Sequence[Mapping[str, Any]]", files.generate["teachers"])
    return tuple(
        _describe(named, tallies[number], entry)
        for number, (named, entry) in enumerate(zip(teachers, entries, strict=True))
    )


def _tally(folder: Path) -> Mapping[int, _Tally]:
    tallies: dict[int, _Tally] = defaultdict(_Tally)
    said: dict[str, dict[int, Counter[Target]]] = defaultdict(lambda: defaultdict(Counter))
    for name in ("kept", "rejected"):
        table = read_table(folder / f"{name}.parquet", ["id", "teacher", "target", "cost_usd"])
        for row in cast("list[dict[str, Any]]", table.to_pylist()):
            said[row["id"]][row["teacher"]][row["target"]] += 1
            tallies[row["teacher"]].kept += name == "kept"
            tallies[row["teacher"]].usd.append(row["cost_usd"])
    for by_teacher in said.values():
        _compare(by_teacher, tallies)
    return tallies


def _compare(by_teacher: Mapping[int, Counter[Target]], tallies: Mapping[int, _Tally]) -> None:
    """Count one example: a teacher's word is its most frequent sample."""
    words = {teacher: word_of(counts) for teacher, counts in by_teacher.items()}
    votes = Counter(words.values())
    most, second = lead_of(votes)
    for teacher, word in words.items():
        if word is None:
            continue
        tallies[teacher].answered += 1
        tallies[teacher].with_majority += votes[word] == most > second
        if words.get(0) is not None:
            tallies[teacher].compared += 1
            tallies[teacher].with_reference += word == words[0]


def _describe(named: NamedTerms, tally: _Tally, entry: Mapping[str, Any]) -> TeacherFacts:
    standing, ledger = entry["standing"], entry["ledger"]
    return TeacherFacts(
        name=named.name,
        served=", ".join(ledger["models_served"]) or None,
        answered=tally.answered,
        with_majority=tally.with_majority,
        compared=tally.compared,
        with_reference=tally.with_reference,
        kept=tally.kept,
        usd=add_usd([*tally.usd, ledger["wasted_usd"]]),
        price_source=str(entry["price"]["source"]),
        terms=named.terms.training_on_outputs,
        terms_source=named.terms.source,
        sunset=standing.get("sunset"),
        days_left=standing.get("days_left"),
    )

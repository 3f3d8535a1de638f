"""Gathers what the costs of a run stand on: answers by what they cost whenever they were bought, and measured times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from distill.costs import CostInputs, LedgerEntry, TeacherLedger, rows_from_predictions
from distill.engine.parquet import read_table
from distill.records.amounts import add_usd
from distill.stages.report_files import Files
from distill.stages.rivals import JUDGE


class Answered(NamedTuple):
    """Which answer: an example's, by which teacher, which sample, to which question."""

    id: str
    teacher: int
    sample: int
    key: str


def gather_costs(
    files: Files, predictions: pa.Table, inputs: Mapping[str, Path], *, price_is_assumption: bool
) -> CostInputs:
    """Put the inputs of the cost model together.

    Raises:
        StoreError: a table is damaged.
    """
    bought = read_table(inputs["generate"] / "completions.parquet")
    kept = read_table(inputs["filter"] / "kept.parquet", [*Answered._fields, "cost_usd"])
    student = files.scores["systems"]["student"]
    teacher, *others = _training_ledgers(files, bought, kept)
    return CostInputs(
        teacher=replace(teacher, price_is_assumption=price_is_assumption),
        others=tuple(others),
        rows=rows_from_predictions(predictions),
        throughput_per_s=files.evaluation["throughput_per_s"],
        p50_ms=_value(student, "p50_latency_ms"),
        p95_ms=_value(student, "p95_latency_ms"),
        training_s=files.training["seconds"],
        evaluation_s=files.evaluation["seconds"],
        heldout=_heldout_ledger(files, predictions),
        paid_usd=add_usd(
            [
                files.generate["ledger"]["usd"],
                files.evaluate["ledger"]["usd"],
                files.regenerate.get("spent_usd", 0.0),
                *(rival["usd"] for rival in files.rivals.values()),
            ]
        ),
        threshold=threshold_of(files),
        extra=(*_judge_lines(files), *rival_lines(files)),
    )


def threshold_of(files: Files) -> float | None:
    """Return the threshold in use; None: no fallback; infinity: none could be chosen, so the teacher answers all."""
    chosen = files.evaluation["threshold"]
    if chosen is None:
        return None
    return math.inf if chosen["threshold"] is None else float(chosen["threshold"])


def _training_ledgers(files: Files, bought: pa.Table, kept: pa.Table) -> list[TeacherLedger]:
    """Return what each teacher's answers cost, the reference teacher's first; of several, asking again is the last."""
    entries = cast("Sequence[Mapping[str, Any]]", files.generate["teachers"])
    if len(entries) == 1:
        return [_training_ledger(files, bought)]
    places, left = _places(bought), _places(kept)
    first, used = set(places), set(left)
    ledgers: list[TeacherLedger] = []
    for number, entry in enumerate(entries):
        mine = _choose(bought, [place.teacher == number for place in places])
        lost = _choose(bought, [place.teacher == number and place not in used for place in places])
        ledgers.append(_own_ledger(entry, mine, lost))
    if files.regenerate:
        ledgers.append(_again_ledger(files, _choose(kept, [place not in first for place in left])))
    return ledgers


def _choose(table: pa.Table, mask: Sequence[bool]) -> pa.Table:
    return table.filter(pa.array(mask, pa.bool_()))


def _own_ledger(entry: Mapping[str, Any], mine: pa.Table, lost: pa.Table) -> TeacherLedger:
    """Return what one of several teachers was paid for its first answers, of which `lost` were not kept."""
    ledger = entry["ledger"]
    return TeacherLedger(
        name=entry["model"],
        calls=mine.num_rows,
        input_tokens=_total(mine, "input_tokens"),
        cached_input_tokens=_total(mine, "cached_input_tokens"),
        output_tokens=_total(mine, "output_tokens"),
        usd=add_usd([*_costs(mine), ledger["wasted_usd"]]),
        wasted_usd=ledger["wasted_usd"],
        discarded_usd=add_usd(_costs(lost)),
        discarded_calls=lost.num_rows,
        retried_calls=_retried(ledger),
        outcome_unknown=ledger.get("outcome_unknown", 0),
        estimated_calls=sum(mine.column("usage_estimated").to_pylist()),
        price_source=str(entry["price"]["source"]),
        price_is_assumption=bool(entry["is_rehearsal"]) or entry["price"]["source"] == "assumption",
    )


def _again_ledger(files: Files, rescued: pa.Table) -> TeacherLedger:
    """Return what asking several teachers again cost; an answer that took another's place carries the cost of both."""
    again = files.regenerate
    used = add_usd([*_costs(rescued), None if again["replaced_usd"] is None else -again["replaced_usd"]])
    return TeacherLedger(
        name="all teachers, asked again",
        calls=again["answers"],
        input_tokens=again["input_tokens"],
        cached_input_tokens=again["cached_input_tokens"],
        output_tokens=again["output_tokens"],
        usd=again["usd"],
        wasted_usd=0.0,
        discarded_usd=add_usd([again["usd"], None if used is None else -used]),
        discarded_calls=again["answers"] - rescued.num_rows,
    )


def _places(table: pa.Table) -> list[Answered]:
    return [Answered(**row) for row in cast("list[Any]", table.select(list(Answered._fields)).to_pylist())]


def _training_ledger(files: Files, bought: pa.Table) -> TeacherLedger:
    ledger, again = files.generate["ledger"], files.regenerate
    answers = again.get("answers", 0)
    return TeacherLedger(
        calls=bought.num_rows + answers,
        input_tokens=_total(bought, "input_tokens") + again.get("input_tokens", 0),
        cached_input_tokens=_total(bought, "cached_input_tokens") + again.get("cached_input_tokens", 0),
        output_tokens=_total(bought, "output_tokens") + again.get("output_tokens", 0),
        usd=add_usd([*_costs(bought), ledger["wasted_usd"], again.get("usd", 0.0)]),
        wasted_usd=ledger["wasted_usd"],
        discarded_usd=add_usd([*(step["usd_dropped"] for step in files.funnel), again.get("replaced_usd", 0.0)]),
        discarded_calls=sum(sum(step["reasons"].values()) for step in files.funnel) + answers,
        retried_calls=_retried(ledger),
        outcome_unknown=ledger.get("outcome_unknown", 0),
        estimated_calls=sum(bought.column("usage_estimated").to_pylist()),
        price_source=str(files.generate["price"]["source"]),
    )


def _heldout_ledger(files: Files, predictions: pa.Table) -> TeacherLedger:
    """Count every answer on the held-out set, all repeats: each was paid for."""
    ledger = files.evaluate["ledger"]
    rows = cast("list[dict[str, Any]]", predictions.to_pylist())
    teacher = [row for row in rows if row["system"] == "teacher"]
    return TeacherLedger(
        calls=len(teacher),
        input_tokens=sum(row["input_tokens"] or 0 for row in teacher),
        output_tokens=sum(row["output_tokens"] or 0 for row in teacher),
        usd=add_usd([*(row["cost_usd"] for row in teacher), ledger["wasted_usd"]]),
        wasted_usd=ledger["wasted_usd"],
        retried_calls=_retried(ledger),
        outcome_unknown=ledger.get("outcome_unknown", 0),
        estimated_calls=ledger["estimated_calls"],
    )


def _judge_lines(files: Files) -> tuple[LedgerEntry, ...]:
    """Return what filters that ask a model have spent: the filter stage's own dollars."""
    spent = files.records.get("filter", {}).get("cost_usd")
    usd = None if spent is None else spent - files.regenerate.get("spent_usd", 0.0)
    if usd is not None and usd <= 1e-12:
        return ()
    return (LedgerEntry("filter", "judge", usd, "calls to the judge of the filters"),)


def rival_lines(files: Files) -> tuple[LedgerEntry, ...]:
    """Return a line per rival model and one for the judge of answers: all they were asked, whenever it was paid."""
    return tuple(
        LedgerEntry(
            "evaluate",
            "judge" if name == JUDGE else "rival",
            add_usd([ledger["answers_usd"], ledger["wasted_usd"]]),
            "both orders of each pair put to the judge" if name == JUDGE else f"{name} answers the held-out set",
            calls=ledger["answers"],
            is_estimated=ledger["estimated_calls"] > 0,
        )
        for name, ledger in sorted(files.rivals.items())
    )


def _retried(ledger: Mapping[str, Any]) -> int:
    return sum(ledger["attempts_by_error"].values())


def _costs(table: pa.Table) -> Sequence[float | None]:
    return cast("list[float | None]", table.column("cost_usd").to_pylist())


def _total(table: pa.Table, column: str) -> int:
    return sum(value or 0 for value in cast("list[int | None]", table.column(column).to_pylist()))


def _value(scores: Mapping[str, Any], metric: str) -> float | None:
    return scores[metric]["value"] if metric in scores else None

"""Rejected answers sent back to their teacher, through the journal and within the budget.

A further answer takes the place of the rejected one and is judged by the same chain. Filters that look at a row by
itself screen it at once; those that compare rows see it when the whole chain runs again over all answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from distill.engine.parquet import read_batches, write_rows, write_tables
from distill.engine.stage import Context
from distill.filters import FilterContext, FilterSpec, RegenerateConfig, complain, run_chain
from distill.filters.regenerate import SHOWN_CHARS
from distill.records.completion import Message, TeacherRequest
from distill.records.example import Example
from distill.records.json import Json
from distill.records.tables import COMPLETIONS, REGENERATED
from distill.stages.candidates import Row, completion_row, join_candidates
from distill.stages.chain_services import Spending
from distill.stages.examples_table import make_table, read_examples
from distill.stages.surroundings import Surroundings
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_teacher
from distill.teachers import Order, TeacherConfig, build_requests, open_teacher

AFRESH_TEMPERATURE = 0.7
_READ = ("id", "teacher", "sample", "key", "answer", "error_kind", "cost_usd", "filter", "reason", "evidence")


class Place(NamedTuple):
    """Which answer: an example's, by which teacher, which sample."""

    id: str
    teacher: int
    sample: int


class Rejected(NamedTuple):
    """An answer that a filter dropped; `cost_usd` is all that its place has cost so far."""

    place: Place
    key: str
    answer: str
    error_kind: str | None
    cost_usd: float | None
    filter: str
    reason: str
    evidence: str


@dataclass(slots=True)
class Regenerator:
    """The further questions of one run of the stage. `history` has each place's rejected answers, oldest first."""

    config: RegenerateConfig
    task: TaskConfig
    filters: tuple[FilterSpec, ...]
    surroundings: Surroundings
    spending: Spending
    examples: Mapping[str, Example]
    context: FilterContext
    history: dict[Place, list[Rejected]] = field(default_factory=dict[Place, list[Rejected]])
    latest: dict[Place, Row] = field(default_factory=dict[Place, Row])
    usd: dict[int, list[float | None]] = field(default_factory=lambda: defaultdict[int, "list[float | None]"](list))
    tokens: Counter[str] = field(default_factory=Counter[str])
    spent_usd: float = 0.0
    rounds: int = 0

    def ask(self, rejected: Iterator[Mapping[str, object]], run: Context) -> bool:
        """Ask again for what is worth it, until row-wise filters accept it; False when nothing is left to ask.

        Raises:
            TeacherError: the teacher cannot be used.
            BudgetExceededError: the next call could pass the budget; what was bought is kept.
        """
        wanted = self._worth_asking(rejected)
        asked = bool(wanted)
        while wanted:
            self.rounds += 1
            for one in wanted:
                self.history.setdefault(one.place, []).append(one)
            for teacher in sorted({one.place.teacher for one in wanted}):
                self._buy([one for one in wanted if one.place.teacher == teacher], teacher, run)
            wanted = self._worth_asking(self._screen([one.place for one in wanted]))
        return asked

    def rewrite(self, completions: Path, target: Path) -> Path:
        """Write the completions with the latest answer in each place; returns where they are."""
        tables = (self._exchange(table) for table in read_batches(completions, COMPLETIONS.names))
        write_tables(tables, COMPLETIONS, target)
        return target

    def _worth_asking(self, rejected: Iterator[Mapping[str, object]]) -> list[Rejected]:
        asking = {spec.name for spec in self.filters if spec.member.asks_again}
        found = [read_rejected(row) for row in rejected if row["filter"] in asking]
        return [
            one
            for one in found
            if len(self.history.get(one.place, ())) < self.config.max_attempts and self._can_answer(one.place)
        ]

    def _can_answer(self, place: Place) -> bool:
        """Tell whether a live teacher gave the answer; recorded ones are the reference teacher's."""
        recorded = place.teacher == 0 and self.examples[place.id].teacher_output is not None
        return not recorded and self.surroundings.teachers[place.teacher].provider != "replay"

    def _buy(self, wanted: Sequence[Rejected], number: int, run: Context) -> None:
        config = self.surroundings.teachers[number]
        orders = [self._order(one.place, config) for one in wanted]
        with open_teacher(
            config, self.surroundings.runtime, task_labels=self.task.labels, resolve=self.surroundings.base_dir
        ) as teacher:
            teacher.check()
            bought = teacher.buy(
                orders,
                budget=self.spending.budget,
                on_progress=lambda now: run.progress(now.done, now.total, f"asking again, ${now.usd:.4f}"),
            )
            self.spending.usd += teacher.ledger.usd
            self.spent_usd += teacher.ledger.usd
            self.spending.ledgers[f"{config.model}, asked again ({self.rounds})"] = teacher.ledger.to_json()
        for one, completion in zip(wanted, bought, strict=True):
            row = completion_row(replace(completion, sample=one.place.sample), number)
            known = None not in (one.cost_usd, completion.cost_usd)
            row["cost_usd"] = cast("float", one.cost_usd) + cast("float", completion.cost_usd) if known else None
            self.latest[one.place] = row
            self.usd[len(self.history[one.place])].append(completion.cost_usd)
            self.tokens.update({name: cast("int", row[name]) for name in TOKENS})

    def _order(self, place: Place, teacher: TeacherConfig) -> Order:
        """The number of the sample is one that was never asked for: the journal sells no old answer as a new one."""
        turns = self.history[place]
        return Order(place.id, place.sample + len(turns) * teacher.samples, self._request(place, turns, teacher))

    def _request(self, place: Place, turns: Sequence[Rejected], teacher: TeacherConfig) -> TeacherRequest:
        conversation = [*render_teacher(self.task, self.examples[place.id].columns)]
        for turn in turns if self.config.how == "repair" else ():
            complaint = complain(turn.filter, turn.reason, turn.evidence)
            if complaint is not None and turn.answer.strip() and turn.error_kind is None:
                conversation += [Message("assistant", turn.answer[:SHOWN_CHARS]), Message("user", complaint)]
        shown = conversation[-1].role == "user" and any(message.role == "assistant" for message in conversation)
        update = {"temperature": self._temperature(teacher, turns[-1], shown=shown)}
        if self.config.max_output_tokens is not None:
            update["max_output_tokens"] = self.config.max_output_tokens
        schema = cast("Mapping[str, Json] | None", self.task.schema_) if self.task.output == "json" else None
        (request,) = build_requests([tuple(conversation)], teacher.model_copy(update=update), schema=schema)
        return request

    def _temperature(self, teacher: TeacherConfig, last: Rejected, *, shown: bool) -> float | None:
        if self.config.temperature is not None:
            return self.config.temperature
        if shown or last.error_kind is not None or teacher.temperature is None:
            return teacher.temperature
        return max(AFRESH_TEMPERATURE, teacher.temperature)

    def _screen(self, places: Sequence[Place]) -> Iterator[Mapping[str, object]]:
        """Judge the new answers by the filters that look at a row by itself; yield what they drop."""
        asked = make_table([self.examples[identity] for identity in sorted({place.id for place in places})])
        answers = pa.Table.from_pylist([self.latest[place] for place in places], schema=COMPLETIONS)
        table = join_candidates(asked, answers, make_task(self.task))
        cheap = [spec for spec in self.filters if spec.is_cheap]
        return read_rows([run_chain(table, cheap, self.context).rejected])

    def _exchange(self, table: pa.Table) -> pa.Table:
        keys = table.select(["id", "teacher", "sample"]).to_pylist()
        places = [Place(**cast("Any", row)) for row in keys]
        if not any(place in self.latest for place in places):
            return table
        rows = table.to_pylist()
        return pa.Table.from_pylist(
            [self.latest.get(place, row) for place, row in zip(places, rows, strict=True)], schema=COMPLETIONS
        )

    def write_history(self, path: Path) -> None:
        """Write the answers that were replaced, each with why, to regenerated.parquet."""
        rows = [
            {**one._asdict(), **place._asdict(), "attempt": attempt, "cost_usd": _own_cost(turns, attempt)}
            for place, turns in sorted(self.history.items())
            for attempt, one in enumerate(turns)
        ]
        write_rows(rows, REGENERATED, path)

    def describe(self, rejected: Iterator[Mapping[str, object]]) -> dict[str, Json]:
        """Say what asking again brought; `rejected` are the rows that were dropped in the end."""
        lost = {read_rejected(row).place for row in rejected}
        rescued = {place: turns for place, turns in self.history.items() if place not in lost}
        usd = _add([cost for costs in self.usd.values() for cost in costs])
        first = Counter((turns[0].filter, turns[0].reason) for turns in self.history.values())
        saved = Counter((turns[0].filter, turns[0].reason) for turns in rescued.values())
        kept_at = Counter(len(turns) for turns in rescued.values())
        return {
            "asked_rows": len(self.history),
            "answers": sum(len(costs) for costs in self.usd.values()),
            "rescued": len(rescued),
            "usd": usd,
            "usd_per_rescued": None if usd is None or not rescued else usd / len(rescued),
            "spent_usd": self.spent_usd,
            "replaced_usd": _add([turns[-1].cost_usd for turns in rescued.values()]),
            **{name: self.tokens[name] for name in TOKENS},
            "attempts": [
                {"attempt": attempt, "asked": len(costs), "rescued": kept_at[attempt], "usd": _add(costs)}
                for attempt, costs in sorted(self.usd.items())
            ],
            "by_reason": [
                {"filter": name, "reason": reason, "asked": asked, "rescued": saved[name, reason]}
                for (name, reason), asked in sorted(first.items(), key=lambda pair: (-pair[1], pair[0]))
            ],
        }


TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens")


def read_rejected(row: Mapping[str, object]) -> Rejected:
    """Read what matters here of a row of the REJECTED schema."""
    found: dict[str, Any] = dict(row)
    place = Place(found["id"], found["teacher"], found["sample"])
    said = (found["key"], found["answer"] or "", found["error_kind"], found["cost_usd"])
    return Rejected(place, *said, found["filter"], found["reason"] or "", found["evidence"] or "")


def read_rows(tables: Sequence[pa.Table] | Iterator[pa.Table]) -> Iterator[Mapping[str, object]]:
    """Yield rejected rows, of their columns those that matter here."""
    for table in tables:
        yield from cast("list[dict[str, object]]", table.select(list(_READ)).to_pylist())


def read_rejected_table(path: Path) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a rejected.parquet.

    Raises:
        StoreError: there is no readable table.
    """
    return read_rows(read_batches(path, _READ))


def make_regenerator(
    config: RegenerateConfig | None,
    task: TaskConfig,
    filters: tuple[FilterSpec, ...],
    surroundings: Surroundings,
    spending: Spending,
    examples: Sequence[Path],
    context: FilterContext,
) -> Regenerator | None:
    """Return what asks again, or None where the config does not ask for it.

    Raises:
        StoreError: an examples table is damaged.
    """
    if config is None:
        return None
    by_id = {example.id: example for path in examples for example in read_examples(path)}
    return Regenerator(config, task, filters, surroundings, spending, by_id, context)


def _own_cost(turns: Sequence[Rejected], attempt: int) -> float | None:
    """Return what one attempt cost: the places' costs add up over their attempts."""
    now, before = turns[attempt].cost_usd, turns[attempt - 1].cost_usd if attempt else 0.0
    return None if now is None or before is None else now - before


def _add(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None

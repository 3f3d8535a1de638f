"""Rejected answers sent back to their teacher, through the journal and within the budget.

A further answer takes the place of the rejected one and is judged by the same chain. Filters that look at a row by
itself screen it at once; those that compare rows see it when the whole chain runs again over all answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from distill.engine.parquet import read_batches, write_tables
from distill.engine.stage import Context
from distill.filters import FilterContext, FilterSpec, RegenerateConfig, run_chain
from distill.records.amounts import add_usd
from distill.records.example import Example
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import Row, completion_row, join_candidates
from distill.stages.chain_services import Spending
from distill.stages.examples_table import make_table, read_examples
from distill.stages.regeneration_bill import Bill
from distill.stages.rejected_answers import Place, Rejected, read_rejected, read_rows
from distill.stages.second_questions import make_order
from distill.stages.surroundings import Surroundings
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.teachers import open_teacher


@dataclass(slots=True)
class Regenerator:
    """The further questions of one run of the stage; `latest` has the answer that now stands in each place."""

    config: RegenerateConfig
    task: TaskConfig
    filters: tuple[FilterSpec, ...]
    surroundings: Surroundings
    spending: Spending
    examples: Mapping[str, Example]
    context: FilterContext
    latest: dict[Place, Row] = field(default_factory=dict[Place, Row])
    bill: Bill = field(default_factory=Bill)
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
                self.bill.history.setdefault(one.place, []).append(one)
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
            if len(self.bill.history.get(one.place, ())) < self.config.max_attempts and self._can_answer(one.place)
        ]

    def _can_answer(self, place: Place) -> bool:
        """Tell whether a live teacher gave the answer; recorded ones are the reference teacher's."""
        recorded = place.teacher == 0 and self.examples[place.id].teacher_output is not None
        return not recorded and self.surroundings.teachers[place.teacher].provider != "replay"

    def _buy(self, wanted: Sequence[Rejected], number: int, run: Context) -> None:
        config = self.surroundings.teachers[number]
        orders = [
            make_order(self.config, self.task, self.examples[one.place.id], self.bill.history[one.place], config)
            for one in wanted
        ]
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
            self.bill.spent_usd += teacher.ledger.usd
            self.spending.ledgers[f"{config.model}, asked again ({self.rounds})"] = teacher.ledger.to_json()
        for one, completion in zip(wanted, bought, strict=True):
            row = completion_row(replace(completion, sample=one.place.sample), number)
            row["cost_usd"] = add_usd([one.cost_usd, completion.cost_usd])
            self.latest[one.place] = row
            self.bill.book(one.place, row, completion.cost_usd)

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

"""How much of a run's budget is left: the journal knows what its stages, resumptions and workers spent."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from distill.app.composition import Composition
from distill.errors import StoreError
from distill.teachers import journal_url, open_journal
from distill.teachers.journal import is_absent


class BudgetLeft(NamedTuple):
    """A budget, what is spent of it, and what workers hold for calls under way (or held when they were killed)."""

    limit_usd: float
    spent_usd: float
    held_usd: float

    def describe(self) -> str:
        """Say in a few words how much is gone."""
        gone = self.spent_usd + self.held_usd
        return f"budget ${self.limit_usd:.2f}" + (f", of which ${gone:.4f} are gone" if gone > 0 else "")


def read_budget(composition: Composition) -> BudgetLeft | None:
    """Read how a run's budget stands; None where it has none. A journal that cannot be read counts as an empty one."""
    around = composition.surroundings
    url = journal_url(composition.runtime)
    if around.budget_usd is None:
        return None
    try:
        if is_absent(url):
            return BudgetLeft(around.budget_usd, 0.0, 0.0)
        with closing(open_journal(url, read_only=True)) as journal:
            return BudgetLeft(around.budget_usd, *journal.purse(around.purse))
    except StoreError:
        return BudgetLeft(around.budget_usd, 0.0, 0.0)

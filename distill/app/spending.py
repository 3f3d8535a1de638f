"""Before money goes out: is there a price, and does the person at the terminal agree?"""

from __future__ import annotations

import sys
from collections.abc import Callable

from distill.app.composition import Composition
from distill.app.estimate import estimate_spending
from distill.app.execute import forecast_run
from distill.app.purse import read_budget
from distill.errors import UsageError

ASK_ABOVE_USD = 1.0


def confirm_spending(composition: Composition, until: str | None, ask: Callable[[str], bool] | None) -> None:
    """Ask before a run that may cost more than `ASK_ABOVE_USD`; with `ask` None, or no terminal, go on.

    The budget holds either way: this is a courtesy, not the limit.

    Raises:
        UsageError: the person said no.
    """
    is_paid = any(teacher.provider == "openai" for teacher in composition.config.panel)
    if ask is None or not sys.stdin.isatty() or not is_paid:
        return
    if not any(
        line.status == "will run" and line.stage in ("generate", "evaluate") for line in forecast_run(composition)
    ):
        return
    spending = estimate_spending(composition)
    if spending.usd_high is not None and spending.usd_high > ASK_ABOVE_USD and until not in ("ingest", "split"):
        left = read_budget(composition)
        budget = ", no budget set" if left is None else f", {left.describe()}"
        usd = f"${spending.usd_low or 0:.2f} to ${spending.usd_high:.2f}"
        question = f"up to {spending.calls} teacher calls, {usd}{budget}; go on?"
        if not ask(question):
            raise UsageError("stopped before any spend, as you asked")

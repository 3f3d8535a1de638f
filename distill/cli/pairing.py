"""How a paired comparison of two runs looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from distill.cli.verdict import make_console, rows_table

if TYPE_CHECKING:
    from distill.app.comparison import PairedComparison
    from distill.records.decision import RuleOutcome


def print_pair(found: PairedComparison) -> None:
    """Print the difference with its interval, the rows that decide it, and the slices."""
    console = make_console()
    console.print(f"first   {found.first}\nsecond  {found.second}")
    console.print(f"{found.n:,} shared held-out rows, {escape(found.metric)}, second minus first\n")
    console.print(
        rows_table([_cells(found.second_not_worse, "all rows"), *[_cells(s, str(s.slice)) for s in found.slices]])
    )
    console.print(
        f"\nright only in the first: {found.only_first}, only in the second: {found.only_second}"
        f"  (different at all? McNemar exact p = {found.mcnemar_exact:.3g}, mid-p = {found.mcnemar_mid:.3g})"
    )
    console.print(f"[bold]{escape(found.conclusion)}[/]")


def _cells(rule: RuleOutcome, name: str) -> dict[str, object]:
    spread = "" if rule.low is None or rule.high is None else f"{rule.low:+.4f} to {rule.high:+.4f}"
    return {
        "rows": name,
        "n": rule.n,
        "first": "" if rule.teacher is None else f"{rule.teacher:.4f}",
        "second": "" if rule.student is None else f"{rule.student:.4f}",
        "difference": "" if rule.difference is None else f"{rule.difference:+.4f}",
        "interval": spread,
        "not worse by the margin": rule.outcome,
    }

"""How power looks in a terminal: a table of rules, and a curve of power over held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from distill.cli.verdict import make_console, rows_table

if TYPE_CHECKING:
    from rich.console import Console

    from distill.app.power import PowerPlan, PowerRow

BAR_CHARS = 40


def print_power(plan: PowerPlan) -> None:
    """Print the table, one curve per rule (its middle assumption), and the notes."""
    console = make_console()
    console.print(f"{plan.heldout_rows:,} held-out rows, {plan.confidence:.0%} confidence\n")
    console.print(rows_table([_cells(row) for row in plan.rows], 60))
    for rows in _by_rule(plan.rows):
        shown = next((row for row in rows if row.observed), rows[len(rows) // 2])
        _print_curve(console, shown, shown.heldout_rows)
    for note in (*plan.warnings, *plan.describe_unforeseen(), *plan.notes):
        console.print(f"[yellow]note:[/] {escape(note)}")


def _cells(row: PowerRow) -> dict[str, object]:
    return {
        "rule": f"{row.rule} of {row.of}",
        "bound": f"{row.kind} {row.bound:g}",
        "if it is": row.assumed + (" (as the last run saw)" if row.observed else ""),
        "power here": f"{row.power:.2f}",
        "rows for .80": "never" if row.needed_n is None else f"{row.needed_n:,}",
        "true power there": "" if row.power_at_needed is None else f"{row.power_at_needed:.2f}",
    }


def _by_rule(rows: tuple[PowerRow, ...]) -> list[list[PowerRow]]:
    groups: dict[tuple[str, str, str, float], list[PowerRow]] = {}
    for row in rows:
        groups.setdefault((row.rule, row.of, row.kind, row.bound), []).append(row)
    return list(groups.values())


def _print_curve(console: Console, row: PowerRow, here: int) -> None:
    console.print(
        f"\n[bold]{escape(row.rule)} of {row.of}, {row.kind} {row.bound:g}[/]: power if {escape(row.assumed)}"
    )
    marks = sorted({*row.curve, (here, row.power)})
    for rows, power in marks:
        filled = round(power * BAR_CHARS)
        colour = "green" if power >= 0.8 else "yellow" if power >= 0.5 else "red"
        you = "  <- this held-out set" if rows == here else ""
        console.print(f"{rows:>8,}  [{colour}]{'█' * filled}[/][dim]{'·' * (BAR_CHARS - filled)}[/] {power:.2f}{you}")
        if power > 0.995 and rows >= here:
            break

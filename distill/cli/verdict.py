"""How a verdict looks in a terminal: the decision, the rules, and student against teacher."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distill.cli.terminal import printable

if TYPE_CHECKING:
    from distill.app.execute import Outcome

STYLES = {"promote": "bold green", "hold": "bold red", "inconclusive": "bold yellow", "invalid": "bold magenta"}
PLAIN_WIDTH = 160
OUTCOMES = {"pass": "green", "fail": "red", "inconclusive": "yellow", "invalid": "magenta"}
SHOWN_METRICS = (
    ("accuracy", "accuracy"),
    ("macro_f1", "macro F1"),
    ("exact_match", "exact match"),
    ("failure_rate", "failures"),
    ("p50_latency_ms", "p50 ms"),
    ("p95_latency_ms", "p95 ms"),
    ("cost_per_1k_usd", "USD per 1,000"),
)


def print_outcome(outcome: Outcome) -> None:
    """Print what a run came to, and where to look."""
    console = make_console()
    directory = outcome.run.directory
    if outcome.verdict is None:
        last = outcome.results[-1].stage if outcome.results else "nothing"
        console.print(f"done until [bold]{last}[/]; run without --until for the verdict")
        return
    print_gate(_read(directory / "gate.json"), console)
    scores = directory / "scores.json"
    if scores.is_file():
        console.print(make_scores_table(_read(scores)))
    costs = directory / "costs.json"
    if costs.is_file():
        console.print(describe_costs(_read(costs)))
    console.print(f"report   [link=file://{directory / 'report.html'}]{_short(directory / 'report.html')}[/link]")
    console.print(f"student  {_short(directory / 'student')}")


def print_gate(decision: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a gate.json: the word, the reason, one line per rule."""
    console = console or make_console()
    word = str(decision["decision"])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("rule", "of", "value", "versus", "difference or ratio [95%]", "bound", "n", "outcome"):
        table.add_column(heading, justify="left" if heading in ("rule", "of", "outcome") else "right", no_wrap=True)
    whole = [rule for rule in decision["rules"] if rule.get("slice") is None]
    for rule in whole:
        table.add_row(*[escape(cell) for cell in _rule_cells(rule)], _outcome_cell(rule))
    if whole:
        console.print(table)
    for line in describe_slices(decision["rules"]):
        console.print(f"  [dim]slices:[/] {escape(line)}")
    for rule in decision["rules"]:
        if rule["outcome"] != "pass" and rule.get("slice") is None:
            console.print(f"  [dim]{escape(rule['metric'])} ({escape(rule['of'])}):[/] {escape(rule['reason'])}")
    for note in decision.get("notes", ()):
        console.print(f"  [dim]note:[/] {escape(note)}")
    console.print(f"\n[{STYLES[word]}]{word.upper()}[/]  {escape(str(decision['reason']))}\n")


def _outcome_cell(rule: Mapping[str, Any]) -> str:
    style = OUTCOMES[rule["outcome"]]
    warn = " [dim](warns only)[/]" if rule.get("policy") == "warn" else ""
    return f"[{style}]{rule['outcome']}[/]{warn}"


def _rule_cells(rule: Mapping[str, Any]) -> list[str]:
    is_ratio = rule.get("rule") == "ratio"
    named = (("margin", "margin "), ("max", "at most x" if is_ratio else "max "), ("min", "min "))
    bounds = [f"{title}{rule[name]:g}" for name, title in named if rule.get(name) is not None]
    compared = (_ratio if is_ratio else _interval)(rule.get("difference"), rule.get("low"), rule.get("high"))
    return [
        str(rule["metric"]),
        str(rule.get("of", "student")),
        _number(rule.get("student")),
        _number(rule.get("teacher")),
        compared,
        ", ".join(bounds),
        str(rule.get("n", "")),
    ]


def describe_slices(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say per rule how many slices pass, fail and are undecided, and name those that fail."""
    groups: dict[str, dict[str, list[str]]] = {}
    for rule in rules:
        if rule.get("slice") is not None:
            title = f"{rule['metric']} of {rule.get('of', 'student')}"
            groups.setdefault(title, {}).setdefault(str(rule["outcome"]), []).append(str(rule["slice"]))
    lines: list[str] = []
    for title, outcomes in groups.items():
        counts = ", ".join(f"{len(names)} {outcome}" for outcome, names in sorted(outcomes.items()))
        failing = f" ({', '.join(outcomes['fail'])})" if "fail" in outcomes else ""
        lines.append(f"{title}: {counts}{failing}")
    return lines


def make_console() -> Console:
    """Return a console on stdout: as wide as the terminal, and wide enough for the tables elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return _number(value)
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" if value is not None else f"[{low:.3g}, {high:.3g}]"


def _ratio(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    spread = f" [x{low:.3f}, x{high:.3f}]" if low is not None and high is not None else ""
    return f"x{value:.3f}{spread}"


def make_scores_table(scores: Mapping[str, Any]) -> Table:
    """Draw scores.json: one row per system, one column per metric, intervals beside; agreement is never accuracy."""
    systems: Mapping[str, Mapping[str, Any]] = scores["systems"]
    is_gold = scores.get("reference", "gold") == "gold"
    titles = SHOWN_METRICS if is_gold else (("accuracy", "agreement"), *SHOWN_METRICS[1:])
    shown = [(key, title) for key, title in titles if any(key in metrics for metrics in systems.values())]
    table = Table(
        title="on the sealed held-out set"
        + ("" if is_gold else ", against the teacher's own answers: there is no gold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column("system")
    for _, title in shown:
        table.add_column(title, justify="right")
    for name, metrics in systems.items():
        table.add_row(name, *[_score_cell(metrics.get(key)) for key, _ in shown])
    return table


def _score_cell(score: Mapping[str, Any] | None) -> str:
    if score is None or score.get("value") is None:
        return "[dim]–[/]"
    low, high = score.get("low"), score.get("high")
    spread = f" [dim]({low:.3g}–{high:.3g})[/]" if low is not None and high is not None else ""
    return f"{score['value']:.4g}{spread}"


def describe_costs(costs: Mapping[str, Any]) -> str:
    """Say in one line when the student pays back."""
    pay_back = costs.get("break_even_requests")
    if not pay_back:
        return "break-even: [bold]never[/] at these prices, or a price is unknown; see the report"
    low, high = pay_back.get("low"), pay_back.get("high")
    spread = f" ({low:,.0f}–{high:,.0f})" if low is not None and high is not None else ""
    return f"break-even after [bold]{pay_back['estimate']:,.0f}[/] requests{spread}"


def _read(path: Path) -> Mapping[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def rows_table(rows: Sequence[Mapping[str, Any]], limit_chars: int = 60) -> Table:
    """Draw table rows as they are, long cells cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = list(rows[0]) if rows else []
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*[escape(_cut(row[name], limit_chars)) for name in names])
    return table


def _cut(value: object, limit: int) -> str:
    text = "" if value is None else printable(" ".join(str(value).split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"

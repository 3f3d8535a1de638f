"""Several runs side by side: config diff first, then quality, cost and latency; as HTML, CSV and JSON rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from markupsafe import Markup

from distill.records.json import Json, dump_canonical
from distill.reports.render import environment, read_asset


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a comparison. `correct` maps held-out id to whether what it serves was right; None is unknown."""

    name: str
    id: str
    created: str
    teacher: str
    student: str
    decision: str
    quality: float | None = None
    per_1k_usd: float | None = None
    p95_ms: float | None = None
    usd: float | None = None
    config: Mapping[str, Json] = field(default_factory=dict[str, Json])
    correct: Mapping[str, bool] | None = None


def runs_table(runs: Sequence[RunSummary]) -> list[dict[str, Json]]:
    """Return one row per run, oldest first, for `distill runs` and the files beside a comparison."""
    ordered = sorted(runs, key=lambda run: (run.created, run.id))
    return [{key: value for key, value in asdict(run).items() if key not in ("config", "correct")} for run in ordered]


def comparison_csv(runs: Sequence[RunSummary]) -> str:
    """Return the table of runs as CSV; unknown is an empty field."""
    rows = runs_table(runs)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def render_comparison(runs: Sequence[RunSummary]) -> str:
    """Return runs side by side as one self-contained page, oldest first; the first is what others are compared to."""
    ordered = sorted(runs, key=lambda run: (run.created, run.id))
    style = Markup(read_asset("report.css"))  # noqa: S704 our own file
    differences = [None if index == 0 else _paired(ordered[0], run) for index, run in enumerate(ordered)]
    page = environment().get_template("comparison.html.j2")
    return page.render(runs=ordered, changed=_config_diff(ordered), differences=differences, style=style)


def _config_diff(runs: Sequence[RunSummary]) -> list[tuple[str, list[str]]]:
    flat = [dict(_flatten(run.config)) for run in runs]
    paths = sorted({path for one in flat for path in one})
    lines = [(path, [one.get(path, "–") for one in flat]) for path in paths]
    return [(path, values) for path, values in lines if len(set(values)) > 1]


def _flatten(value: Json, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key in value for pair in _flatten(value[key], f"{path}.{key}" if path else key)]
    return [(path, dump_canonical(value))]


def _paired(first: RunSummary, run: RunSummary) -> tuple[float, float, float] | None:
    """Return mean difference and its 95% interval (paired t), where both answered the very same examples."""
    from distill.statistics.paired import estimate_mean, mean_interval  # noqa: PLC0415 scipy: only a comparison pays

    if not first.correct or not run.correct or first.correct.keys() != run.correct.keys():
        return None
    gaps = [float(run.correct[key]) - float(first.correct[key]) for key in sorted(first.correct)]
    if len(gaps) < 2:
        return None
    interval = mean_interval(estimate_mean(gaps))
    return sum(gaps) / len(gaps), float(interval[0]), float(interval[1])

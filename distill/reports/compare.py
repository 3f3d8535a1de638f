"""Several runs side by side: config diff first, then quality, cost and latency; as HTML, CSV and JSON rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from markupsafe import Markup

from distill.records.json import Json, dump_canonical
from distill.reports.plots.trend import Trend, TrendPoint, draw_trend
from distill.reports.render import environment, read_asset
from distill.reports.wording import milliseconds, percent, usd


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a comparison; None is unknown.

    `correct` maps held-out id to whether what the run serves was right, `latencies_ms` to how long that answer took
    (only answers that were timed one at a time).
    """

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
    latencies_ms: Mapping[str, float] | None = None
    quality_low: float | None = None
    quality_high: float | None = None


class Paired(NamedTuple):
    """A mean difference to the first run on the same examples, with its 95% interval (paired t)."""

    mean: float
    low: float
    high: float


NOT_IN_TABLES = ("config", "correct", "latencies_ms")


def runs_table(runs: Sequence[RunSummary]) -> list[dict[str, Json]]:
    """Return one row per run, oldest first, with paired differences to the first, for the files beside a comparison."""
    ordered = sort_runs(runs)
    return [_row(ordered[0], run) for run in ordered]


def sort_runs(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Return runs oldest first; the first is what the others are compared to."""
    return sorted(runs, key=lambda run: (run.created, run.id))


def _row(first: RunSummary, run: RunSummary) -> dict[str, Json]:
    row: dict[str, Json] = {key: value for key, value in asdict(run).items() if key not in NOT_IN_TABLES}
    for name, found in (
        ("quality_to_first", pair_quality(first, run)),
        ("latency_to_first_ms", pair_latency(first, run)),
    ):
        mean, low, high = found or (None, None, None)
        row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return row


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
    ordered = sort_runs(runs)
    page = environment().get_template("comparison.html.j2")
    return page.render(
        runs=ordered,
        changed=_config_diff(ordered),
        quality=[pair_quality(ordered[0], run) for run in ordered],
        latency=[pair_latency(ordered[0], run) for run in ordered],
        trend=_draw_trends(ordered),
        style=Markup(read_asset("report.css")),  # noqa: S704 our own file
    )


def _draw_trends(runs: Sequence[RunSummary]) -> Markup | None:
    if len(runs) < 2:
        return None
    labels = [f"{run.created[:10]} {run.id[-6:]}" for run in runs]
    quality = [TrendPoint(run.quality, run.quality_low, run.quality_high, run.decision) for run in runs]
    cost = [TrendPoint(run.per_1k_usd, None, None, run.decision) for run in runs]
    speed = [TrendPoint(run.p95_ms, None, None, run.decision) for run in runs]
    return draw_trend(
        labels,
        [
            Trend("quality", quality, lambda value: percent(value, 0)),
            Trend("USD per 1,000", cost, usd),
            Trend("latency, 95%", speed, milliseconds),
        ],
    )


def _config_diff(runs: Sequence[RunSummary]) -> list[tuple[str, list[str]]]:
    flat = [dict(_flatten(run.config)) for run in runs]
    paths = sorted({path for one in flat for path in one})
    lines = [(path, [one.get(path, "–") for one in flat]) for path in paths]
    return [(path, values) for path, values in lines if len(set(values)) > 1]


def _flatten(value: Json, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key in value for pair in _flatten(value[key], f"{path}.{key}" if path else key)]
    return [(path, dump_canonical(value))]


def pair_quality(first: RunSummary, run: RunSummary) -> Paired | None:
    """Return how much more often `run` is right than `first`, where both answered the very same examples."""
    if run is first or not first.correct or not run.correct or first.correct.keys() != run.correct.keys():
        return None
    return _pair([float(run.correct[key]) - float(first.correct[key]) for key in sorted(first.correct)])


def pair_latency(first: RunSummary, run: RunSummary) -> Paired | None:
    """Return how much longer `run` takes than `first`, in ms, over the examples that both timed."""
    if run is first or not first.latencies_ms or not run.latencies_ms:
        return None
    shared = sorted(first.latencies_ms.keys() & run.latencies_ms.keys())
    return _pair([run.latencies_ms[key] - first.latencies_ms[key] for key in shared])


def _pair(gaps: Sequence[float]) -> Paired | None:
    from distill.statistics.paired import estimate_mean, mean_interval  # noqa: PLC0415 scipy: only a comparison pays

    if len(gaps) < 2:
        return None
    interval = mean_interval(estimate_mean(gaps))
    return Paired(sum(gaps) / len(gaps), float(interval[0]), float(interval[1]))

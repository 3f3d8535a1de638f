"""Renders one run as one self-contained page: no request, no framework, hostile text shown and never run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from distill.records.decision import Decision, RuleOutcome
from distill.reports import wording
from distill.reports.costs_view import CostsView, curve_of, plane_of, spend_of
from distill.reports.model import AnswerRow, ReportData, SystemScore
from distill.reports.payload import pack_rows
from distill.reports.plots.charts import Bar, draw_bars, draw_calibration, draw_learning_curve, draw_training
from distill.reports.plots.confusion import draw_confusion
from distill.reports.plots.forest import ForestRow, draw_forest
from distill.reports.plots.tradeoff import draw_pareto, draw_spend, draw_threshold_panels
from distill.reports.verdict import (
    counts_by_outcome,
    judged_system,
    limit_of,
    main_rule,
    state_student_alone,
    state_verdict,
)

SYSTEM_ORDER = ("student", "cascade", "teacher")
PLOTS = ("forest", "costs", "per_success", "pareto", "threshold", "spend")


def render_report(data: ReportData) -> str:
    """Return the report of one run as HTML, UTF-8 text under 400 KB for some thousand evaluation rows."""
    view = CostsView(data.costs or {})
    script = read_asset("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            view=view,
            verdict=state_verdict(data.decision, view.ratio()),
            alone=None if data.student_alone is None else state_student_alone(data.student_alone),
            main=main_rule(data.decision.rules),
            judged=judged_system(data.decision),
            tally=counts_by_outcome(data.decision.rules),
            headline=_headline(data),
            scores=_score_table(data),
            plots=_plots(data, view),
            agreement=_agreement(data.rows),
            payload=pack_rows(data.rows),
            generator=f"distill {data.lineage.versions.get('distill', '')}".strip(),
            style=Markup(read_asset("report.css")),  # noqa: S704 our own file
            script=Markup(script),  # noqa: S704 our own file
            script_hash=_digest(script),
        )
    )


@cache
def environment() -> Environment:
    """Return the template environment: autoescape always, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("distill.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("percent", "points", "usd", "milliseconds", "duration", "count", "compact", "clip", "metric_name"):
        made.filters[name] = getattr(wording, name)
    shared = cast("dict[str, object]", made.globals)
    shared.update(limit_of=limit_of, metric_value=wording.metric_value, interval=wording.interval)
    shared.update(signed=wording.signed, is_share=wording.is_share)
    return made


def read_asset(name: str) -> str:
    """Read a style or script that goes into the page."""
    return (resources.files("distill.reports") / "templates" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _headline(data: ReportData) -> list[SystemScore]:
    found = [s for s in data.scores if s.metric == data.primary_metric and s.slice is None]
    return sorted((s for s in found if s.system in SYSTEM_ORDER), key=lambda s: SYSTEM_ORDER.index(s.system))


def _score_table(data: ReportData) -> list[tuple[str, list[SystemScore | None]]]:
    """Return one line per system with its scores in the order of the first line's metrics."""
    overall = [score for score in data.scores if score.slice is None]
    metrics = list(dict.fromkeys(score.metric for score in overall))
    by_place = {(score.system, score.metric): score for score in overall}
    names = dict.fromkeys([*SYSTEM_ORDER, *(score.system for score in overall)])
    present = [name for name in names if any(system == name for system, _ in by_place)]
    return [(name, [by_place.get((name, metric)) for metric in metrics]) for name in present]


def _plots(data: ReportData, view: CostsView) -> Mapping[str, Markup | None]:
    drawn: dict[str, Markup | None] = dict.fromkeys(PLOTS)
    forest = _forest_rows(data.decision, data.student_alone)
    if forest:
        drawn["forest"] = draw_forest(forest, judged_system(data.decision))
    systems, curve = plane_of(view, data.scores, data.primary_metric), curve_of(view)
    if data.costs is not None:
        drawn["costs"] = draw_bars(_price_bars(view, "per_1k_usd"), "USD per 1,000 requests", "costs-bars")
        drawn["per_success"] = draw_bars(_price_bars(view, "per_success_usd"), "USD per right answer", "success-bars")
    if systems:
        drawn["pareto"] = draw_pareto(systems, curve)
    if len(curve) > 1:
        drawn["threshold"] = draw_threshold_panels(curve, data.threshold)
    spend = spend_of(view)
    if spend is not None:
        drawn["spend"] = draw_spend(spend, view.served)
    drawn["confusion"] = None if data.confusion is None else draw_confusion(data.confusion)
    drawn["calibration"] = None if data.calibration is None else draw_calibration(data.calibration)
    has_curve = data.learning_curve is not None and len(data.learning_curve.points) > 1
    drawn["learning"] = draw_learning_curve(data.learning_curve) if has_curve and data.learning_curve else None
    drawn["training"] = draw_training(data.training) if len(data.training) > 1 else None
    return drawn


def _price_bars(view: CostsView, field: str) -> list[Bar]:
    bars: list[Bar] = []
    for name in SYSTEM_ORDER:
        if name == "cascade" and view.value("cascade") is None:
            continue
        value = view.number(name, field)
        is_banded = name == "teacher" and field == "per_1k_usd"
        low = view.number("teacher", "per_1k_low_usd") if is_banded else None
        high = view.number("teacher", "per_1k_high_usd") if is_banded else None
        bars.append(Bar(name, value, wording.usd(value), name, low, high))
    return bars


def _forest_rows(decision: Decision, alone: Decision | None) -> list[ForestRow]:
    main = main_rule(decision.rules)
    if main is None:
        return []
    compared = [rule for rule in decision.rules if rule.margin is not None and rule.metric == main.metric]
    rows = [_forest_row(rule, _alone_of(rule, alone)) for rule in compared if rule.versus == main.versus]
    return [row for row in rows if row is not None]


def _forest_row(rule: RuleOutcome, alone: tuple[float, float, float] | None) -> ForestRow | None:
    if rule.difference is None or rule.low is None or rule.high is None or rule.margin is None:
        return None
    label = "all examples" if rule.slice is None else rule.slice
    return ForestRow(
        label, rule.difference, rule.low, rule.high, rule.n, rule.margin, rule.outcome, rule.slice is None, alone
    )


def _alone_of(rule: RuleOutcome, alone: Decision | None) -> tuple[float, float, float] | None:
    if alone is None:
        return None
    for other in alone.rules:
        same = other.slice == rule.slice and other.metric == rule.metric and other.versus == rule.versus
        if same and other.difference is not None and other.low is not None and other.high is not None:
            return other.difference, other.low, other.high
    return None


def _agreement(rows: tuple[AnswerRow, ...]) -> Mapping[str, int]:
    """Count the four cells of who is right; rows without a teacher's answer are left out."""
    known = [row for row in rows if row.teacher_correct is not None]
    cells = {
        "both": sum(row.student_correct and row.teacher_correct is True for row in known),
        "student": sum(row.student_correct and row.teacher_correct is False for row in known),
        "teacher": sum(not row.student_correct and row.teacher_correct is True for row in known),
        "neither": sum(not row.student_correct and row.teacher_correct is False for row in known),
    }
    return {**cells, "n": len(known), "failed": sum(row.error_kind is not None for row in rows)}

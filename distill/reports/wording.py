"""How numbers and words read in a report: units, rounding, cut and cleaned text."""

from __future__ import annotations

import math
import unicodedata

UNKNOWN = "unknown"
MAX_SHOWN_CHARS = 400
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
DASH = "\N{EN DASH}"
_KEPT_CONTROLS = "\n\t"
NO_SHARES = frozenset({"perplexity", "bleu", "chrf"})
"""Metrics on a scale of their own: a perplexity of 1.13 is not 113%."""


def clean_text(text: str) -> str:
    """Drop control characters and lone surrogates, which no page can show; bidi marks stay (pages isolate them)."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in sound if c in _KEPT_CONTROLS or unicodedata.category(c) != "Cc")


def clip(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """Clean a text and cut it at `limit` characters, saying how much is left out."""
    if len(text) <= limit:
        return clean_text(text)
    return f"{clean_text(text[:limit])}… [{len(text) - limit:,} characters more]"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return UNKNOWN if value is None else f"{value * 100:.{digits}f}{THIN}%"


def points(value: float | None, digits: int = 1) -> str:
    """Write a difference of shares in percentage points, signed, without the unit."""
    return UNKNOWN if value is None else signed(value * 100, digits)


def signed(value: float, digits: int = 1) -> str:
    """Write a number with its sign; what rounds to zero has none."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def usd(value: float | None) -> str:
    """Write dollars with three significant digits below one dollar, cents above."""
    if value is None:
        return UNKNOWN
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if size == 0:
        return "$0"
    if size >= 1000:
        return f"{sign}${size:,.0f}"
    if size >= 1:
        return f"{sign}${size:,.2f}"
    digits = min(8, 2 - math.floor(math.log10(size)))
    return f"{sign}${size:.{digits}f}"


def milliseconds(value: float | None) -> str:
    """Write a latency; seconds from ten seconds up."""
    if value is None:
        return UNKNOWN
    if value >= 10_000:
        return f"{value / 1000:.1f}{THIN}s"
    return f"{value:.0f}{THIN}ms" if value >= 10 else f"{value:.1f}{THIN}ms"


def duration(seconds: float | None) -> str:
    """Write how long something took."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{THIN}h {minutes}{THIN}min" if hours else f"{minutes}{THIN}min {rest}{THIN}s"


def count(value: float | None) -> str:
    """Write a count with thousands apart."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """Write a large count short: 12,400 as 12.4k."""
    if value is None:
        return UNKNOWN
    for size, suffix in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            unit = 1e3 if suffix == "k" else size
            return f"{value / unit:.3g}{THIN}{suffix}"
    return f"{value:,.0f}"


def is_share(metric: str) -> bool:
    """Tell whether a metric is a share in [0, 1]."""
    if metric in NO_SHARES:
        return False
    return not metric.endswith(("_ms", "_usd", "_per_s", "_tokens", "_days", "_requests"))


def is_cost(metric: str) -> bool:
    """Tell whether a metric is in dollars."""
    return "_usd" in metric


def metric_value(value: float | None, metric: str) -> str:
    """Write a metric's value in its unit."""
    if value is None:
        return UNKNOWN
    if metric.endswith("_ms"):
        return milliseconds(value)
    if is_cost(metric):
        return usd(value)
    return percent(value) if is_share(metric) else f"{value:,.3g}"


def metric_name(metric: str) -> str:
    """Write a metric's name for people."""
    known = {
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
        "p95_latency_ms": "latency, 95th percentile",
        "p50_latency_ms": "latency, median",
        "cost_per_1k_usd": "cost per 1,000 requests",
        "exact_match": "exact match",
    }
    return known.get(metric, metric.replace("_", " "))


def interval(low: float | None, high: float | None, metric: str) -> str:
    """Write an interval in the metric's unit, or nothing where there is none."""
    if low is None or high is None:
        return ""
    if is_share(metric):
        return f"{low * 100:.1f}{DASH}{high * 100:.1f}"
    return f"{metric_value(low, metric)}{DASH}{metric_value(high, metric)}"

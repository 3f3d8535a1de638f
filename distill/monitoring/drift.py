"""Has the input changed, and is a slice served worse? These warn; they never alarm, and so never roll back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill.monitoring.config import MonitorConfig
from distill.monitoring.findings import Finding
from distill.monitoring.memory import WIDTH, Memory, Window
from distill.statistics.confidence_sequence import confidence_sequence
from distill.statistics.drift import chi_squared_test, ks_test
from distill.statistics.mmd import mmd_permutation_test

TESTS = ("drift_length", "drift_language", "drift_content")
_MIN_LANGUAGES = 50


def find_drift(memory: Memory, config: MonitorConfig) -> list[Finding]:
    """Compare the newest window of requests with the first one of the version."""
    size, seen = config.drift_window, memory.requests
    if seen < 2 * size:
        return [Finding(name, "no_data", f"{seen} requests, {2 * size} needed", seen) for name in TESTS]
    first, last, limit = memory.first, _newest(memory.last, size), config.drift_p / len(TESTS)
    lengths = ks_test(first.lengths, last.lengths)
    return [
        _finding("drift_length", lengths.p_value, limit, size),
        _compare_languages(first.languages, last.languages, limit),
        _compare_content(first, last, limit),
    ]


def find_parity(memory: Memory, config: MonitorConfig) -> list[Finding]:
    """Warn of slices that surely escalate `parity_gap` more often than the other requests."""
    escalation = memory.tallies.get("escalation")
    if escalation is None:
        return []
    findings: list[Finding] = []
    for name, (events, n) in sorted(memory.slices.items()):
        rest, others = escalation.seen - n, escalation.events - events
        if rest == 0:
            continue
        alpha = config.false_alarm / (2 * len(memory.slices))
        low, high = confidence_sequence(events, n, alpha).low, confidence_sequence(others, rest, alpha).high
        message = f"escalates {events / n:.0%}, the rest {others / rest:.0%}"
        status = "warn" if low - high > config.parity_gap else "ok"
        findings.append(Finding(f"parity {name}", status, message, n, low - high, config.parity_gap))
    return findings


def weigh_words(rows: Sequence[dict[str, int]]) -> NDArray[np.float64]:
    """Return (N, 512) rows of length 1: hashed word counts, weighted by rarity among these texts."""
    counts = np.zeros((len(rows), WIDTH))
    for number, row in enumerate(rows):
        for column, count in row.items():
            counts[number, int(column)] = count
    rarity = np.log((1 + len(rows)) / (1 + (counts > 0).sum(axis=0))) + 1
    weighted = np.log1p(counts) * rarity
    norms = np.linalg.norm(weighted, axis=1, keepdims=True)
    return weighted / np.where(norms > 0, norms, 1.0)


def _compare_languages(first: Sequence[str | None], last: Sequence[str | None], limit: float) -> Finding:
    before, now = (Counter(code for code in side if code is not None) for side in (first, last))
    told = min(before.total(), now.total())
    if told < _MIN_LANGUAGES:
        return Finding("drift_language", "no_data", f"the language of {told} requests is known", told)
    codes = sorted({*before, *now})
    p_value = chi_squared_test([before[code] for code in codes], [now[code] for code in codes]).p_value
    return _finding("drift_language", p_value, limit, told)


def _compare_content(first: Window, last: Window, limit: float) -> Finding:
    words = [*first.words, *last.words]
    kept = [row for row in words if row is not None]
    if len(kept) < len(words):
        return Finding("drift_content", "no_data", "the log keeps no text")
    vectors, size = weigh_words(kept), len(first.words)
    permutations = int(2 / limit)  # so that the smallest p-value is below the limit
    content = mmd_permutation_test(vectors[:size], vectors[size:], permutations=permutations)
    return _finding("drift_content", content.p_value, limit, size)


def _newest(window: Window, size: int) -> Window:
    return Window(window.lengths[-size:], window.languages[-size:], window.words[-size:])


def _finding(signal: str, p_value: float, limit: float, n: int) -> Finding:
    status = "warn" if p_value <= limit else "ok"
    return Finding(signal, status, f"p = {p_value:.2g} over two windows of {n}", n, p_value, limit)

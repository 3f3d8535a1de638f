"""Has the input changed, and is a slice served worse? These warn; they never alarm, and so never roll back."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distill.monitoring.config import MonitorConfig
from distill.records.live import ServedRequest
from distill.statistics.confidence_sequence import confidence_sequence
from distill.statistics.drift import ks_test
from distill.statistics.mmd import mmd_permutation_test

WIDTH = 512
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One signal: `n` observations, the `value` judged and the `limit` it was judged against, where there are any."""

    signal: str
    status: Literal["ok", "warn", "alarm", "no_data"]
    message: str
    n: int = 0
    value: float | None = None
    limit: float | None = None


def find_drift(requests: Sequence[ServedRequest], config: MonitorConfig) -> list[Finding]:
    """Compare the newest window of requests with the first one of the version."""
    size = config.drift_window
    if len(requests) < 2 * size:
        return [Finding("drift_length", "no_data", f"{len(requests)} requests, {2 * size} needed", len(requests))]
    first, last = requests[:size], requests[-size:]
    limit = config.drift_p / 2
    lengths = ks_test([row.length_chars for row in first], [row.length_chars for row in last])
    findings = [_finding("drift_length", lengths.p_value, limit, size)]
    if any(row.text is None for row in (*first, *last)):
        return [*findings, Finding("drift_content", "no_data", "the log keeps no text")]
    vectors = hash_tfidf([row.text or "" for row in (*first, *last)])
    permutations = int(2 / limit)  # so that the smallest p-value is below the limit
    content = mmd_permutation_test(vectors[:size], vectors[size:], permutations=permutations)
    return [*findings, _finding("drift_content", content.p_value, limit, size)]


def find_parity(requests: Sequence[ServedRequest], config: MonitorConfig) -> list[Finding]:
    """Warn of slices that surely escalate `parity_gap` more often than the other requests."""
    groups: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for row in requests:
        for item in row.slices.items():
            groups[item].append(bool(row.reason))
    everyone, all_events = len(requests), sum(bool(row.reason) for row in requests)
    findings: list[Finding] = []
    for (column, value), events in sorted(groups.items()):
        rest = everyone - len(events)
        if rest == 0:
            continue
        alpha = config.false_alarm / (2 * len(groups))
        low = confidence_sequence(sum(events), len(events), alpha).low
        high = confidence_sequence(all_events - sum(events), rest, alpha).high
        message = f"escalates {sum(events) / len(events):.0%}, the rest {(all_events - sum(events)) / rest:.0%}"
        status = "warn" if low - high > config.parity_gap else "ok"
        signal = f"parity {column}={value}"
        findings.append(Finding(signal, status, message, len(events), low - high, config.parity_gap))
    return findings


def hash_tfidf(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return (N, 512) rows of length 1: word counts hashed into columns, weighted by rarity among these texts."""
    counts = np.zeros((len(texts), WIDTH))
    for number, text in enumerate(texts):
        for word in _WORD.findall(text.lower()):
            counts[number, zlib.crc32(word.encode("utf-8", "replace")) % WIDTH] += 1
    rarity = np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0))) + 1
    weighted = np.log1p(counts) * rarity
    norms = np.linalg.norm(weighted, axis=1, keepdims=True)
    return weighted / np.where(norms > 0, norms, 1.0)


def _finding(signal: str, p_value: float, limit: float, n: int) -> Finding:
    status = "warn" if p_value <= limit else "ok"
    return Finding(signal, status, f"p = {p_value:.2g} over two windows of {n}", n, p_value, limit)

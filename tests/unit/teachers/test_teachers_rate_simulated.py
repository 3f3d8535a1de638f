"""The learned rate against servers that limit in different ways, in virtual time: many seeds, no clock but ours.

The bar: at most 0.10 refused calls per kept row, and 90% of the allowed 20 requests a second over 400 rows. Time in
which the process or the server stood still is not counted: nobody could have used it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from distill.teachers.learned_rate import is_limit
from distill.teachers.rate import Permit
from tests.fakes.limited_server import FixedWindow, Limit, SlidingWindow, TokenBucket, Weather, buy_rows
from tests.fakes.virtual_time import run_virtually

RATE, ROWS = 20.0, 400
MODELS: dict[str, Callable[[random.Random], Limit]] = {
    "bucket": lambda _: TokenBucket(RATE, RATE),
    "fixed": lambda rng: FixedWindow(RATE, 1.0, rng.random()),
    "sliding": lambda _: SlidingWindow(RATE, 1.0),
}
OTHERS: dict[str, Callable[[random.Random], Limit]] = {
    "no depth": lambda _: TokenBucket(RATE, 1),
    "shallow": lambda _: TokenBucket(RATE, 5),
    "deep": lambda _: TokenBucket(RATE, 100),
    "five seconds": lambda rng: FixedWindow(RATE, 5.0, 5 * rng.random()),
    "sliding five": lambda _: SlidingWindow(RATE, 5.0),
}
NEAR = Weather(latency_s=0.005, jitter_s=0.002)
USUAL = Weather(latency_s=0.05)
SLOW = Weather(latency_s=0.6, latency_sigma=0.5)
SAYS = (2.0, "exact", None)
Stalls = tuple[tuple[float, float], ...]


def draw_stalls(rng: random.Random, count: int, longest_s: float) -> Stalls:
    return tuple((rng.uniform(0, 22), rng.uniform(0.1, longest_s)) for _ in range(count))


def figures(
    make: Callable[[random.Random], Limit], weather: Weather, seed: int, stalled: str = ""
) -> tuple[float, float]:
    """Return refused calls per row, and the share of the allowed rate."""
    rng = random.Random(seed)
    stalls = draw_stalls(rng, 3, 1.0)
    ours: Stalls = stalls if stalled in ("ours", "both") else ()
    theirs: Stalls = stalls if stalled in ("theirs", "both") else ()
    day = Weather(weather.latency_s, weather.latency_sigma, weather.jitter_s, theirs, weather.retry_after_s)
    outcome = run_virtually(buy_rows(ROWS, make(rng), day, seed), ours)
    assert outcome.bought == ROWS
    lost_s = sum(length for start, length in set(ours) | set(theirs) if start < outcome.last_s)
    return outcome.refused / ROWS, ROWS / (outcome.last_s - lost_s) / RATE


def says(weather: Weather, retry_after_s: float | str | None) -> Weather:
    return Weather(weather.latency_s, weather.latency_sigma, weather.jitter_s, retry_after_s=retry_after_s)


@pytest.mark.parametrize("retry_after", SAYS)
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_limit_is_found_with_one_burst_and_kept(model, retry_after):
    for weather in (NEAR, USUAL):
        runs = [figures(MODELS[model], says(weather, retry_after), seed) for seed in range(10)]
        assert max(refused for refused, _ in runs) <= 0.10
        assert sorted(share for _, share in runs)[1] >= 0.90
        assert min(share for _, share in runs) >= 0.80  # a burst across two windows looks like a higher limit


@pytest.mark.parametrize("retry_after", SAYS)
@pytest.mark.parametrize("model", MODELS)
def test_slow_uneven_answers_do_not_hide_the_limit(model, retry_after):
    runs = [figures(MODELS[model], says(SLOW, retry_after), seed) for seed in range(8)]
    assert max(refused for refused, _ in runs) <= 0.10
    assert min(share for _, share in runs) >= 0.84


@pytest.mark.parametrize("stalled", ["ours", "theirs", "both"])
def test_stalls_here_and_there_neither_refuse_more_nor_slow_down(stalled):
    """One refusal more closes the gate for two seconds of twenty: so nearly all runs, not all, reach the rate."""
    runs = [
        figures(MODELS[model], says(USUAL, retry_after), seed, stalled)
        for model in MODELS
        for retry_after in SAYS
        for seed in range(8)
    ]
    assert max(refused for refused, _ in runs) <= 0.10
    assert sum(share >= 0.90 for _, share in runs) >= 0.90 * len(runs)
    assert min(share for _, share in runs) >= 0.65


@pytest.mark.parametrize("model", OTHERS)
def test_limits_over_other_spans_lose_nothing_and_refuse_little(model):
    for retry_after in SAYS:
        runs = [figures(OTHERS[model], says(USUAL, retry_after), seed) for seed in range(4)]
        assert max(refused for refused, _ in runs) <= 0.25
        assert min(share for _, share in runs) >= 0.5


def test_a_server_without_a_limit_is_never_slowed():
    outcome = run_virtually(buy_rows(2000, TokenBucket(1e9, 1e9), USUAL, 0))
    assert outcome.refused == 0
    assert 2000 / outcome.last_s > 0.75 * 64 / 0.05


@dataclass
class Chance:
    """Refuses by chance, whatever the pace."""

    share: float
    rng: random.Random

    def wait_s(self, at: float) -> float:
        return 1.0 if self.rng.random() < self.share else 0.0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_refusals_by_chance_do_not_bring_the_pace_down_for_good(share):
    for seed in range(4):
        weather = Weather(retry_after_s=None)
        outcome = run_virtually(buy_rows(ROWS, Chance(share, random.Random(seed)), weather, seed))
        assert outcome.bought == ROWS
        assert ROWS / outcome.last_s > 15


def test_a_limit_that_falls_is_followed():
    limit = TokenBucket(RATE, RATE)

    async def halve_then_buy():
        asyncio.get_running_loop().call_at(8.0, setattr, limit, "rate", RATE / 4)
        return await buy_rows(ROWS, limit, USUAL, 1)

    outcome = run_virtually(halve_then_buy())
    assert outcome.bought == ROWS
    assert outcome.refused / ROWS <= 0.15


@pytest.mark.parametrize(
    ("fates", "verdict"),
    [("....xxxx", True), ("x.......", False), (".x.x.x..", True), (".......x", False), ("xxxxxxxx", True)],
)
def test_a_limit_is_told_from_bad_luck(fates, verdict):
    sent = [Permit(0.001 * i, 1, refused=fate == "x") for i, fate in enumerate(fates)]
    assert is_limit(sent) is verdict


def test_one_refusal_among_many_paced_answers_is_bad_luck():
    assert not is_limit([Permit(0.1 * i, 1, refused=i == 2) for i in range(9)])
    assert is_limit([Permit(0.1 * i, 1, refused=i > 2) for i in range(9)])

"""Money: the worst case of a call is set aside before it is sent, and the difference given back after it.

What may be spent is kept in the journal's purse, so that every stage, resumption and worker of a run draws on the same.
A transaction per call would be slow: an account draws for several calls at once and lends the difference on.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from contextlib import suppress
from dataclasses import dataclass

from distill.errors import BudgetExceededError, StoreError
from distill.teachers.journal.protocol import Draw, Grant, Spend
from distill.teachers.journal.writer import GroupWriter

_CALLS_PER_DRAW = 16
_TINY_USD = 1e-12
_POLL_S, _MOST_POLL_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent out of one purse of the journal, by everybody who names it. `limit_usd` None means no limit.

    Without a name it is a purse of its own.
    """

    limit_usd: float | None
    purse: str = ""

    def __post_init__(self) -> None:
        if self.limit_usd is not None and not self.purse:
            object.__setattr__(self, "purse", uuid.uuid4().hex)


class Account:
    """One purchase's hand in a budget's purse."""

    def __init__(self, budget: Budget, writer: GroupWriter) -> None:
        self.limit_usd, self.purse = budget.limit_usd, budget.purse
        self._writer = writer
        self._held_usd = self._reserved_usd = 0.0
        self._settled = asyncio.Event()
        self._drawing = asyncio.Lock()
        self._refused_usd = math.inf
        """What did not fit the last time, as long as nothing has come back since."""

    async def reserve(self, worst_usd: float) -> None:
        """Set `worst_usd` aside, waiting for calls in flight, here or elsewhere, to give back what they did not need.

        Raises:
            BudgetExceededError: the call could pass the limit, and nothing in flight can change that.
            StoreError: the journal cannot be written.
        """
        if self.limit_usd is None:
            return
        while self._slack_usd < worst_usd - _TINY_USD and not await self._draw(worst_usd, self.limit_usd):
            await self._settled.wait()
        self._reserved_usd += worst_usd

    async def room_usd(self, most_usd: float) -> float:
        """Return how much of `most_usd` can be set aside at once.

        Raises:
            StoreError: the journal cannot be written.
        """
        if self.limit_usd is None:
            return math.inf
        async with self._drawing:
            if self._slack_usd < most_usd:
                await self._ask(0.0, most_usd, self.limit_usd)
        return self._slack_usd

    def settle(self, worst_usd: float, spent_usd: float) -> None:
        """Give back a reservation; what the call cost has to be written with `spend`."""
        if self.limit_usd is None:
            return
        self._reserved_usd = max(0.0, self._reserved_usd - worst_usd)
        self._held_usd -= spent_usd
        self._refused_usd = math.inf
        self._settled.set()
        self._settled = asyncio.Event()

    def spend(self, usd: float) -> tuple[Spend, ...]:
        """Return what to write, together with the attempt that cost it, so that the purse knows."""
        return (Spend(self.purse, usd),) if usd and self.purse else ()

    async def leave(self) -> None:
        """Give back all that is held: the purchase is over."""
        if self.limit_usd is not None and self._held_usd > _TINY_USD:
            with suppress(StoreError):  # it is what ended the purchase; closing the journal frees what is held
                await self._ask(0.0, 0.0, self.limit_usd)

    @property
    def _slack_usd(self) -> float:
        return self._held_usd - self._reserved_usd

    async def _draw(self, worst_usd: float, limit_usd: float) -> bool:
        """Have enough for a call; False where calls of our own may still give something back."""
        pause_s = _POLL_S
        async with self._drawing:
            while self._slack_usd < worst_usd - _TINY_USD:
                if worst_usd >= self._refused_usd:
                    return False
                reserved_usd = self._reserved_usd
                grant = await self._ask(worst_usd, _CALLS_PER_DRAW * worst_usd, limit_usd)
                if grant.usd > 0 or self._reserved_usd < reserved_usd:
                    continue  # the second: calls gave something back while the journal was asked
                if self._reserved_usd > _TINY_USD:
                    self._refused_usd = worst_usd
                    return False
                if grant.elsewhere_usd <= _TINY_USD:
                    raise _exceeded(limit_usd, grant.gone_usd, worst_usd)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _MOST_POLL_S)
        return True

    async def _ask(self, least_usd: float, most_usd: float, limit_usd: float) -> Grant:
        self._held_usd = self._reserved_usd  # the draw gives the rest back first
        draw = Draw(self.purse, limit_usd, least_usd, most_usd, self._reserved_usd)
        (grant,) = await self._writer.write(draw)
        assert isinstance(grant, Grant), grant
        self._held_usd += grant.usd
        return grant


def _exceeded(limit_usd: float, gone_usd: float, worst_usd: float) -> BudgetExceededError:
    return BudgetExceededError(
        f"the budget of ${limit_usd:.4g} is reached: ${gone_usd:.4f} are spent by this run, its resumptions and its "
        f"workers, and the next call could cost ${worst_usd:.4f}; what was bought is kept: raise teacher.budget_usd "
        f"(or --budget) and run again to go on"
    )

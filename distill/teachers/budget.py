"""Money: the worst case of a call is set aside before it is sent, and the difference given back after it."""

from __future__ import annotations

import asyncio
import math

from distill.errors import BudgetExceededError


class Budget:
    """What may be spent, over all purchases it is passed to. `limit_usd` None means no limit."""

    def __init__(self, limit_usd: float | None, *, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.reserved_usd = 0.0
        self._settled: asyncio.Event | None = None

    async def reserve(self, worst_usd: float) -> None:
        """Set `worst_usd` aside, waiting for calls in flight to give back what they did not need.

        Raises:
            BudgetExceededError: the call could pass the limit, and nothing in flight can change that.
        """
        while not self._fits(worst_usd):
            if self.reserved_usd <= 1e-12:
                raise BudgetExceededError(
                    f"the budget of ${self.limit_usd:.4g} is reached: ${self.spent_usd:.4f} are spent and the next "
                    f"call could cost ${worst_usd:.4f}; what was bought is kept: raise teacher.budget_usd (or "
                    f"--budget) and run again to go on"
                )
            settled = self._settled = self._settled or asyncio.Event()
            await settled.wait()
        self.reserved_usd += worst_usd

    def room_usd(self) -> float:
        """Return what can be set aside at once."""
        return math.inf if self.limit_usd is None else self.limit_usd - self.spent_usd - self.reserved_usd

    def settle(self, worst_usd: float, spent_usd: float) -> None:
        """Give back a reservation and book what the call cost."""
        self.reserved_usd = max(0.0, self.reserved_usd - worst_usd)
        self.spent_usd += spent_usd
        if self._settled is not None:
            self._settled.set()
            self._settled = None  # the next to wait may do so in another event loop: a budget outlives purchases

    def _fits(self, worst_usd: float) -> bool:
        return self.limit_usd is None or self.spent_usd + self.reserved_usd + worst_usd <= self.limit_usd + 1e-9

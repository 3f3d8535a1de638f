"""Spends a purse as a worker would; run as a process of its own. Arguments: journal URL, hold|spend, dollars, seed."""

import asyncio
import json
import random
import sys
import time

from distill.errors import BudgetExceededError
from distill.teachers.budget import Account, Budget
from distill.teachers.journal import open_journal
from distill.teachers.journal.protocol import Draw
from distill.teachers.journal.writer import GroupWriter


async def spend(url: str, limit_usd: float, seed: int) -> dict[str, object]:
    rng, journal, spent = random.Random(seed), open_journal(url), 0.0

    async def call(account: Account, writer: GroupWriter) -> None:
        nonlocal spent
        while True:
            worst = rng.uniform(0.005, 0.02)
            await account.reserve(worst)
            await asyncio.sleep(rng.uniform(0, 0.003))
            cost = worst * rng.uniform(0.1, 1.0)
            spent += cost
            await writer.write(*account.spend(cost))
            account.settle(worst, cost)

    async with GroupWriter(journal) as writer:
        account = Account(Budget(limit_usd, "run"), writer)
        ends = await asyncio.gather(*(call(account, writer) for _ in range(8)), return_exceptions=True)
        await account.leave()
    journal.close()
    return {"spent": spent, "stopped": all(isinstance(end, BudgetExceededError) for end in ends)}


if __name__ == "__main__":
    if sys.argv[2] == "hold":
        held = open_journal(sys.argv[1])
        held.apply([Draw("run", 10.0, 0.0, float(sys.argv[3]), 0.0)])
        sys.stdout.write("held\n")
        sys.stdout.flush()
        time.sleep(60)
    else:
        sys.stdout.write(json.dumps(asyncio.run(spend(sys.argv[1], float(sys.argv[3]), int(sys.argv[4])))))

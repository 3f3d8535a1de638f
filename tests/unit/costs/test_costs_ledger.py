from __future__ import annotations

import json
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price

from distill.costs import TokenPrice, price_tokens
from distill.records.amounts import add_usd

CLAUDE_3_HAIKU = TokenPrice(input=0.25, output=1.25)


def _bills(shared_data: Path) -> list[dict[str, object]]:
    return json.loads((shared_data / "insurance_tickets_claude" / "usage.json").read_text())


def test_fifteen_billed_runs_are_reproduced_to_the_cent_of_a_cent(shared_data: Path) -> None:
    bills = _bills(shared_data)
    ours = [price_tokens(bill["prompt_tokens"], 0, bill["completion_tokens"], CLAUDE_3_HAIKU) for bill in bills]
    assert len(bills) == 15
    assert ours[0] == pytest.approx(0.013551, abs=1e-9)
    assert ours == pytest.approx([bill["cost_usd"] for bill in bills], abs=1e-6)


def test_the_price_book_agrees_with_the_bills(shared_data: Path) -> None:
    for bill in _bills(shared_data):
        usage = Usage(input_tokens=bill["prompt_tokens"], output_tokens=bill["completion_tokens"])
        priced = calc_price(usage, model_ref="claude-3-haiku", provider_id="anthropic")
        assert float(priced.total_price) == pytest.approx(bill["cost_usd"], abs=1e-6)


def test_cached_tokens_are_part_of_the_input_and_have_their_own_price() -> None:
    price = TokenPrice(input=2.0, cached_input=0.5, output=8.0)
    assert price_tokens(1_000_000, 400_000, 100_000, price) == pytest.approx(1.2 + 0.2 + 0.8)


def test_cached_tokens_without_a_price_of_their_own_cost_as_much_as_others() -> None:
    assert price_tokens(1000, 1000, 0, TokenPrice(input=2.0, output=8.0)) == pytest.approx(0.002)


@pytest.mark.parametrize("counts", [(-1, 0, 0), (10, 11, 0), (0, 0, -5)])
def test_impossible_token_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="impossible token counts"):
        price_tokens(*counts, CLAUDE_3_HAIKU)


def test_one_unknown_makes_the_sum_unknown() -> None:
    assert add_usd([1.0, 2.5]) == 3.5
    assert add_usd([1.0, None]) is None

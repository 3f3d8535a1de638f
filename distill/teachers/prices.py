"""What a token costs: the config's word, else the dated price book. An unknown price stops the run, it is never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from distill.errors import TeacherError
from distill.records.completion import Usage
from distill.teachers.config import PriceConfig, TeacherConfig

_PROBE_TOKENS = 1000


class Price(NamedTuple):
    """USD per million tokens. `source` says where from; `as_of` is the day it was looked up (ISO), if it was."""

    input: float
    cached_input: float
    output: float
    batch_factor: float
    source: str
    as_of: str | None = None

    def cost(self, usage: Usage, *, batch: bool = False) -> float:
        """Return the price of one call in USD."""
        fresh = usage.input_tokens - usage.cached_input_tokens
        usd = fresh * self.input + usage.cached_input_tokens * self.cached_input + usage.output_tokens * self.output
        return usd * (self.batch_factor if batch else 1.0) / 1e6

    def split(self, usage: Usage, *, batch: bool = False) -> dict[str, float]:
        """Return the price of one call by kind of token; batch calls are a kind of their own. Adds up to `cost`."""
        if batch:
            return {"batch": self.cost(usage, batch=True)}
        fresh = usage.input_tokens - usage.cached_input_tokens
        return {
            "input": fresh * self.input / 1e6,
            "cached_input": usage.cached_input_tokens * self.cached_input / 1e6,
            "output": (usage.output_tokens - usage.reasoning_tokens) * self.output / 1e6,
            "reasoning": usage.reasoning_tokens * self.output / 1e6,
        }


def find_price(config: TeacherConfig, *, today: datetime | None = None) -> Price:
    """Find the price of the configured model.

    Raises:
        TeacherError: of kind `price_unknown`: the price book does not know the model and the config gives none.
    """
    if isinstance(config.price, PriceConfig):
        price = config.price
        cached = price.input if price.cached_input is None else price.cached_input
        word = "assumption" if config.price_is_assumption else "config"
        return Price(price.input, cached, price.output, price.batch_factor, word)
    if config.provider == "replay":
        return Price(0.0, 0.0, 0.0, 1.0, "nothing is sent")
    return _look_up(config.model, today or datetime.now(UTC))


def _look_up(model: str, day: datetime) -> Price:
    import genai_prices  # noqa: PLC0415  (27 MB of price tables: only those who spend pay for it)

    def usd(**tokens: int) -> float:
        usage = genai_prices.Usage(**tokens)
        return float(genai_prices.calc_price(usage, model, genai_request_timestamp=day).total_price)

    try:
        fresh, output = usd(input_tokens=_PROBE_TOKENS), usd(output_tokens=_PROBE_TOKENS)
        cached = usd(input_tokens=_PROBE_TOKENS, cache_read_tokens=_PROBE_TOKENS)
    except (LookupError, ValueError) as error:
        raise TeacherError(
            f"the price of {model!r} is unknown; give teacher.price: {{input: .., output: ..}} in USD per million "
            f"tokens (set price_is_assumption: true if it is one)",
            kind="price_unknown",
        ) from error
    scale = 1e6 / _PROBE_TOKENS
    book = f"genai-prices {genai_prices.__version__}"
    return Price(fresh * scale, cached * scale, output * scale, 0.5, book, day.date().isoformat())

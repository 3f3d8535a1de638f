"""One filter of the chain as the config names it: `name`, or `{name: {option: value}}`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import Field, model_validator

from distill.filters.protocol import Filter, Need
from distill.filters.table import FILTERS
from distill.records.frozen import Frozen


class FilterSpec(Frozen):
    """A filter and its options; defaults are filled in, so that they are part of identity."""

    name: str = Field(min_length=1)
    """Name in the table of filters."""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Its options."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, value: object) -> object:
        if isinstance(value, str):
            value = {"name": value}
        elif isinstance(value, Mapping) and len(cast("Mapping[str, object]", value)) == 1 and "name" not in value:
            ((name, options),) = cast("Mapping[str, object]", value).items()
            value = {"name": name, "options": options or {}}
        return _fill_in(cast("dict[str, Any]", value)) if isinstance(value, dict) else value

    @property
    def member(self) -> Filter:
        """The filter."""
        return FILTERS[self.name]

    @property
    def config(self) -> Frozen:
        """The options as the filter's own config."""
        return self.member.config_type(**self.options)

    @property
    def order_free(self) -> bool:
        """True when each row is judged by itself."""
        return self.member.order_free

    @property
    def needs(self) -> tuple[Need, ...]:
        """Services it cannot work without."""
        return self.member.needs_of(self.config)

    @property
    def is_cheap(self) -> bool:
        """True when it can judge a few first rows alone: no other rows, model or money are needed."""
        return self.order_free and not self.needs


def _fill_in(value: dict[str, Any]) -> dict[str, Any]:
    name = value.get("name")
    if not isinstance(name, str) or not isinstance(value.get("options", {}), dict):
        return value
    if name not in FILTERS:
        near = difflib.get_close_matches(name, FILTERS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else f"; there are: {', '.join(FILTERS)}"
        raise ValueError(f"no filter {name!r}{hint}")
    return {**value, "options": FILTERS[name].config_type(**value.get("options", {})).model_dump(by_alias=True)}


def filter_versions(specs: Sequence[FilterSpec]) -> dict[str, int]:
    """Return the version of each filter of a chain: part of the stage's key."""
    return {spec.name: spec.member.version for spec in specs}

"""One filter of the chain as the config names it: `name`, or `{name: {option: value}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field, model_validator

from distill.records.frozen import Frozen


class FilterSpec(Frozen):
    """A filter and its options."""

    name: str = Field(min_length=1)
    """Name in the table of filters."""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Its options."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and len(cast("Mapping[str, object]", value)) == 1 and "name" not in value:
            ((name, options),) = cast("Mapping[str, object]", value).items()
            return {"name": name, "options": options or {}}
        return cast("object", value)

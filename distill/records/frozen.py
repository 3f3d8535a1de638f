"""The base of every config model: frozen, and an unknown key is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable pydantic model that refuses unknown fields; everything in it is identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

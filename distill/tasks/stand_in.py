"""Stand-in answers of the right form, for a rehearsal whose data carry none: they parse, and mean nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

from distill.records.json import Json, dump_canonical
from distill.tasks.config import TaskConfig

_DEPTH = 8
_SIMPLE: dict[str, Json] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}


def make_stand_in(config: TaskConfig, text: str) -> str:
    """Return an answer that `config`'s output kind parses; the same for the same `text`."""
    draw = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    labels = config.labels or ("yes", "no")
    if config.output == "label":
        return labels[draw % len(labels)]
    if config.output == "labels":
        return dump_canonical([labels[draw % len(labels)]])
    if config.output == "json":
        return dump_canonical(_instance(cast("Json", config.schema_ or {}), draw, 0))
    if config.output == "answer" and config.number:
        return str(draw % 100)
    return "yes" if config.output == "answer" else f"A stand-in answer to: {' '.join(text.split())[:80]}"


def _instance(schema: Json, draw: int, depth: int) -> Json:
    """Make the smallest plain instance of a JSON Schema (`$ref` and conditions are not followed)."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return {}
    options = schema.get("enum")
    if isinstance(options, Sequence) and options and not isinstance(options, str):
        return options[draw % len(options)]
    if "const" in schema:
        return schema["const"]
    for choice in ("anyOf", "oneOf"):
        choices = schema.get(choice)
        if isinstance(choices, Sequence) and choices and not isinstance(choices, str):
            return _instance(choices[0], draw, depth + 1)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, Sequence) and not isinstance(kind, str) and kind else kind
    if kind == "array":
        return [_instance(schema.get("items", {}), draw, depth + 1)]
    if kind != "object":
        return _bounded(_SIMPLE.get(str(kind), "text"), schema)
    properties = schema.get("properties", {})
    named = properties if isinstance(properties, Mapping) else {}
    return {name: _instance(inner, draw, depth + 1) for name, inner in named.items()}


def _bounded(value: Json, schema: Mapping[str, Json]) -> Json:
    least, shortest = schema.get("minimum"), schema.get("minLength")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isinstance(least, (int, float)):
        return max(value, least)
    if isinstance(value, str) and isinstance(shortest, int):
        return value.ljust(shortest, "x")
    return value

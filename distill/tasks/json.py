"""A JSON value under a schema. Wrapping is taken off; the JSON itself is never mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from distill.records.json import Json, check_plain, dump_canonical, list_leaves, load_first, load_strict
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Parsed
from distill.tasks.repair import is_text, join_repairs, unwrap_fence

if TYPE_CHECKING:
    import jsonschema_rs

_MAX_STARTS = 64


class JsonTask:
    """`output: json`; without a schema the value is an object, with one it is what the schema allows."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config
        self._validator = None if config.schema_ is None else make_validator(config.schema_)

    def parse(self, text: str) -> Parsed:
        if not text.strip():
            return Parsed(error_kind="empty", detail="the answer is empty")
        if not is_text(text):
            return Parsed(error_kind="unparseable", detail="the answer holds half a surrogate pair")
        inner = unwrap_fence(text)
        try:
            return self._check(load_strict(inner.text), inner.repaired)
        except ValueError as error:
            detail = str(error)
        found = _distinct(_values_inside(inner.text))
        if len(found) == 1:
            return self._check(found[0], join_repairs(inner.repaired, "surrounding_prose"))
        if found:
            detail = f"the answer holds {len(found)} different JSON objects"
        return Parsed(error_kind="unparseable", detail=detail)

    def parse_gold(self, gold: Json) -> Parsed:
        if gold is None:
            return Parsed(error_kind="missing", detail="there is no gold value")
        if isinstance(gold, str):
            return self.parse(gold)
        try:
            check_plain(gold, dump_canonical(gold))
        except (ValueError, TypeError) as error:
            return Parsed(error_kind="unparseable", detail=f"gold is not JSON: {error}")
        return self._check(gold, None)

    def score(self, value: Json, reference: Json) -> float:
        """Score with F1 over leaves (path and value); 1 only for equal values."""
        if value is None or reference is None:
            return 0.0
        given, right = list_leaves(value), list_leaves(reference)
        if given == right:
            return 1.0
        shared = len(set(given) & set(right))
        return min(2 * shared / (len(given) + len(right)), 0.999)

    def render(self, value: Json) -> str:
        return dump_canonical(value)

    def _check(self, value: Json, repaired: str | None) -> Parsed:
        if self._validator is None:
            if isinstance(value, Mapping):
                return Parsed(value, repaired=repaired)
            return Parsed(error_kind="schema_invalid", detail=f"expected an object, got {type(value).__name__}")
        try:
            error = next(iter(self._validator.iter_errors(value)), None)
        except (ValueError, TypeError, OverflowError) as failure:
            return Parsed(error_kind="schema_invalid", detail=f"cannot be checked: {failure}"[:300])
        if error is None:
            return Parsed(value, repaired=repaired)
        path = ".".join(str(part) for part in error.instance_path)
        return Parsed(error_kind="schema_invalid", detail=f"{path or '(root)'}: {error.message}"[:300])


def make_validator(schema: Mapping[str, object]) -> jsonschema_rs.Validator:
    """Compile a JSON Schema; nothing is ever fetched for a `$ref`.

    Raises:
        ValueError: `schema` is not a valid JSON Schema, or refers to something outside itself.
    """
    import jsonschema_rs  # noqa: PLC0415  (a compiled library of 100 ms: only tasks that have a schema pay for it)

    try:
        return jsonschema_rs.validator_for(dict(schema), offline=True)
    except jsonschema_rs.ValidationError as error:
        path = ".".join(str(part) for part in error.instance_path)
        raise ValueError(f"not a valid JSON Schema: {path or '(root)'}: {error.message}") from error
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(f"not a valid JSON Schema: {error}") from error


def _values_inside(text: str) -> Iterator[Json]:
    """Read the outermost JSON objects in prose; after _MAX_STARTS false starts the text is given up."""
    position = tries = 0
    while tries < _MAX_STARTS and (start := text.find("{", position)) >= 0:
        try:
            value, position = load_first(text, start)
            yield value
        except ValueError:
            tries += 1
            position = start + 1


def _distinct(values: Iterator[Json]) -> list[Json]:
    return list({dump_canonical(value): value for value in values}.values())

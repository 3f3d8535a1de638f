"""`schema_repairable`: mends JSON answers where only one reading is possible, records how, and drops the rest.

What is mended carries no meaning: trailing commas, comments, Python's spelling of literals and quotes, curly quotes
around keys. A missing bracket or a cut string is never invented. Fences and prose were taken off when it was parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from distill.filters.base import RowFilter, cut
from distill.filters.parseable import did_not_parse
from distill.filters.protocol import FilterContext, NoOptions
from distill.records.json import Json, dump_canonical, load_strict
from distill.records.verdict import KEEP, Verdict

_FENCE = re.compile(r"```[\w+-]*\s*\n(.*?)\n?\s*```", re.DOTALL)
_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])")
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"'})
_MAX_CHARS = 200_000


def _prepare(_: NoOptions, context: FilterContext) -> FilterContext:
    return context


def _schema_repairable(
    context: FilterContext, answer: str | None, error: str | None, call: str | None, repaired: str | None
) -> Verdict:
    if error is None or call is not None or not answer:
        return KEEP if error is None and call is None else Verdict(False, error or f"call_{call}", cut(answer))
    read: dict[str, tuple[Json, str]] = {}
    for value, how in mend_json(answer):
        read.setdefault(dump_canonical(value), (value, how))
    if len(read) != 1:
        return Verdict(False, "not_repairable" if not read else "ambiguous", cut(answer))
    ((mended, (_, how)),) = read.items()
    again = context.reread(mended)
    if again.error is not None:
        return Verdict(False, again.error, cut(answer))
    edits = {"value_json": again.value_json, "target": again.target, "parse_error": None}
    return Verdict(True, "repaired", how, {**edits, "repaired": f"{repaired}+{how}" if repaired else how})


def mend_json(answer: str) -> Iterator[tuple[Json, str]]:
    """Yield the JSON objects and arrays that an answer's text can be mended to, each with the name of the mend."""
    text = answer[:_MAX_CHARS].strip()
    fenced = _FENCE.findall(text)
    inner = fenced[0] if len(fenced) == 1 else text
    starts = [place for place in (inner.find("{"), inner.find("[")) if place >= 0]
    end = max(inner.rfind("}"), inner.rfind("]"))
    if not starts or end < 0 or len(answer) > _MAX_CHARS:
        return
    body = inner[min(starts) : end + 1]
    for how, changed in (("python_literal", body), *_rewrites(body)):
        try:
            value = _read_python(changed) if how == "python_literal" else load_strict(changed)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, (dict, list)):
            yield value, how


def _rewrites(body: str) -> Iterator[tuple[str, str]]:
    bare = _COMMA.sub(lambda found: found.group(1) or "", _COMMENT.sub(lambda found: found.group(1) or " ", body))
    yield "commas_comments", bare
    if '"' not in body:
        straight = body.translate(_CURLY)
        yield "curly_quotes", _COMMA.sub(lambda found: found.group(1) or "", straight)


def _read_python(text: str) -> Json:
    """Read a Python literal; what JSON cannot say as well (tuples, sets, bytes, keys that are no text) is refused.

    Raises:
        ValueError: it is none.
        SyntaxError: it is none.
    """
    value = ast.literal_eval(text)
    _check_plain(value)
    return load_strict(dump_canonical(value))


def _check_plain(value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():  # type: ignore[reportUnknownVariableType]
            if not isinstance(key, str):
                raise ValueError("a key that is no text")  # noqa: TRY004 as literal_eval raises
            _check_plain(inner)
    elif isinstance(value, list):
        for inner in value:  # type: ignore[reportUnknownVariableType]
            _check_plain(inner)
    elif not (value is None or isinstance(value, (bool, int, float, str))):
        raise ValueError(type(value).__name__)


SCHEMA_REPAIRABLE = RowFilter(
    "schema_repairable",
    1,
    ("answer", "parse_error", "error_kind", "repaired"),
    _schema_repairable,
    prepare=_prepare,
    screen=did_not_parse,
)

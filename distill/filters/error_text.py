"""`error_text`: drops an API's error, an HTML page, a stack trace or a proxy's words stored as an answer."""

from __future__ import annotations

import re

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, find, widen
from distill.records.verdict import KEEP, Verdict

_PAGE = r"(?:<\?xml[^>]*>\s*)?(?:<!doctype html|<html\b|<head>\s*<title>|<Error>\s*<Code>|<center><h1>\d{3}\b)"
_TRACE = (
    r"traceback \(most recent call last\)|exception in thread \"|panic: (?:runtime error|[\w.]+:)"
    r"|(?:\w+\.)+\w*(?:error|exception)\b(?::|\s*$)|(?:uncaught )?(?:\w*error|\w*exception): .*\n\s+at \S+"
    r"|fatal error: |segmentation fault|thread '\w+' panicked at"
)
_API = (
    r"\{\s*\"(?:error|errors)\"\s*:\s*[\[{\"]|\{\s*\"(?:message|detail|msg)\"\s*:\s*\"[^\"]*"
    r"(?:rate limit|quota|unauthori[sz]ed|invalid api key|internal server error|timed? ?out|overloaded)"
    r"|\{\s*\"type\"\s*:\s*\"error\"|\{\s*\"(?:status_?code|code|status)\"\s*:\s*\"?[45]\d\d\b"
    r"|(?:http[ /]?[\d.]* ?)?error(?: code)?:? ?\d{3}\b"
    r"|(?:http(?:/[\d.]+)? )?(?:4\d\d|5\d\d)[ :-]+(?:bad |unauthorized|forbidden|not found|request time|too many|"
    r"internal|service\b|gateway|overloaded|payload|client error|server error)"
    r"|(?:api ?|connection |connect |read |request |gateway |upstream |invalid ?request |rate ?limit ?|openai ?"
    r"|anthropic ?)"
    r"(?:error|timeout|timed out|refused|reset)\b(?:[:.(]|\s*$)"
    r"|(?:rate limit (?:reached|exceeded)|you exceeded your current quota|incorrect api key provided"
    r"|too many requests\b|upstream connect error|no healthy upstream|the server had an error|service unavailable\W*$"
    r"|internal server error\W*$|bad gateway\W*$|gateway time-?out\W*$|request timed out\W*$|context_length_exceeded"
    r"|this model's maximum context length)"
)
_STARTS = rf"\s*(?:{_PAGE}|{_TRACE}|{_API})"
_ERROR_TEXT = re.compile(_STARTS, re.IGNORECASE)


def _error_text(_: object, answer: str | None) -> Verdict:
    found = _ERROR_TEXT.match(answer or "")
    return Verdict(False, "error_text", cut(answer)) if found else KEEP


def _suspects(_: object, rows: Rows) -> Mask:
    return find(rows, "answer", widen(f"^{_STARTS}", ignore_case=True))


ERROR_TEXT = RowFilter("error_text", 2, ("answer",), _error_text, screen=_suspects)

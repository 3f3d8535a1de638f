"""`hedge`: drops answers that avoid committing themselves: a student would learn to be unsure."""

from __future__ import annotations

import re

from pydantic import Field

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, find, widen
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

_HEDGES = re.compile(
    r"\bi(?:'|’)?m not (?:entirely |quite |completely |really |100% )?(?:sure|certain)\b"
    r"|\bi am not (?:entirely |quite |completely |really )?(?:sure|certain)\b"
    r"|\bi (?:do not|don(?:'|’)?t) (?:have (?:access to|enough|sufficient|real-time|any information)"
    r"|know (?:the|if|whether|for))"
    r"|\b(?:it is|it(?:'|’)s) (?:hard|difficult|impossible|not possible) to (?:say|tell|determine|know|be certain)\b"
    r"|\bit (?:really )?depends on (?:many|several|various|the context|a number)"
    r"|\bas of my (?:last|latest|most recent)\b|\bmy (?:knowledge|training) (?:cut-?off|data)\b"
    r"|\b(?:cannot|can(?:'|’)?t|could not|unable to) (?:be )?(?:determine|verif|confirm|be certain)"
    r"|\b(?:please|you should|i(?:'|’)?d recommend you) consult (?:a|an|your|with)\b"
    r"|\bwithout (?:more|further|additional) (?:context|information|details)\b"
    r"|\bich bin (?:mir )?(?:da |dabei )?nicht (?:ganz )?sicher|\bes (?:ist schwer|lässt sich schwer|kommt darauf an)"
    r"|\bohne (?:weitere|nähere) (?:informationen|angaben)"
    r"|\bje ne suis pas (?:tout à fait |entièrement )?sûre?|\bil est difficile de (?:dire|savoir|déterminer)"
    r"|\bcela dépend\b"
    r"|\bno estoy (?:del todo |completamente )?segur[oa]|\bes difícil (?:decir|saber|determinar)"
    r"|\bdepende de (?:varios|muchos)"
    r"|\bnon sono (?:del tutto |completamente )?sicur[oa]|\bè difficile (?:dire|stabilire|sapere)"
    r"|\bnão tenho (?:certeza|a certeza)|\bé difícil (?:dizer|saber)|\bik weet (?:het )?niet zeker\b"
    r"|我不(?:太)?确定|难以确定",
    re.IGNORECASE,
)


class HedgeConfig(Frozen):
    """Where a hedge counts."""

    first_chars: int = Field(default=200, ge=20)
    """Characters of the answer's start that are looked at: a caveat further on is no evasion."""


_SIGNS = (
    "not", "n't", "n’t", "dont", "cant", "hard to", "difficult", "difficile", "difícil", "impossible", "unable",
    "depend", "dépend", "as of my", "my knowledge", "my training", "consult", "without", "nicht", "schwer",
    "kommt darauf", "ohne", "suis pas", "no estoy", "non sono", "não tenho", "weet", "不", "难以",
)  # fmt: skip
"""What every hedge has one of: looking for words is quicker than looking for phrases."""


def _hedge(config: HedgeConfig, answer: str | None) -> Verdict:
    head = (answer or "")[: config.first_chars].lower()
    if not any(sign in head for sign in _SIGNS):
        return KEEP
    found = _HEDGES.search(answer or "", 0, config.first_chars)
    return Verdict(False, "hedge", cut(found.group())) if found else KEEP


def _suspects(_: HedgeConfig, rows: Rows) -> Mask:
    return find(rows, "answer", widen(_HEDGES.pattern, ignore_case=True))


HEDGE = RowFilter("hedge", 1, ("answer",), _hedge, HedgeConfig, screen=_suspects)

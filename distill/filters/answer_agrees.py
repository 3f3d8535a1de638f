"""`answer_agrees`: keeps answers that agree with gold where there is gold (rejection sampling), and says so."""

from __future__ import annotations

import json

from distill.filters.base import RowFilter, cut
from distill.filters.protocol import FilterContext, Judgement, NoOptions
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_given
from distill.records.verdict import KEEP, Verdict

_NOTE = "rejection sampling by gold is on: what is left looks better than the teacher is, hard inputs may be missing"


def _prepare(_: NoOptions, context: FilterContext) -> FilterContext:
    return context


def _agrees(context: FilterContext, value: str | None, gold: str | None) -> Verdict:
    if gold is None:
        return KEEP
    if value is None:
        return Verdict(False, "no_answer")
    return KEEP if context.agrees(json.loads(value), json.loads(gold)) else Verdict(False, "not_gold", cut(value))


class AnswerAgrees(RowFilter):
    """The filter; it always leaves a note, since a reader must know that gold chose the lessons."""

    def judge(self, rows: Rows, config: object, context: FilterContext) -> Judgement:
        """Judge each row by itself."""
        judged = super().judge(rows, config, context)
        return judged._replace(notes=(_NOTE,))


def _suspects(_: object, rows: Rows) -> Mask:
    return is_given(rows, "gold_json")


ANSWER_AGREES = AnswerAgrees(
    "answer_agrees", 1, ("value_json", "gold_json"), _agrees, NoOptions, _prepare, screen=_suspects
)

"""`not_refusal`: drops refusals, marked by the provider or said in one of eleven languages at the answer's start."""

from __future__ import annotations

import re

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, find, is_given, widen
from distill.records.verdict import KEEP, Verdict

_CANNOT = r"(?:can(?:'|’)?t|cannot|can not|am unable|am not able|won(?:'|’)?t|will not|must decline|have to decline)"
_DO = (
    r"(?:help|assist|provide|answer|comply|do that|fulfil|discuss|create|generate|respond|engage|support|share"
    r"|give|write"
    r"|produce|continue|participate|offer|process|classify)"
)
_REFUSALS = re.compile(
    r"\W*(?:"
    r"(?:i(?:'|’)?m|i am) (?:really |very |so |truly |terribly )?(?:sorry|afraid)\b[^.!?]{0,60}"
    r"\b(?:can(?:'|’)?t|cannot|can not|unable|not able|won(?:'|’)?t|not allowed|not permitted)"
    r"|(?:i )?(?:sorry|apologi[sz]e|apologies|unfortunately|regrettably)[,.! ]+[^.!?]{0,40}?(?:but )?i " + _CANNOT +
    r"|i(?:'|’)?m (?:unable|not able|not allowed|not permitted) to"
    r"|i " + _CANNOT + r"(?: to)? (?:really |currently )?" + _DO +
    r"|i (?:do not|don(?:'|’)?t) feel comfortable|i(?:'|’)?d rather not"
    r"|as an ai\b|as a (?:large )?language model"
    r"|(?:this|that|your) (?:request|content|question) (?:violates|goes against|is against|may violate)"
    r"|(?:es tut mir leid|tut mir leid|leider|entschuldigung|ich bedau[e]?re)[,.! ]+[^.!?]{0,60}"
    r"\b(?:kann ich|ich kann|darf ich|ich darf|nicht möglich)\b[^.!?]{0,80}\b(?:nicht|kein)"
    r"|ich (?:kann|darf) (?:ihnen |dir |bei |diese[nrms]? |darauf |dazu |das )[^.!?]{0,60}\bnicht\b[^.!?]{0,30}"
    r"(?:helfen|beantworten|antworten|erstellen|unterstützen|bereitstellen)"
    r"|je (?:suis (?:vraiment |sincèrement )?désolée?|regrette|ne peux pas|ne suis pas en mesure|ne suis pas autorisé)"
    r"|désolée?[,.! ]+(?:mais )?je ne (?:peux|suis)"
    r"|lo siento[,.! ]|lamento[,.! ][^.!?]{0,40}no puedo|no puedo (?:ayudar|proporcionar|responder|cumplir|generar)"
    r"|no me es posible"
    r"|mi dispiace[,.! ]|non posso (?:aiutar|fornire|rispondere|generare|soddisfare)|non sono in grado di"
    r"|(?:sinto muito|desculpe|lamento)[,.! ]+[^.!?]{0,30}não (?:posso|consigo)|não posso (?:ajudar|fornecer|responder)"
    r"|(?:het spijt me|sorry)[,.! ]+[^.!?]{0,20}(?:ik kan|kan ik)\b[^.!?]{0,60}\bniet\b"
    r"|(?:przykro mi|niestety)[,.! ]+[^.!?]{0,30}nie mog[ęe]|nie mog[ęe] (?:pomóc|odpowiedzieć|spełnić)"
    r"|(?:извините|простите|к сожалению)[,.! ]+[^.!?]{0,40}(?:не могу|не в состоянии)"
    r"|я не могу (?:помочь|ответить|выполнить)"
    r"|üzgünüm[,.! ]|bu (?:konuda|isteğ)[^.!?]{0,40}yardımcı olam"
    r"|(?:很)?(?:抱歉|对不起|對不起)[,，。 ]*(?:但)?我?(?:无法|不能|無法)"
    r"|我(?:无法|不能|無法)(?:提供|回答|帮助|協助|满足)"
    r"|(?:大変)?(?:申し訳(?:ありません|ございません)|すみません|ごめんなさい)"
    r"|(?:죄송(?:합니다|하지만)|미안(?:합니다|하지만))"
    r")",
    re.IGNORECASE,
)  # fmt: skip


def _not_refusal(_: object, answer: str | None, refusal: str | None) -> Verdict:
    if refusal:
        return Verdict(False, "refusal", cut(refusal))
    found = _REFUSALS.match(answer or "")
    return Verdict(False, "refusal", cut(found.group())) if found else KEEP


def is_refusal(text: str) -> bool:
    """Tell whether an answer declines, in one of the languages known here."""
    return _REFUSALS.match(text) is not None


def _suspects(_: object, rows: Rows) -> Mask:
    return is_given(rows, "refusal") | find(rows, "answer", widen(f"^{_REFUSALS.pattern}", ignore_case=True))


NOT_REFUSAL = RowFilter("not_refusal", 2, ("answer", "refusal"), _not_refusal, screen=_suspects)

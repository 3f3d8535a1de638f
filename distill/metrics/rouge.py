"""ROUGE-1, ROUGE-2 and ROUGE-L as F1 over words (Lin 2004, W04-1013), without stemming.

Words are runs of letters and digits of any script; on English text the figures are those of `rouge_score`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distill.metrics.item_metric import ItemMetric
from distill.metrics.words import answer_text, as_text, words_of
from distill.records.prediction import Prediction


def rouge_n(said: Sequence[str], wanted: Sequence[str], n: int) -> float:
    """Return the F1 of n-gram overlap; 0 where a side has no n-gram."""
    first = Counter(zip(*(said[i:] for i in range(n)), strict=False))
    second = Counter(zip(*(wanted[i:] for i in range(n)), strict=False))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if first and second else 0.0


def rouge_l(said: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the F1 of the longest common subsequence; 0 where a side is empty."""
    if not said or not wanted:
        return 0.0
    return 2 * _common_subsequence(said, wanted) / (len(said) + len(wanted))


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length by bits of one integer per word (Hyyrö 2004): fast on long texts."""
    places: dict[str, int] = {}
    for index, word in enumerate(second):
        places[word] = places.get(word, 0) | 1 << index
    mask = (1 << len(second)) - 1
    state = mask
    for word in first:
        matched = state & places.get(word, 0)
        state = ((state + matched) | (state - matched)) & mask
    return len(second) - state.bit_count()


def _words(prediction: Prediction) -> tuple[list[str], list[str]]:
    return words_of(answer_text(prediction)), words_of(as_text(prediction.reference))


ROUGE_1 = ItemMetric("rouge_1", lambda p: rouge_n(*_words(p), 1))
ROUGE_2 = ItemMetric("rouge_2", lambda p: rouge_n(*_words(p), 2))
ROUGE_L = ItemMetric("rouge_l", lambda p: rouge_l(*_words(p)))

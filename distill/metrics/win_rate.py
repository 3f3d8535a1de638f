"""Judge win rate: how often a judge prefers this answer to the teacher's, asked in both orders; ties count a half.

A judge that changes its mind with the order has no opinion, which is a tie (Zheng et al. 2023, arXiv:2306.05685).
"""

from __future__ import annotations

from typing import Literal

from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction

Choice = Literal["first", "second", "tie"]


def score_verdicts(shown_first: Choice, shown_second: Choice) -> float:
    """Return 1 for a win, 0 for a loss, 1/2 for a tie, from the judge's choices with this answer first, then second.

    A choice counts only where both orders agree on who is better.
    """
    liked = (_liked(shown_first, "first"), _liked(shown_second, "second"))
    return liked[0] if liked[0] == liked[1] else 0.5


def _liked(choice: Choice, own: Choice) -> float:
    return 0.5 if choice == "tie" else float(choice == own)


def win_of(prediction: Prediction) -> float | None:
    """Return the judged score; a failed answer loses where others were judged, and None means no judge was asked."""
    return prediction.judged


JUDGE_WIN_RATE = ItemMetric("judge_win_rate", win_of)

"""What agreement with the teacher proves about accuracy, where there is no gold. Agreement is never accuracy."""

from __future__ import annotations

import math

from distill.statistics.interval import Interval


def student_accuracy_bounds(agreement: float, teacher_accuracy: float) -> Interval:
    """Return the sharp bounds of the student's accuracy: max(0, A + q - 1) <= p_S <= 1 - |A - q|.

    Raises:
        ValueError: a rate is not in [0, 1].
    """
    _check(agreement, teacher_accuracy)
    return Interval(max(0.0, agreement + teacher_accuracy - 1), 1 - abs(agreement - teacher_accuracy))


def most_agreement_possible(self_agreement: float) -> Interval:
    """Return the range that holds the best agreement of any deterministic student: [A_TT, sqrt(A_TT)].

    `self_agreement` is how often the teacher, asked twice, gives the same answer.

    Raises:
        ValueError: the rate is not in [0, 1].
    """
    _check(self_agreement)
    return Interval(self_agreement, math.sqrt(self_agreement))


def _check(*rates: float) -> None:
    for rate in rates:
        if not 0 <= rate <= 1:
            raise ValueError(f"a rate must be in [0, 1], got {rate!r}")

"""`distribution`: drops nothing; compares what is left with a reference and says, or stops, when it has drifted.

Filters select: an innocent chain can lose a label, shorten the answers or leave only synthetic inputs.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from distill.errors import DataError
from distill.filters.base import TableFilter
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP
from distill.similarity import split_words


class DistributionConfig(Frozen):
    """What must hold of the rows as a whole. The reference is what the config states, or the gold of the same rows."""

    label_mix: dict[str, float] | None = None
    """Reference share of each answer (labels); default: the gold of these rows, where they have gold."""
    max_label_shift: float = Field(default=0.2, gt=0, le=1)
    """Total variation distance of the answers' mix from the reference at most."""
    mean_words: float | None = Field(default=None, gt=0)
    """Reference length of an answer in words; default: that of the gold."""
    max_length_shift: float = Field(default=0.5, gt=0)
    """Relative difference of the mean length from the reference at most."""
    min_distinct_2: float | None = Field(default=None, ge=0, le=1)
    """Share of different word pairs among all word pairs of the answers at least (Li et al. 2016, arXiv:1510.03055)."""
    min_entropy_bits: float | None = Field(default=None, ge=0)
    """Entropy of the answers' words at least."""
    min_real_share: float = Field(default=0.0, ge=0, le=1)
    """Share of rows with a person's input (generation 0) at least."""
    generation_column: str = "generation"
    """Column that counts generations; absent means a person's input."""
    breach: Literal["warn", "stop"] = "warn"
    """`stop` ends the run (exit 7)."""


def _distribution(rows: Rows, config: DistributionConfig, context: FilterContext) -> Judgement:
    """Compare all rows with the reference.

    Raises:
        DataError: a bound is broken, and `breach` is stop.
    """
    verdicts = [KEEP] * rows.num_rows
    if not rows.num_rows:
        return Judgement(verdicts)
    answers = rows.strings("target")
    gold = [_as_text(json.loads(value)) for value in rows.values("gold_json") if value is not None]
    is_closed = context.task.output == "label"
    broken = [
        *(_compare_mix(answers, gold, config) if is_closed or config.label_mix else ()),
        *_compare_length(answers, gold, config),
        *_measure_variety(answers, config),
        *_count_real(rows, config),
    ]
    if broken and config.breach == "stop":
        raise DataError(f"filter distribution: {'; '.join(broken)}")
    return Judgement(verdicts, tuple(broken))


def _as_text(value: Any) -> str:  # noqa: ANN401 JSON
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _compare_mix(answers: Sequence[str], gold: Sequence[str], config: DistributionConfig) -> Iterable[str]:
    reference = config.label_mix or share(gold)
    if not reference:
        return
    shift = total_variation(share(answers), reference)
    if shift > config.max_label_shift:
        seen = share(answers)
        most = max(
            sorted(reference.keys() | seen.keys()), key=lambda name: abs(seen.get(name, 0) - reference.get(name, 0))
        )
        yield (
            f"the answers' mix is {shift:.3f} from the reference (at most {config.max_label_shift}); most at {most!r}: "
            f"{seen.get(most, 0):.3f} instead of {reference.get(most, 0):.3f}"
        )


def share(values: Sequence[str]) -> dict[str, float]:
    """Return each value's share."""
    return {value: count / len(values) for value, count in Counter(values).items()}


def total_variation(some: Mapping[str, float], others: Mapping[str, float]) -> float:
    """Return half the sum of absolute differences of two distributions."""
    return sum(abs(some.get(name, 0.0) - others.get(name, 0.0)) for name in some.keys() | others.keys()) / 2


def _compare_length(answers: Sequence[str], gold: Sequence[str], config: DistributionConfig) -> Iterable[str]:
    reference = config.mean_words if config.mean_words is not None else (_mean_words(gold) if gold else None)
    mean = _mean_words(answers)
    if reference and abs(mean - reference) > config.max_length_shift * reference:
        yield f"answers have {mean:.1f} words on average, the reference {reference:.1f}"


def _mean_words(texts: Sequence[str]) -> float:
    return sum(len(text.split()) for text in texts) / len(texts)


def _measure_variety(answers: Sequence[str], config: DistributionConfig) -> Iterable[str]:
    if config.min_distinct_2 is None and config.min_entropy_bits is None:
        return
    distinct, entropy = measure_words(answers)
    if config.min_distinct_2 is not None and distinct < config.min_distinct_2:
        yield f"distinct-2 of the answers is {distinct:.3f} (at least {config.min_distinct_2})"
    if config.min_entropy_bits is not None and entropy < config.min_entropy_bits:
        yield f"the answers' words have {entropy:.2f} bits of entropy (at least {config.min_entropy_bits})"


def measure_words(texts: Iterable[str]) -> tuple[float, float]:
    """Return the share of different word pairs, and the entropy of words in bits."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        found = split_words(text)
        words.update(found)
        pairs.update(pairwise(found))
    total = words.total()
    entropy = -sum(count / total * math.log2(count / total) for count in words.values()) if total else 0.0
    return (len(pairs) / pairs.total() if pairs else 1.0), entropy


def _count_real(rows: Rows, config: DistributionConfig) -> Iterable[str]:
    columns = (json.loads(value or "{}") for value in rows.values("columns_json"))
    real = sum(not row.get(config.generation_column) for row in columns) / rows.num_rows
    if real < config.min_real_share:
        yield f"{real:.3f} of the inputs are people's (at least {config.min_real_share})"


DISTRIBUTION = TableFilter(
    "distribution", 1, ("target", "gold_json", "columns_json"), _distribution, DistributionConfig, may_drop_none=True
)

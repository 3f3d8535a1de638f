"""Corpus BLEU (Papineni et al. 2002) by sacrebleu, 0 to 100 points: 13a tokens, exponential smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distill.metrics.corpus_metric import CorpusMetric
from distill.metrics.protocol import Combine, Floats
from distill.metrics.sacre import load_sacrebleu, texts_of
from distill.records.prediction import Prediction

ORDER = 4


def count_ngrams(predictions: Sequence[Prediction]) -> Floats:
    """Return (n, 10): answer length, reference length, 4 match counts, 4 n-gram counts.

    Raises:
        UsageError: sacrebleu is not installed.
    """
    bleu = load_sacrebleu("bleu").BLEU(effective_order=True)
    rows: list[list[int]] = []
    for said, wanted in texts_of(predictions):
        found = bleu.sentence_score(said, [wanted])
        rows.append([found.sys_len, found.ref_len, *found.counts, *found.totals])
    return np.array(rows, np.float64).reshape(len(rows), 2 + 2 * ORDER)


def bleu_from_sums(sums: Floats) -> Floats:
    """Return BLEU (R,) from sums (R, 10)."""
    bleu: Any = load_sacrebleu("bleu").BLEU
    rounded = np.rint(sums).astype(int).tolist()
    scores = [
        bleu.compute_bleu(row[2 : 2 + ORDER], row[2 + ORDER :], row[0], row[1], smooth_method="exp").score
        for row in rounded
    ]
    return np.minimum(np.array(scores, np.float64), 100.0)


def _vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
    return [count_ngrams(system) for system in systems], bleu_from_sums


def sentence_bleu(prediction: Prediction) -> float:
    """Return the BLEU of one answer (effective order), 0 to 100."""
    ((said, wanted),) = texts_of([prediction])
    return min(100.0, float(load_sacrebleu("bleu").BLEU(effective_order=True).sentence_score(said, [wanted]).score))


BLEU = CorpusMetric("bleu", _vectorise, unit="points", per_item=sentence_bleu, bounds=(0.0, 100.0))

"""Filters that look across rows and at the held-out set: votes, meaning, contamination."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.candidates import LABEL_TASK, candidate, judge
from fakes.services import SERVICES, embed

from distill.errors import UsageError
from distill.filters import FilterContext, Heldout
from distill.similarity import encode
from distill.stages.heldout_traces import read_traces, write_traces, write_vectors

MESSAGE = "please tell me why the payment that I made last week has not arrived"
MOVED = "why has the payment that I made last week not arrived please tell me"


def answers(*targets: str, teachers: str = "00000") -> list[dict[str, object]]:
    return [
        candidate("a", "q", target, sample=i, teacher=int(teacher))
        for i, (target, teacher) in enumerate(zip(targets, teachers, strict=False))
    ]


def test_narrow_majorities_can_be_refused() -> None:
    rows = answers("card", "card", "card", "refund", "refund")
    assert [v.keep for v in judge("self_consistency", rows)] == [True, True, True, False, False]
    assert {v.reason for v in judge("self_consistency", rows, min_margin=0.5)} == {"narrow_majority"}


def test_samples_of_different_teachers_are_not_mixed() -> None:
    rows = answers("card", "refund", teachers="01")
    assert all(verdict.keep for verdict in judge("self_consistency", rows))


def test_each_teacher_has_one_vote_however_often_it_was_asked() -> None:
    rows = answers("card", "card", "card", "refund", "refund", teachers="00012")
    assert [v.reason for v in judge("teachers_agree", rows)] == ["minority"] * 3 + ["", ""]


def test_a_lone_teacher_passes_unless_agreement_is_required() -> None:
    rows = answers("card")
    assert judge("teachers_agree", rows)[0].keep
    assert judge("teachers_agree", rows, required=True)[0].reason == "too_few_teachers"


def test_same_meaning_in_other_words_is_a_semantic_duplicate() -> None:
    rows = [candidate("a", MESSAGE), candidate("b", MOVED), candidate("c", "cancel my card now")]
    verdicts = judge("semantic_duplicate", rows, FilterContext(LABEL_TASK, services=SERVICES))
    assert [verdict.reason for verdict in verdicts] == ["", "semantic_duplicate", ""]


def test_a_filter_without_its_service_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="needs an embedding model"):
        judge("semantic_duplicate", [candidate("a", "x")], FilterContext(LABEL_TASK))


def test_near_copies_of_heldout_rows_are_found_from_word_hashes_alone(tmp_path: Path) -> None:
    write_traces([MOVED, "another row"], tmp_path)
    heldout = Heldout(frozenset(), read_traces(tmp_path).words)
    rows = [candidate("a", MESSAGE), candidate("b", "cancel my card now")]
    context = FilterContext(LABEL_TASK, heldout)
    verdicts = judge("contamination", rows, context, methods=["minhash"])
    assert [verdict.reason for verdict in verdicts] == ["contamination_near", ""]
    assert all(verdict.keep for verdict in judge("contamination", rows, context))


def test_paraphrases_of_heldout_rows_are_found_from_embeddings() -> None:
    heldout = Heldout(frozenset(), encode([]), embed([MOVED]))
    context = FilterContext(LABEL_TASK, heldout, services=SERVICES)
    rows = [candidate("a", MESSAGE), candidate("b", "cancel my card now")]
    verdicts = judge("contamination", rows, context, methods=["embedding"])
    assert [verdict.reason for verdict in verdicts] == ["contamination_meaning", ""]


def test_what_is_known_of_heldout_rows_holds_no_text_and_reads_back(tmp_path: Path) -> None:
    write_traces(["secret words", ""], tmp_path)
    write_vectors(embed(["secret words", ""]), tmp_path)
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())
    traces = read_traces(tmp_path)
    assert traces.words is not None
    assert traces.words.offsets.tolist() == [0, 2, 2]
    assert np.array_equal(traces.vectors, embed(["secret words", ""]))

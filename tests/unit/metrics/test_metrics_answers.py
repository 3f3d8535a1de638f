"""Metrics of answers and texts against hand counts and reference implementations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from distill.metrics import METRICS
from distill.metrics.rouge import rouge_l
from distill.metrics.win_rate import score_verdicts


def value(name, rows):
    return METRICS[name].aggregate(rows).value


def test_exact_match_forgives_case_articles_and_punctuation_and_raw_does_not(rows_of) -> None:
    rows = rows_of([("The Eiffel tower.", "eiffel tower"), ("Paris", "Paris"), ("Rome", "Paris"), (None, "Paris")])
    assert value("exact_match", rows) == pytest.approx(2 / 4)
    assert value("exact_match_raw", rows) == pytest.approx(1 / 4)


def test_an_answer_of_punctuation_alone_matches_only_itself(rows_of) -> None:
    assert value("exact_match", rows_of([("?", "!"), ("!", "!")])) == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("said", "wanted", "right"),
    [("1,234.50 USD", 1234.5, 1), (1234.5, "about 1234.5", 1), ("it is 7", "8", 0), ("none", "8", 0), ("-3", "−3", 1)],
)
def test_numbers_are_compared_as_numbers(rows_of, said, wanted, right) -> None:
    assert value("exact_match_numeric", rows_of([(said, wanted)])) == right


def test_a_reference_without_a_number_is_not_measured(rows_of) -> None:
    assert METRICS["exact_match_numeric"].aggregate(rows_of([("7", "seven"), ("7", "7")])).n == 1


def test_token_f1_by_hand(rows_of) -> None:
    rows = rows_of([("cat sat on mat", "cat sat"), ("dog", "cat"), ("the", "a")])
    assert value("token_f1", rows) == pytest.approx((2 * 2 / 6 + 0 + 1) / 3)


@pytest.mark.parametrize(  # expected: rouge_score 0.1.2, RougeScorer(["rouge1", "rouge2", "rougeL"]), fmeasure
    ("said", "wanted", "one", "two", "longest"),
    [
        ("the quick brown fox jumps", "the fast brown fox jumped", 0.6, 0.25, 0.6),
        ("police killed the gunman", "police kill the gunman", 0.75, 1 / 3, 0.75),
        ("the gunman kill police", "police killed the gunman", 0.75, 1 / 3, 0.5),
    ],
)
def test_rouge_equals_the_reference_scorer(rows_of, said, wanted, one, two, longest) -> None:
    rows = rows_of([(said, wanted)])
    assert [value(n, rows) for n in ("rouge_1", "rouge_2", "rouge_l")] == pytest.approx([one, two, longest])


def test_the_common_subsequence_by_bits_equals_dynamic_programming() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.integers(0, 5, 30).astype(str).tolist(), rng.integers(0, 5, 40).astype(str).tolist()
        table = np.zeros((31, 41), int)
        for i in range(30):
            for j in range(40):
                table[i + 1, j + 1] = table[i, j] + 1 if a[i] == b[j] else max(table[i, j + 1], table[i + 1, j])
        assert rouge_l(a, b) == pytest.approx(2 * table[30, 40] / 70)


PAIRS = [
    ("the cat sat on the mat today", "the cat is on the mat"),
    ("hello there my friend of old", "hello there my old friend"),
    ("Das Paket kommt morgen an.", "Das Paket kommt übermorgen an."),
]


@pytest.mark.parametrize(("name", "kind"), [("bleu", "BLEU"), ("chrf", "CHRF")])
def test_bleu_and_chrf_equal_sacrebleu_on_the_corpus(rows_of, name, kind) -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    rows = rows_of(PAIRS)
    expected = getattr(sacrebleu, kind)().corpus_score([s for s, _ in PAIRS], [[w for _, w in PAIRS]]).score
    assert value(name, rows) == pytest.approx(expected, abs=1e-9)


def test_field_counts_by_hand(rows_of) -> None:
    rows = rows_of([
        ({"city": "Rome", "n": 2, "extra": True}, {"city": "Rome", "n": 3}),
        ({"city": "Oslo", "n": 1.0}, {"city": "Oslo", "n": 1}),
        (None, {"city": "Bern", "n": 5}),
    ])  # fmt: skip
    assert value("field_recall", rows) == pytest.approx(3 / 6)
    assert value("field_precision", rows) == pytest.approx(3 / 7), "a failure counts as its fields claimed wrongly"
    assert value("field_f1", rows) == pytest.approx(2 * 3 / (7 + 6))
    assert value("exact_object", rows) == pytest.approx(1 / 3)


def test_which_field_goes_wrong_is_told(rows_of) -> None:
    from distill.metrics.fields import count_by_field

    said, wanted = {"a": 1, "b": {"c": 2, "e": ["x"]}}, {"a": 1, "b": {"c": 3, "d": 4, "e": ["x", "y"]}}
    found = count_by_field(rows_of([(said, wanted), (None, wanted)]))
    assert found == {"a": (1, 2, 2), "b.c": (0, 2, 2), "b.d": (0, 1, 2), "b.e[]": (1, 3, 4)}


@pytest.mark.parametrize(("answer", "name"), [("x", ""), (["x"], "[]"), ([{"a": ["x"]}], "[].a[]")])
def test_a_field_is_named_by_its_path_without_places(rows_of, answer, name) -> None:
    from distill.metrics.fields import count_by_field

    assert count_by_field(rows_of([(answer, answer)])) == {name: (1, 1, 1)}


def test_json_validity_tells_shape_from_syntax(rows_of) -> None:
    ok, broken = rows_of([({"a": 1}, {"a": 1}), (None, {"a": 1})])
    rows = [ok, broken, replace(broken, id="x", error_kind="schema_invalid")]
    assert value("json_valid_rate", rows) == pytest.approx(2 / 3)
    assert value("schema_valid_rate", rows) == pytest.approx(1 / 3)


def test_multilabel_f1_equals_scikit_learn(rows_of) -> None:
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    said, wanted = [["a", "b"], ["c"], [], ["a"]], [["a"], ["c", "b"], ["a"], ["a"]]
    binary = MultiLabelBinarizer(classes=["a", "b", "c"])
    truth, guess = binary.fit_transform(wanted), binary.transform(said)
    for name, average in (("multilabel_micro_f1", "micro"), ("multilabel_macro_f1", "macro")):
        expected = f1_score(truth, guess, average=average)
        assert value(name, rows_of(list(zip(said, wanted, strict=True)))) == pytest.approx(expected)


@pytest.mark.parametrize(("k", "expected"), [(1, 0.3), (2, 1 - 21 / 45), (5, 1 - 21 / 252), (10, 1.0)])
def test_pass_at_k_over_ten_samples_three_of_them_right(rows_of, k, expected) -> None:
    one = rows_of([("a", "a")])[0]
    rows = [replace(one, repeat=i, correct=i < 3, score=float(i < 3)) for i in range(10)]
    assert value(f"pass_at_{k}", rows) == pytest.approx(expected)


def test_pass_at_k_needs_k_samples(rows_of) -> None:
    assert METRICS["pass_at_5"].aggregate(rows_of([("a", "a")])).value is None


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [
        ("first", "second", 1.0),
        ("second", "first", 0.0),
        ("first", "first", 0.5),
        ("tie", "tie", 0.5),
        ("tie", "second", 0.5),
    ],
)
def test_a_judge_is_believed_only_where_both_orders_agree(first, second, score) -> None:
    assert score_verdicts(first, second) == score


def test_perplexity_is_over_tokens_not_over_rows(rows_of) -> None:
    rows = rows_of([("a", "a"), ("b", "b"), ("c", "c")])
    rows[0] = replace(rows[0], reference_logprob=-2.0, reference_tokens=1)
    rows[1] = replace(rows[1], reference_logprob=-3.0, reference_tokens=9)
    score = METRICS["perplexity"].aggregate(rows)
    assert score.n == 2
    assert score.value == pytest.approx(math.exp(5 / 10))


def test_ece_is_told_beside_its_null(rows_of) -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 200)
    rows = [
        replace(r, confidence=float(p), id=f"i{i}")
        for i, (p, r) in enumerate(
            zip(sure, rows_of([("a", "a" if rng.random() < p else "b") for p in sure]), strict=True)
        )
    ]
    score = METRICS["ece"].aggregate(rows)
    assert "perfectly calibrated system would show 0.0" in score.note
    assert score.value < 0.15


def test_a_confident_failure_is_a_wrong_answer_for_calibration(rows_of) -> None:
    rows = [replace(r, confidence=1.0) for r in rows_of([(None, "a")])]
    assert value("brier", rows) == 1.0
    assert value("ece", rows) == 1.0

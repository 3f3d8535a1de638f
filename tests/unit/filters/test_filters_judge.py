"""The judge: who may judge, how its word is read, capped and calibrated, and comparisons in both orders."""

from __future__ import annotations

import json

import pytest
from fakes.candidates import LABEL_TASK, candidate, make_candidates
from fakes.services import FakeAsker, score_by_length
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from distill.errors import DataError, UsageError
from distill.filters import FILTERS, FilterContext, Judgement, Rows, Services
from distill.filters.judge import JudgeConfig
from distill.filters.judge_words import model_family, read_better, read_score


def run(rows: list[dict[str, object]], asker: FakeAsker, **options: object) -> Judgement:
    config = JudgeConfig.model_validate({"model": "judge-1", "rubric": "Is it about a refund?", **options})
    context = FilterContext(LABEL_TASK, services=Services(ask=asker))
    return FILTERS["judge"].judge(Rows(make_candidates(rows)), config, context)


def test_low_scores_are_dropped_and_the_cost_is_told() -> None:
    judged = run([candidate("a", "q"), candidate("b", "q", "card")], FakeAsker(score_by_length, 0.25))
    assert [verdict.reason for verdict in judged.verdicts] == ["", "judged_low"]
    assert judged.cost_usd == 0.5


def test_rubric_input_and_answer_reach_the_judge() -> None:
    asker = FakeAsker(score_by_length)
    run([candidate("a", "where is it", "refund")], asker)
    words = asker.asked[0].messages[-1].content
    assert all(part in words for part in ("Is it about a refund?", "where is it", "refund", "1 (worst) to 5 (best)"))


@pytest.mark.parametrize(
    ("model", "family"),
    [("gpt-5.4-2026-03-05", "gpt"), ("o3-mini", "gpt"), ("anthropic/claude-4.5", "claude"), ("Qwen/Qwen3-8B", "qwen"),
     ("meta-llama/Llama-3", "llama"), ("mixtral-8x22b", "mistral"), ("judge-1", "judge"), ("zephyr_7b", "zephyr")],
)  # fmt: skip
def test_models_have_families(model: str, family: str) -> None:
    assert model_family(model) == family


def test_judge_of_the_teachers_family_is_refused_unless_forced() -> None:
    rows = [candidate("a", "q", model="gpt-5.4-2026-03-05")]
    with pytest.raises(UsageError, match="same_family: allow"):
        run(rows, FakeAsker(score_by_length), model="gpt-5-mini")
    assert run(rows, FakeAsker(score_by_length), model="gpt-5-mini", same_family="allow").verdicts[0].keep


def test_replies_without_a_verdict_are_counted_and_capped() -> None:
    rows = [candidate(f"r{i}", f"q{i}") for i in range(10)]
    asker = FakeAsker(lambda text: "well" if "q3" in text else '{"score": 5}')
    judged = run(rows, asker, max_unparseable=0.1)
    assert [verdict.reason for verdict in judged.verdicts].count("judge_unparseable") == 1
    assert "1 of 10 replies held no verdict" in judged.notes
    with pytest.raises(DataError, match="1 of 10 replies"):
        run(rows, asker, max_unparseable=0.05)


def test_error_of_the_judge_is_shown_from_100_gold_rows() -> None:
    rows = [
        candidate(f"r{i}", f"q{i}", "refund" if i < 90 else "card", gold_json='"refund"' if i < 80 else '"card"')
        for i in range(120)
    ]
    (note,) = run(rows, FakeAsker(score_by_length)).notes
    assert note.startswith("wrong on 40 of 120 rows with gold: error 0.333 (0.255 to 0.422)")
    assert "passed 10 of 10 wrong answers and refused 30 of 110 right ones" in note
    assert run(rows[:99], FakeAsker(score_by_length)).notes[0].startswith("not calibrated: 99 rows")


def samples(*targets: str) -> list[dict[str, object]]:
    return [candidate("a", "q", target, sample=i) for i, target in enumerate(targets)]


def prefer(word: str) -> FakeAsker:
    def answer(text: str) -> str:
        first, second = text.split("ANSWER A")[1].split("ANSWER B")
        better = "A" if word in first else "B" if word in second.split("Which")[0] else "tie"
        return json.dumps({"better": better})

    return FakeAsker(answer)


def test_pairs_are_asked_in_both_orders_and_the_best_answer_stays() -> None:
    asker = prefer("card")
    judged = run(samples("refund", "card", "card", "other"), asker, mode="pair")
    assert [verdict.keep for verdict in judged.verdicts] == [False, True, True, False]
    assert len(asker.asked) == 6


def test_preference_for_a_place_counts_for_neither_answer() -> None:
    judged = run(samples("refund", "card"), FakeAsker(lambda _: '{"better": "A"}'), mode="pair")
    assert all(verdict.keep for verdict in judged.verdicts)
    assert "1 of 1 comparisons turned with the order" in judged.notes[0]


def test_lone_answers_are_not_compared() -> None:
    asker = prefer("card")
    assert run([candidate("a", "q"), candidate("b", "q")], asker, mode="pair").verdicts[0].keep
    assert asker.asked == []


@pytest.mark.parametrize(
    ("reply", "score"),
    [('{"score": 4}', 4), ('Sure: {"reason": "x", "score": "5"}', 5), ('{"score": 6}', None), ('{"score": 4.5}', None),
     ('{"score": true}', None), ('{"score": 1}{"score": 5}', None), ("4", None), ("", None), ('{"score": null}', None)],
)  # fmt: skip
def test_scores_are_read_only_when_beyond_doubt(reply: str, score: int | None) -> None:
    assert read_score(reply, (1, 5)) == score


@given(st.text(max_size=60))
def test_no_reply_makes_reading_raise(reply: str) -> None:
    assert read_score(reply, (1, 5)) in (None, 1, 2, 3, 4, 5)
    assert read_better(reply) in (None, "A", "B", "tie")


def test_bar_off_the_scale_is_refused() -> None:
    with pytest.raises(ValidationError):
        JudgeConfig(model="m", rubric="r", scale=(0, 1), min_score=2)

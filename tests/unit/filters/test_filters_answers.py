"""Filters on single answers: hedges, schemas, mends, languages, lengths, certainty."""

from __future__ import annotations

import json

import pytest
from fakes.candidates import LABEL_TASK, candidate, judge, judge_answer, make_candidates
from fakes.services import reread_json
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import UsageError
from distill.filters import FilterContext, FilterSpec, run_chain
from distill.filters.schema_repairable import mend_json
from distill.records.json import dump_canonical
from distill.stages.chain_context import make_context
from distill.tasks.config import TaskConfig

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
JSON_TASK = TaskConfig(output="json", schema=SCHEMA, user="{{ input }}")
UNREAD = {"value_json": None, "target": None, "parse_error": "unparseable"}


@pytest.mark.parametrize(
    "answer",
    [
        "I'm not sure, but it could be the card.",
        "It is hard to say without more context.",
        "Ich bin mir nicht sicher, ob das stimmt.",
        "Je ne suis pas sûr de la réponse.",
        "No estoy seguro de la respuesta.",
        "As of my last update, the fee is 5 euros.",
    ],
)
def test_hedges_are_dropped_in_several_languages(answer: str) -> None:
    assert judge_answer("hedge", answer).reason == "hedge"


@pytest.mark.parametrize(
    "answer", ["The fee is 5 euros. " * 12 + "I'm not sure.", "The customer is sure.", "refund", "Depends: see below."]
)
def test_commitments_and_late_caveats_stay(answer: str) -> None:
    assert judge_answer("hedge", answer).keep


@pytest.mark.parametrize(
    "answer",
    [
        'Exception in thread "main" java.lang.NullPointerException',
        "TypeError: x is undefined\n    at foo (a.js:1:2)",
        "openai.RateLimitError: Error code: 429",
        '{"type": "error", "error": {}}',
        "Rate limit reached for gpt-4o in organization",
        "upstream connect error or disconnect/reset before headers",
        "<?xml version='1.0'?><html>",
        "HTTP 502 Bad Gateway",
        "panic: runtime error: index out of range",
    ],
)
def test_stack_traces_and_proxy_words_are_dropped(answer: str) -> None:
    assert judge_answer("error_text", answer).reason == "error_text"


@pytest.mark.parametrize("answer", ["Error handling is in chapter 4.", '{"message": "hello"}', "404 euros", "The API"])
def test_answers_that_only_mention_errors_stay(answer: str) -> None:
    assert judge_answer("error_text", answer).keep


@pytest.mark.parametrize(
    "answer",
    ["Sinto muito, mas não posso ajudar com isso.", "抱歉，我无法提供帮助。", "К сожалению, я не могу помочь.",
     "I'm unable to process that.", "Niestety nie mogę pomóc."],
)  # fmt: skip
def test_refusals_in_further_languages_are_dropped(answer: str) -> None:
    assert judge_answer("not_refusal", answer).reason == "refusal"


def test_schema_breaks_name_the_place() -> None:
    verdict = judge_answer("schema_valid", '{"a": "x"}', JSON_TASK, value_json='{"a":"x"}')
    assert (verdict.reason, verdict.evidence.split(":")[0]) == ("schema_invalid", "a")


def test_strict_schema_drops_what_needed_a_repair() -> None:
    fields = {"value_json": '{"a":1}', "repaired": "code_fence"}
    rows = [candidate("a", "q", '```json\n{"a": 1}\n```', **fields)]
    context = FilterContext(JSON_TASK)
    assert judge("schema_valid", rows, context)[0].keep
    assert judge("schema_valid", rows, context, strict=True)[0].reason == "not_strict"


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="no JSON Schema"):
        judge("schema_valid", [candidate("a", "q", value_json="1")], None, schema={"type": "strange"})


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ("{'a': 1}", "python_literal"),
        ('{"a": 1,}', "python_literal"),
        ('Here: {"a": 1, // the count\n}', "commas_comments"),
        ('```json\n{"a": 1,}\n```', "python_literal"),
        ("{“a”: 1}", "curly_quotes"),
    ],
)
def test_json_with_one_reading_is_mended_and_says_how(answer: str, how: str) -> None:
    rows = make_candidates([candidate("a", "q", answer, **UNREAD)])
    result = run_chain(rows, [FilterSpec(name="schema_repairable")], make_context(JSON_TASK))
    (row,) = result.kept.to_pylist()
    assert (row["value_json"], row["parse_error"], row["repaired"], row["answer"]) == ('{"a":1}', None, how, answer)
    assert result.funnel[0].edits == {"repaired": 1}


@pytest.mark.parametrize(
    "answer", ['{"a": 1', "{'a': {1, 2}}", "{1: 2}", "no json", "{'a': 1} or {'a': 2}", "[" * 5000]
)
def test_what_would_need_invention_is_dropped(answer: str) -> None:
    verdict = judge("schema_repairable", [candidate("a", "q", answer, **UNREAD)], make_context(JSON_TASK))[0]
    assert not verdict.keep


def test_mended_json_still_has_to_fit_the_schema() -> None:
    rows = [candidate("a", "q", "{'b': 1}", **UNREAD)]
    assert judge("schema_repairable", rows, make_context(JSON_TASK))[0].reason == "schema_invalid"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab,}]'/*", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xy,'", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), values, min_size=1, max_size=3))
def test_mending_never_changes_a_value(value: dict[str, object]) -> None:
    """Every mend of a value's Python and JSON spelling is that value."""
    for text in (repr(value), json.dumps(value), json.dumps(value)[:-1] + ",}"):
        assert {dump_canonical(found) for found, _ in mend_json(text)} <= {dump_canonical(value)}


GERMAN = "Die Rückerstattung ist unterwegs und wird in drei Werktagen auf Ihrem Konto sein."
ENGLISH = "The refund is on its way and will be in your account within three working days."


def test_answer_in_another_language_than_its_input_is_dropped() -> None:
    rows = [candidate("a", ENGLISH, GERMAN), candidate("b", GERMAN, GERMAN), candidate("c", ENGLISH, "card")]
    assert [verdict.reason for verdict in judge("language", rows)] == ["other_language", "", ""]


def test_fixed_language_wins_over_the_inputs() -> None:
    rows = [candidate("a", GERMAN, ENGLISH), candidate("b", GERMAN, GERMAN)]
    assert [verdict.keep for verdict in judge("language", rows, expected="en")] == [True, False]


def test_length_counts_tokens_and_ratio_to_input() -> None:
    row = [candidate("a", "one two three four", "yes no", output_tokens=9)]
    assert judge("length", row, max_tokens=8)[0].reason == "too_long"
    assert judge("length", row, min_tokens=10)[0].reason == "too_short"
    assert judge("length", row, min_ratio=0.6)[0].reason == "too_short_for_input"


@pytest.mark.parametrize(("of", "keep"), [("mean", True), ("worst", False), ("sum", False)])
def test_confidence_of_mean_worst_token_and_whole_answer(of: str, keep: bool) -> None:
    rows = [candidate("a", "q", sampled_logprobs=[-0.1, -1.5])]
    assert judge("confidence", rows, of=of)[0].keep is keep


def test_confidence_can_be_required() -> None:
    rows = [candidate("a", "q")]
    assert judge("confidence", rows)[0].keep
    assert judge("confidence", rows, required=True)[0].reason == "no_logprobs"


def test_unknown_labels_are_listed_with_counts() -> None:
    bad = {"value_json": None, "target": None, "parse_error": "unknown_label"}
    rows = [candidate(f"r{i}", f"q{i}", "blau" if i < 3 else "rot", **bad) for i in range(4)]
    result = run_chain(make_candidates(rows), [FilterSpec(name="label_known")], FilterContext(LABEL_TASK))
    assert result.funnel[0].tallies == {"unknown_label": {"blau": 3, "rot": 1}}
    assert any("'blau' 3x, 'rot' 1x" in warning for warning in result.warnings)


def test_rejection_sampling_by_gold_says_so() -> None:
    rows = make_candidates([candidate("a", "q", gold_json='"refund"')])
    result = run_chain(rows, [FilterSpec(name="answer_agrees")], FilterContext(LABEL_TASK))
    assert "rejection sampling by gold is on" in result.warnings[0]


def test_masked_answers_stay_readable_and_inputs_are_masked_everywhere() -> None:
    row = candidate("a", "mail jo@x.org", '{"to": "jo@x.org"}', columns_json='{"n":{"m":["jo@x.org"]}}')
    spec = FilterSpec(name="pii", options={"action": "mask"})
    result = run_chain(make_candidates([row]), [spec], FilterContext(LABEL_TASK, reread=reread_json))
    (kept,) = result.kept.to_pylist()
    assert "jo@x.org" not in json.dumps({name: value for name, value in kept.items() if name != "key"})
    assert (kept["text"], kept["value_json"]) == ("mail [email]", '{"to":"[email]"}')
    assert result.funnel[0].edits == {"masked": 1}
    assert run_chain(result.kept, [spec], FilterContext(LABEL_TASK)).kept.equals(result.kept)


def test_answer_that_is_nothing_without_its_datum_is_dropped() -> None:
    rows = [candidate("a", "q", "jo@x.org", value_json='"jo@x.org"')]
    task = TaskConfig(output="answer", pattern=r"\S+@\S+", user="{{ input }}")
    assert judge("pii", rows, make_context(task), action="mask")[0].reason == "pii_not_masked"

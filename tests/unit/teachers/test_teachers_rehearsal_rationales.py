"""A rehearsal teacher that knows reasons gives them the way reasoning models do, and bills them as output."""

from __future__ import annotations

import json

from distill.teachers.rehearsal.answers import complete
from distill.teachers.rehearsal.knowledge import load_knowledge
from distill.teachers.replies import read_reply


def _ask(tmp_path, **row: object):
    (tmp_path / "known.jsonl").write_text(json.dumps({"text": "2 + 2?", "answer": "4", **row}) + "\n")
    knowledge = load_knowledge([tmp_path / "known.jsonl"], question="text", answer="answer")
    body = {"model": "m", "messages": [{"role": "user", "content": "2 + 2?"}]}
    return read_reply(json.dumps(complete(body, "2 + 2?", knowledge, turn=1)).encode())


def test_reasons_come_apart_from_the_answer_and_are_counted(tmp_path):
    plain, reasoned = _ask(tmp_path), _ask(tmp_path, rationale="Two and two make four.")
    assert (plain.text, plain.rationale) == ("4", None)
    assert (reasoned.text, reasoned.rationale) == ("4", "Two and two make four.")
    assert reasoned.usage.reasoning_tokens > plain.usage.reasoning_tokens == 0
    assert reasoned.usage.output_tokens == plain.usage.output_tokens + reasoned.usage.reasoning_tokens


def test_a_blank_reason_is_none(tmp_path):
    assert _ask(tmp_path, rationale="  ").rationale is None

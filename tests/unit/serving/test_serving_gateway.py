"""The gateway over real HTTP: who answers, what is refused, what is logged."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyword_student import KeywordPredictor, make_keyword_student
from live_gateway import body, listening, post, run

from distill.errors import StoreError, UsageError
from distill.records.live import Audit
from distill.records.training import Prompt
from distill.serving.batching import Batcher
from distill.serving.config import FallbackConfig, LogConfig, ServeConfig, ShadowConfig
from distill.serving.export import export_rows
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.server import read_keys
from distill.serving.spend import HourlyCap
from distill.serving.students import read_threshold
from distill.serving.watch import apply_policy
from distill.serving.wire import WireError, parse_chat


def ask(payload: Any, teacher: Any = None, config: ServeConfig | None = None, **more: Any) -> httpx.Response:
    """Send one request to a gateway that lives as long as it."""

    async def go() -> httpx.Response:
        student = more.pop("student", None) or make_keyword_student()
        gateway = Gateway(config or ServeConfig(), "production", student, teacher)
        gateway.draining = more.pop("draining", False)
        headers = more.pop("headers", {})
        async with listening(gateway, **more) as client:
            return await post(client, payload, **headers)

    return run(go())


def test_a_sure_student_answers_and_says_so(teacher: Any) -> None:
    response = ask(body("my refund please"), teacher)
    assert response.json()["choices"][0]["message"]["content"] == "refund"
    assert response.json()["model"] == "production@1"
    assert response.headers["x-distill-answered-by"] == "student"
    assert teacher.calls == 0


@pytest.mark.parametrize(
    ("text", "reason"), [("hm", "low_confidence"), ("garbage", "unknown_label"), ("crash", "student_error")]
)
def test_the_teacher_answers_where_the_student_should_not(teacher: Any, text: str, reason: str) -> None:
    response = ask(body(text), teacher)
    assert (response.json()["model"], response.headers["x-distill-answered-by"]) == ("teacher-1", "teacher")
    assert response.headers["x-distill-reason"] in (reason, "unparseable")


def test_a_slow_student_is_replaced_by_the_teacher(teacher: Any) -> None:
    async def go() -> str:
        config = ServeConfig(student_timeout_s=0.02)
        gateway = Gateway(config, "production", make_keyword_student(seconds=0.2), teacher)
        outcome = await gateway.answer(parse_chat(json.dumps(body("refund")).encode()).conversation(), "r")
        return outcome.reason

    assert run(go()) == "timeout"


def test_past_the_cap_an_unsure_answer_stands_and_says_so(teacher: Any) -> None:
    config = ServeConfig(fallback=FallbackConfig(model="t", cap_usd_per_hour=0.005))
    response = ask(body("hm"), teacher, config)
    assert response.headers["x-distill-reason"] == "low_confidence,fallback_capped"
    assert teacher.calls == 0


def test_no_valid_answer_from_anyone_is_a_clean_503(teacher: Any) -> None:
    teacher.fails = True
    response = ask(body("garbage"), teacher)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "no_answer"


def test_stream_carries_the_whole_answer_and_ends() -> None:
    response = ask(body("refund", stream=True, stream_options={"include_usage": True}))
    events = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(event) for event in events[:-1]]
    assert events[-1] == "[DONE]"
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == "refund"
    assert chunks[-1]["usage"]["total_tokens"] == 4


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"\xff", b"null", b"[" * 5000, b'{"model":1}', b'{"model":"production","messages":[]}'],
)
def test_hostile_bodies_get_400(payload: bytes) -> None:
    assert ask(payload).status_code == 400


def test_huge_bodies_and_unknown_models_are_refused() -> None:
    assert ask(b"x" * 2_000_000).status_code == 413
    assert ask({**body("refund"), "model": "gpt-x"}).status_code == 404
    assert ask(body("x" * 70_000)).json()["error"]["code"] == "context_length_exceeded"


def test_a_missing_or_wrong_key_is_refused_and_the_right_one_taken() -> None:
    assert ask(body("refund"), keys=["secret"]).status_code == 401
    assert ask(body("refund"), keys=["secret"], headers={"Authorization": "Bearer nope"}).status_code == 401
    assert ask(body("refund"), keys=["secret"], headers={"Authorization": "Bearer secret"}).status_code == 200


def test_a_draining_gateway_refuses_new_requests() -> None:
    assert ask(body("refund"), draining=True).status_code == 503


def test_keys_are_needed_off_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILL_SERVE_KEYS", raising=False)
    assert read_keys(ServeConfig()) == []
    with pytest.raises(UsageError, match="needs API keys"):
        read_keys(ServeConfig(host="0.0.0.0"))
    monkeypatch.setenv("DISTILL_SERVE_KEYS", "a, b")
    assert read_keys(ServeConfig(host="0.0.0.0")) == ["a", "b"]


def test_waiting_prompts_share_a_batch_and_none_is_lost() -> None:
    async def go() -> tuple[list[str], list[int]]:
        predictor = KeywordPredictor(0.01)
        batcher = Batcher(predictor, 64)
        answers = await asyncio.gather(*(batcher.answer(Prompt(str(i), "refund")) for i in range(200)))
        await batcher.close()
        return [answer.id for answer in answers], predictor.batches

    ids, batches = run(go())
    assert ids == [str(i) for i in range(200)]
    assert len(batches) <= 5
    assert max(batches) <= 64


def test_a_full_gateway_says_429_with_retry_after() -> None:
    async def go() -> list[httpx.Response]:
        gateway = Gateway(ServeConfig(max_in_flight=2), "production", make_keyword_student(seconds=0.5), None)
        async with listening(gateway) as client:
            return await asyncio.gather(*(post(client, body("refund")) for _ in range(6)))

    responses = run(go())
    assert sorted(r.status_code for r in responses) == [200, 200, 429, 429, 429, 429]
    assert {r.headers.get("retry-after") for r in responses if r.status_code == 429} == {"1"}


def test_the_log_redacts_and_exports_hard_examples_first(tmp_path: Path, teacher: Any) -> None:
    log = RequestLog(tmp_path / "r.db", LogConfig())

    async def go() -> None:
        gateway = Gateway(ServeConfig(), "production", make_keyword_student(), teacher)
        async with listening(gateway, log=log) as client:
            for text in ("refund to ada@example.org", "hm 0612345678", "refund two"):
                await post(client, body(text))

    run(go())
    log = RequestLog(tmp_path / "r.db", LogConfig())
    rows = log.requests("production")
    assert [row.text for row in rows] == ["refund to [email]", "hm [number]", "refund two"]
    log.add(Audit(rows[2].request_id, 1.0, "production", rows[2].version, "shadow", False, "delivery"))
    log.close()
    assert export_rows(rows, log.audits("production"), tmp_path / "out.jsonl") == 3
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["text"] for row in out] == ["refund two", "hm [number]", "refund to [email]"]
    assert [row["teacher_output"] for row in out] == ["delivery", "delivery", None]


def test_rows_past_the_retention_are_deleted(tmp_path: Path, teacher: Any) -> None:
    log = RequestLog(tmp_path / "r.db", LogConfig(retention_days=1), clock=lambda: 10 * 86_400.0)
    for time in (8.0, 9.5):
        log.add(Audit("r", time * 86_400, "production", "v", "shadow", True, "x"))
    log.flush()
    log.prune()
    log.close()
    assert [audit.time for audit in log.audits("production")] == [9.5 * 86_400]


def test_the_cap_slides_and_counts_reservations() -> None:
    now = [0.0]
    cap = HourlyCap(1.0, lambda: now[0])
    assert cap.reserve(0.6)
    assert not cap.reserve(0.6)
    cap.settle(0.6, 0.5)
    assert cap.reserve(0.5)
    cap.settle(0.5, 0.5)
    assert not cap.reserve(0.1)
    now[0] = 3601
    assert cap.reserve(1.0)


@pytest.mark.parametrize(
    ("given_", "want"),
    [
        ({}, None),
        ({"fallback": 0.7}, 0.7),
        ({"fallback": {"threshold": 1}}, 1),
        ({"fallback": {"threshold": None}}, math.inf),  # nothing keeps the risk: the teacher answers all
    ],
)
def test_threshold_is_read_as_stored(given_: dict[str, Any], want: float | None) -> None:
    assert read_threshold(given_) == want


def test_a_student_for_whom_no_threshold_holds_answers_nothing(teacher: Any) -> None:
    sure = replace(make_keyword_student(), threshold=math.inf)
    response = ask(body("refund"), teacher, student=sure)
    assert teacher.calls == 1
    assert response.headers["x-distill-answered-by"] == "teacher"


def test_a_damaged_threshold_is_refused() -> None:
    with pytest.raises(StoreError):
        read_threshold({"fallback": "high"})


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: (
            st.lists(c) | st.dictionaries(st.sampled_from(["model", "messages", "role", "content", "stream", "n"]), c)
        ),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        parse_chat(json.dumps(value).encode())
    except WireError as error:
        assert error.status == 400


def test_shadow_asks_the_teacher_and_logs_whether_it_agrees(tmp_path: Path, teacher: Any) -> None:
    log = RequestLog(tmp_path / "r.db", LogConfig())

    async def go() -> None:
        gateway = Gateway(ServeConfig(shadow=ShadowConfig(rate=1.0)), "production", make_keyword_student(), teacher)
        async with listening(gateway, log=log) as client:
            for text in ("refund", "delivery"):
                await post(client, body(text))

    run(go())
    assert sorted(audit.agreed for audit in log.audits("production")) == [False, True]


def test_the_monitors_policy_applies_to_its_version_only(tmp_path: Path) -> None:
    async def go() -> Gateway:
        return Gateway(ServeConfig(), "production", make_keyword_student(), None)

    gateway = run(go())
    path = tmp_path / "monitor" / "production.json"
    path.parent.mkdir()
    for version, want in (("production@1", (0.2, 0.5)), ("production@0", (0.0, 0.02))):
        path.write_text(json.dumps({"version": version, "threshold_add": 0.2, "shadow_rate": 0.5}))
        apply_policy(gateway, tmp_path)
        assert (gateway.threshold_add, gateway.shadow_rate) == want


def test_half_a_surrogate_pair_is_refused_before_it_spoils_a_batch() -> None:
    half, whole = (
        b'{"model": "m", "messages": [{"role": "user", "content": "%s"}]}' % s for s in (b"\\ud800", b"\\ud83d\\ude00")
    )
    with pytest.raises(WireError, match="surrogate"):
        parse_chat(half)
    assert parse_chat(whole).conversation()[0].content == "\N{GRINNING FACE}"

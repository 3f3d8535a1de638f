"""What runs beside the answers: the shadow sample, pairs during a canary, the fixed inputs of each day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from keyword_student import TASK, make_keyword_student
from live_gateway import body, listening, post, run

from distill.errors import DataError
from distill.records.live import Audit
from distill.records.training import Answer, Prompt
from distill.serving.config import FixedSetConfig, LogConfig, ServeConfig, ShadowConfig
from distill.serving.fixed_set import FixedSet
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.students import LoadedStudent

HOUR = 3600.0


class Always:
    """A student that says one thing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        return [Answer(prompt.id, self.text, 0.99) for prompt in prompts]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    log = RequestLog(tmp_path / "r.db", LogConfig())
    yield log
    log.close()


def serve_two(log: RequestLog, teacher: Any, canary: bool, texts: Sequence[str], **shadow: Any) -> list[Audit]:
    async def go() -> None:
        config = ServeConfig(shadow=ShadowConfig(**{"rate": 1.0} | shadow))
        gateway = Gateway(config, "production", make_keyword_student(), teacher)
        if canary:
            await gateway.arms.start_canary(LoadedStudent("production@2", TASK, Always("delivery"), None), 0.5)
        async with listening(gateway, log=log) as client:
            for number, text in enumerate(texts):
                await post(client, body(text, user=str(number)))

    kept = log.close
    log.close = lambda: None  # type: ignore[method-assign]
    run(go())
    log.close = kept  # type: ignore[method-assign]
    log.flush()
    return log.audits("production")


def test_during_a_canary_the_teacher_judges_both_versions_on_the_same_request(log: RequestLog, teacher: Any) -> None:
    audits = serve_two(log, teacher, True, ["refund"] * 8)
    by_request: dict[str, dict[str, bool]] = {}
    for audit in audits:
        by_request.setdefault(audit.request_id, {})[audit.version] = audit.agreed
    assert len(by_request) == 8
    assert all(sides == {"production@1": False, "production@2": True} for sides in by_request.values())
    assert {audit.side for audit in audits} == {"main", "canary"}
    assert teacher.calls == 8


def test_without_a_canary_only_what_serves_is_judged(log: RequestLog, teacher: Any) -> None:
    assert {audit.version for audit in serve_two(log, teacher, False, ["refund", "delivery"])} == {"production@1"}


def test_the_shadow_sample_stops_at_its_own_cap(log: RequestLog, teacher: Any) -> None:
    assert len(serve_two(log, teacher, False, ["refund"] * 10, cap_usd_per_hour=0.035)) == 3


def test_a_rate_of_nothing_asks_nobody(log: RequestLog, teacher: Any) -> None:
    assert serve_two(log, teacher, False, ["refund"] * 10, rate=0.0) == []
    assert teacher.calls == 0


class Days:
    """A gateway with fixed inputs and a clock that is moved by hand."""

    def __init__(self, root: Path, log: RequestLog, teacher: Any) -> None:
        self.now, self.log, self.student = 1000 * HOUR, log, Always("refund")
        loaded = LoadedStudent("production@1", TASK, self.student, None)
        self.path = root / "fixed.jsonl"
        self.path.write_text("".join(json.dumps({"text": f"case {i}"}) + "\n" for i in range(5)))

        async def make() -> Gateway:
            return Gateway(ServeConfig(), "production", loaded, teacher, clock=lambda: self.now)

        self.gateway = run(make())
        self.set = FixedSet(self.gateway, log, FixedSetConfig(path=str(self.path), max_rows=4), root)

    def step(self) -> tuple[bool, dict[str, list[bool]]]:
        async def go() -> bool:
            student = LoadedStudent("production@1", TASK, self.student, None)
            await self.gateway.arms.swap(student)  # a batcher of this loop
            return await self.set.step()

        before = len(self.log.audits("production"))
        made = run(go())
        self.log.flush()
        found: dict[str, list[bool]] = {}
        for audit in self.log.audits("production")[before:]:
            found.setdefault(audit.kind, []).append(audit.agreed)
        return made, found


def test_the_first_pass_records_and_later_ones_compare(tmp_path: Path, log: RequestLog, teacher: Any) -> None:
    days = Days(tmp_path, log, teacher)
    assert days.step() == (True, {})
    assert days.step() == (False, {})
    days.now += 25 * HOUR
    same = {"canary_student": [True] * 4, "canary_teacher": [True] * 4}
    assert days.step() == (True, same)


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_a_change_is_laid_at_the_right_door(who: str, tmp_path: Path, log: RequestLog, teacher: Any) -> None:
    days = Days(tmp_path, log, teacher)
    days.step()
    (days.student if who == "student" else teacher).text = "delivery" if who == "student" else "refund"
    days.now += 25 * HOUR
    _, found = days.step()
    assert found == {"canary_student": [who != "student"] * 4, "canary_teacher": [who != "teacher"] * 4}


def test_a_teacher_that_does_not_answer_has_not_changed(tmp_path: Path, log: RequestLog, teacher: Any) -> None:
    days = Days(tmp_path, log, teacher)
    days.step()
    teacher.fails = True
    days.now += 25 * HOUR
    assert days.step() == (True, {"canary_student": [True] * 4})


@pytest.mark.parametrize("text", ["", "not json\n", "[1]\n"])
def test_fixed_inputs_that_cannot_be_used_are_refused_at_the_start(text: str, tmp_path: Path, log: RequestLog) -> None:
    days = Days(tmp_path, log, None)
    days.path.write_text(text)
    with pytest.raises(DataError):
        FixedSet(days.gateway, log, FixedSetConfig(path=str(days.path)), tmp_path)

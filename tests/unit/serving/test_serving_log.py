"""The request log: what is masked, what is deleted and when, what becomes data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distill.records.live import Audit, ServedRequest
from distill.serving.config import LogConfig
from distill.serving.export import ColumnNames, export_rows
from distill.serving.request_log import RequestLog

DAY = 86_400.0
ROW = ServedRequest("r1", 100 * DAY, "production", "production@1", "m", "student", 200, 5.0, text="x")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    logs: list[RequestLog] = []

    def make(now: float = 100 * DAY, **config: Any) -> RequestLog:
        logs.append(RequestLog(tmp_path / "r.db", LogConfig(**config), clock=lambda: now))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def test_texts_are_masked_however_deep_they_lie(opened: Any) -> None:
    log = opened()
    columns = {"mail": "ada@example.org", "deep": {"list": ["sk-abcdefgh12345678", 7, None, "call 0612345678"]}}
    log.add(replace(ROW, columns=columns, slices={"user": "bob@example.org"}, student_answer="DE44500105175407324931"))
    log.flush()
    (row,) = log.requests("production")
    assert row.columns == {"mail": "[email]", "deep": {"list": ["[key]", 7, None, "call [number]"]}}
    assert row.slices == {"user": "[email]"}
    assert "5001" not in str(row.student_answer)


@pytest.mark.parametrize(("text", "kept"), [("full", "ada@example.org"), ("off", None), ("redacted", "[email]")])
def test_texts_are_kept_as_configured(text: str, kept: str | None, opened: Any) -> None:
    log = opened(text=text)
    log.add(replace(ROW, text="ada@example.org", columns={"t": "ada@example.org"}))
    log.flush()
    (row,) = log.requests("production")
    assert (row.text, row.columns) == (kept, None if kept is None else {"t": kept})


def test_own_patterns_are_masked_too(opened: Any) -> None:
    log = opened(redact=(r"case-\d+",))
    assert log.redact("see case-123") == "see [redacted]"


def test_old_rows_go_when_a_log_is_opened_not_only_under_load(opened: Any) -> None:
    log = opened()
    log.add(ROW)
    log.flush()
    later = opened(now=131 * DAY, retention_days=30)
    later.add(replace(ROW, request_id="r2", time=131 * DAY))
    later.flush()
    assert [row.request_id for row in later.requests("production")] == ["r2"]


def test_only_the_newest_rows_stay_when_there_are_too_many(opened: Any) -> None:
    log = opened(max_rows=10)
    for number in range(25):
        log.add(replace(ROW, request_id=str(number)))
    log.flush()
    log.prune()
    assert [row.request_id for row in log.requests("production")] == [str(number) for number in range(15, 25)]


def test_reading_goes_page_by_page_and_by_version(opened: Any) -> None:
    log = opened()
    for number in range(6):
        log.add(replace(ROW, request_id=str(number), version=f"production@{1 + number % 2}"))
    log.flush()
    first = log.requests("production", version="production@1", limit=2)
    assert [row.request_id for row in first] == ["0", "2"]
    assert [row.request_id for row in log.requests("production", 0.0, first[-1].number, "production@1")] == ["4"]


def row(request_id: str, text: str, confidence: float | None, **more: Any) -> ServedRequest:
    return replace(ROW, request_id=request_id, columns={"text": text}, confidence=confidence, answer="b", **more)


def export(path: Path, requests: list[ServedRequest], audits: list[Audit], **more: Any) -> list[dict[str, Any]]:
    count = export_rows(requests, audits, path / "out.jsonl", **more)
    rows = [json.loads(line) for line in (path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == count
    return rows


REQUESTS = [
    row("sure", "a", 0.99),
    row("unsure", "b", 0.2, answered_by="teacher", reason="low_confidence"),
    row("failed", "c", None, reason="timeout"),
    row("wrong", "d", 0.95),
    row("again", "a", 0.98),
]
AUDITS = [Audit("wrong", 1.0, "production", "production@1", "shadow", False, "refund"),
          Audit("sure", 1.0, "production", "production@1", "shadow", True, "a")]  # fmt: skip


def test_hard_examples_come_first_and_each_input_once(tmp_path: Path) -> None:
    rows = export(tmp_path, REQUESTS, AUDITS)
    assert [(row["id"], row["times_asked"]) for row in rows] == [
        ("wrong", 1),
        ("failed", 1),
        ("unsure", 1),
        ("again", 2),
    ]
    assert [row["teacher_output"] for row in rows] == ["refund", None, "b", None]
    assert [row["text"] for row in export(tmp_path, REQUESTS, AUDITS, limit=2)] == ["d", "c"]


def test_columns_have_the_names_of_the_runs_config(tmp_path: Path) -> None:
    names = ColumnNames("ticket", "big_model", "intent", "created", "customer", ("language",))
    requests = [row("r", "a", 0.5, slices={"language": "pt", "customer": "c7"})]
    (out,) = export(tmp_path, requests, [], names=names)
    assert (out["ticket"], out["intent"], out["language"], out["customer"]) == ("r", None, "pt", "c7")
    assert out["created"].startswith("1970-04-11")
    assert "big_model" in out


def test_a_log_without_texts_gives_no_rows(tmp_path: Path) -> None:
    assert export(tmp_path, [replace(ROW, columns=None)], []) == []

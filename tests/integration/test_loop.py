"""The loop closed: promote, serve, log, export, and `distill run` on what was logged, its config unchanged."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from small_project import ROOT, Project

sys.path.insert(0, str(ROOT / "tests" / "fakes"))

from serve_process import serving

from distill.app.promotion import Wish, promote
from distill.app.runs import latest_run
from distill.teachers.config import TeacherConfig
from distill.teachers.rehearsal.process import rehearsal_process

TICKETS = ROOT / "examples" / "tickets" / "heldout.jsonl"


def ask(url: str, text: str, **metadata: str) -> str:
    body = {"model": "production", "messages": [{"role": "user", "content": text}], "metadata": metadata}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(reply.headers["x-distill-answered-by"])


@pytest.mark.slow
def test_a_run_on_the_gateways_log_works_with_the_config_as_it_is(finished: Project, tmp_path: Path) -> None:
    project = finished.directory
    run = latest_run(project / "runs", "small")
    assert run is not None
    promote(run, Wish(force=True, reason="a tiny student, to be served by a cascade"))
    rows = [json.loads(line) for line in TICKETS.read_text(encoding="utf-8").splitlines()[150:290]]
    teacher = TeacherConfig(model="tickets-recorded-answers", knowledge_answer="intent")
    with rehearsal_process(teacher, [TICKETS]) as url:
        fallback = {"base_url": url, "model": "tickets-recorded-answers", "input_usd_per_million": 1.0}
        config = {"fallback": fallback | {"output_usd_per_million": 1.0}, "threshold": 0.9, "log": {"text": "full"}}
        (tmp_path / "serve.yaml").write_text(yaml.safe_dump(config))
        arguments = ("--config", tmp_path / "serve.yaml")
        with serving(project / ".distill", *arguments, OPENAI_API_KEY="none", OMP_NUM_THREADS="1") as served:
            answered = {ask(served.url, row["text"], channel=row["channel"]) for row in rows}
            assert served.stop() == 0
    assert "teacher" in answered
    code, _, err = finished.call("log", "export", "production", "-o", "next.jsonl")
    assert code == 0, err
    exported = [json.loads(line) for line in (project / "next.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({row["text"] for row in exported}) == len(exported) > 100
    assert {"id", "intent", "channel", "teacher_output", "student_answer"} <= exported[0].keys()
    taught = [row["teacher_output"] is not None for row in exported]
    assert any(taught)
    code, out, err = finished.call(
        "run", "small.yaml", "--set", "data.source=next.jsonl", "--set", f"teacher.knowledge=[{TICKETS}]", "--json"
    )
    assert code in (0, 3, 4, 7), err  # any verdict will do: so small a student is no good
    result = json.loads(out)
    assert {stage["stage"]: stage["status"] for stage in result["stages"]}["report"] == "ran"
    assert {stage["stage"]: stage["rows_out"] for stage in result["stages"]}["ingest"] == len(exported)
    assert result["verdict"] is not None

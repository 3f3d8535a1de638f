"""Rows that would attack whoever reads the report, and rows of a megabyte, opened in a real browser."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.report_data import make_report_data

from distill.reports import AskedAgain, DroppedSample, Funnel, FunnelStep, render_report

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from small_project import make_project

pytestmark = pytest.mark.browser
RUN = "window.hacked=(window.hacked||0)+1"
PAYLOADS = (
    f"</script><script>{RUN}</script>",
    f"<svg onload='{RUN}'><animate onbegin='{RUN}' attributeName=x dur=1s></svg>",
    f"<svg><script href='data:text/javascript,{RUN}'/></svg>",
    f'<img src=x onerror="{RUN}">',
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<a href='javascript:{RUN}'>click</a>",
    f"<math><mtext></table><mglyph><style><img src=x onerror={RUN}>",
    f"'\"><details open ontoggle={RUN}>",
    f"{{{{ {RUN} }}}} ${{{RUN}}} {{% {RUN} %}}",
    "\u202e\u0000\ud7ff\ufffe<!--<script>",
    f"-->]]></textarea></title></style><body onpageshow={RUN}>",
)
MEGABYTE = "<b>spin</b> " * 90_000


def visit(browser: Any, path: Path) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.complaints, page.asked = [], []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#rows-body tr td:nth-child(6)")
    return page


def use_everything(page: Any) -> None:
    """Open all that can be opened, sort, search and unfold: a payload may wait for a touch."""
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.click("[data-sort=confidence]")
    page.fill("#query", "script")
    page.wait_for_function("document.querySelector('#found').innerText.includes(' of ')")
    for link in page.locator("#rows-body button, #rows-body summary").all()[:3]:
        link.click()
    page.fill("#query", "")
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))")


def assert_unharmed(page: Any, path: Path) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.complaints == []
    assert page.asked == [path.as_uri()]
    assert page.evaluate("document.querySelectorAll('iframe, [onerror], [onload], [ontoggle]').length") == 0
    assert page.evaluate("[...document.links].filter(link => link.protocol === 'javascript:').length") == 0


def test_hostile_texts_in_every_place_run_nothing(browser: Any, tmp_path: Path) -> None:
    data = make_report_data()
    rows = tuple(
        replace(row, text=payload, student=payload, teacher=payload, student_correct=False)
        for row, payload in zip(data.rows, PAYLOADS, strict=False)
    )
    samples = tuple(DroppedSample(payload, payload, payload, payload, payload) for payload in PAYLOADS)
    steps = tuple(FunnelStep(payload, {payload: 3}, 0.1, samples[:3]) for payload in PAYLOADS)
    again = AskedAgain(5, 7, 3, 0.1, 0.03, tuple((payload, payload, 2, 1) for payload in PAYLOADS))
    path = tmp_path / "report.html"
    said = replace(data, rows=(*rows, *data.rows[len(rows) :]), funnel=Funnel(99, 60, steps, 1.0, again))
    path.write_text(render_report(said), encoding="utf-8")
    page = visit(browser, path)
    use_everything(page)
    assert_unharmed(page, path)
    assert page.locator("#rows-body").inner_text().count("<svg") + page.content().count("&lt;svg") > 0


def test_rows_of_a_megabyte_are_cut_and_the_page_stays_quick(browser: Any, tmp_path: Path) -> None:
    data = make_report_data()
    big = tuple(replace(row, text=MEGABYTE, student=MEGABYTE, teacher=MEGABYTE) for row in data.rows[:40])
    path = tmp_path / "report.html"
    path.write_text(render_report(replace(data, rows=(*big, *data.rows[40:]))), encoding="utf-8")
    assert path.stat().st_size < 1_500_000
    page = visit(browser, path)
    use_everything(page)
    assert_unharmed(page, path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_hostile_rows_go_the_whole_road_and_hurt_nobody(browser: Any, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    path = project.directory / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["text"] = f"{PAYLOADS[number % len(PAYLOADS)]} {row['text']}".replace("\0", "")
    rows[3]["text"] += MEGABYTE
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, out, err = project.call(
        "run", "small.yaml", "--set", "student.overlong=truncate", "--set", "student.epochs=1"
    )
    assert code in (0, 3, 4, 7), out + err
    report = (project.directory / "runs/small/latest/report.html").resolve()
    page = visit(browser, report)
    use_everything(page)
    assert_unharmed(page, report)

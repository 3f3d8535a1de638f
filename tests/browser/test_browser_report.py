from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.report_data import make_report_data

from distill.reports import render_report

pytestmark = pytest.mark.browser
HOSTILE = "</script><script>window.hacked=1</script><img src=http://127.0.0.1:9/x onerror='window.hacked=1'>\u202egnp"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_report_data()
    hostile = replace(data.rows[0], text=HOSTILE, student=HOSTILE, student_correct=False)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(replace(data, rows=(hostile, *data.rows[1:]))), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.complaints, opened.asked = [], []
    opened.on("console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(report.as_uri())
    opened.wait_for_selector("#rows-body tr td:nth-child(6)")
    yield opened
    context.close()


def _column(page: Any, number: int) -> list[str]:
    return page.locator(f"#rows-body tr td:nth-child({number})").all_inner_texts()


def test_it_opens_from_disk_without_a_complaint_or_a_request(page: Any, report: Path) -> None:
    assert page.asked == [report.as_uri()]
    assert page.complaints == []
    assert page.locator("#rows-body tr").count() == 50


def test_hostile_text_is_shown_and_not_run(page: Any) -> None:
    assert page.evaluate("window.hacked") is None
    assert "</script><script>" in page.locator("#rows-body tr").first.inner_text()


def test_a_column_sorts_both_ways(page: Any) -> None:
    page.click("[data-sort=confidence]")
    up = [float(text) for text in _column(page, 6)]
    page.click("[data-sort=confidence]")
    down = [float(text) for text in _column(page, 6)]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert page.locator("th[aria-sort=descending]").count() == 1


def test_a_cell_shows_its_rows_and_reset_brings_all_back(page: Any) -> None:
    page.click("[data-cell=teacher]")
    expected = page.locator("[data-cell=teacher] .value").inner_text()
    assert page.locator("#found").inner_text() == f"{expected} of 960 rows"
    page.click("#reset")
    assert page.locator("#found").inner_text() == "960 of 960 rows"


def test_search_and_slice_filters_narrow_the_rows(page: Any) -> None:
    page.fill("#query", "dehumidifier")
    found = _column(page, 2)
    assert found
    assert all("dehumidifier" in text.lower() or len(text) > 200 for text in found)
    page.fill("#query", "")
    page.select_option("[data-slice=language]", "de")
    assert all("de" in text.split("\n")[-1] for text in _column(page, 2))


def test_dark_mode_follows_the_button_by_keyboard(page: Any) -> None:
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.focus("#theme")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(page: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.emulate_media(color_scheme=scheme)
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (item["id"], item["nodes"][0]["html"][:200]) for item in found if item["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

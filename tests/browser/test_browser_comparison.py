"""The comparison of many runs with long names: what is wide scrolls in its own box, and at 1280 px nothing has to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distill.reports import RunSummary, render_comparison

pytestmark = pytest.mark.browser
DECISIONS = ("promote", "hold", "inconclusive", "invalid", "promote", "hold")
TEACHER = "gpt-5.4-2026-03-05 + claude-opus-4-5-20251101"
STUDENT = "sentence-transformers/all-MiniLM-L6-v2 with fallback"


def make_run(number: int, decision: str) -> RunSummary:
    config: dict[str, Any] = {
        "student": {"learning_rate": number * 1e-3, "lora": {"rank": number}},
        "task": {"system": f"You route banking queries to one of 77 intents. {'Answer alone. ' * 9}{number}"},
        "filters": [{"near_duplicate": {"threshold": 0.8 + number / 100}}, "parseable"],
    }
    return RunSummary(
        "banking-intents-with-a-long-name", f"2026113{number}-173906-31f0d{number}", f"2026-11-2{number}T10:00:00",
        TEACHER, STUDENT, decision, 0.8 + number / 100, 0.0012 * (number + 1), 120.0 + number, 3.5, config,
        {f"e{i}": (i * 7 + number) % 5 != 0 for i in range(200)}, {f"e{i}": 5.0 + i % 7 + number for i in range(200)},
        0.75, 0.85,
    )  # fmt: skip


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = [make_run(number, decision) for number, decision in enumerate(DECISIONS)]
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    path.write_text(render_comparison(runs), encoding="utf-8")
    return path


def visit(browser: Any, path: Path, width: int, scheme: str = "light") -> Any:
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.goto(path.as_uri())
    return page


def widths(page: Any, selector: str) -> tuple[int, int]:
    shown, needed = page.eval_on_selector(selector, "one => [one.clientWidth, one.scrollWidth]")
    return shown, needed


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_itself_never_scrolls_sideways(browser: Any, comparison: Path, width: int) -> None:
    page = visit(browser, comparison, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_the_table_of_runs_is_seen_whole_at_1280_pixels(browser: Any, comparison: Path) -> None:
    page = visit(browser, comparison, 1280)
    shown, needed = widths(page, "[aria-label=Runs]")
    assert needed <= shown
    page.context.close()


def test_a_phone_scrolls_a_table_in_its_own_box_and_keeps_the_runs_names_in_sight(
    browser: Any, comparison: Path
) -> None:
    page = visit(browser, comparison, 390)
    shown, needed = widths(page, "[aria-label=Runs]")
    assert needed > shown
    name = "[aria-label=Runs] tbody th >> nth=0"
    before = page.locator(name).bounding_box()
    page.eval_on_selector("[aria-label=Runs]", "one => one.scrollLeft = 300")
    assert page.locator(name).bounding_box() == before
    page.context.close()


def test_no_word_of_a_config_path_is_broken(browser: Any, comparison: Path) -> None:
    page = visit(browser, comparison, 1280)
    heads = page.locator("[aria-label='Config differences'] tbody th")
    assert max(box["height"] for box in (head.locator("bdi").bounding_box() for head in heads.all())) < 60
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser: Any, comparison: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(browser, comparison, 1280, scheme)
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (item["id"], item["nodes"][0]["html"][:200]) for item in found if item["impact"] in ("serious", "critical")
    ]
    assert serious == []
    page.context.close()

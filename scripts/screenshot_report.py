"""Photograph a report with headless Chromium: `scripts/screenshot_report.py REPORT.html -o docs/images/report.png`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright


def photograph(
    report: Path,
    picture: Path,
    *,
    width: int,
    height: int | None,
    scheme: Literal["light", "dark"],
    at: str | None = None,
) -> None:
    """Write a PNG of a report: its first `height` pixels (None: all of it), from the element `at` where given."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height or 1000}, color_scheme=scheme)
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("#rows-body tr td:nth-child(6)")
        if at is not None:
            page.locator(at).evaluate("node => window.scrollTo({top: node.offsetTop - 48, behavior: 'instant'})")
        page.screenshot(path=picture, full_page=height is None)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/report.png"))
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1000, help="pixels from the top; 0: the whole page")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--at", help="CSS selector of the element to start from")
    given = parser.parse_args()
    photograph(
        given.report, given.output, width=given.width, height=given.height or None, scheme=given.scheme, at=given.at
    )
    print(f"{given.output}: {given.output.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

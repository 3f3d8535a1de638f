from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fakes.report_data import make_report_data

from distill.reports import FieldTally, Lineage, ReportData, RunFacts, render_report
from distill.reports.payload import pack_rows

HOSTILE = (
    "</script><script>window.hacked=1</script><svg onload=alert(1)>"
    "<img src=x onerror=alert(1)>\u202egnp.exe\x00{{ 7*7 }}"
)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def data() -> ReportData:
    return make_report_data()


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return render_report(data)


def test_sections_come_in_the_order_a_reader_asks(page: str) -> None:
    found = re.findall(r'<section id="([a-z-]+)"', page)
    first = ["verdict", "rules", "forest-section", "cost", "tradeoff", "answers", "confusion-section"]
    rest = ["calibration-section", "learning-section", "data", "leaks", "looks", "lineage", "assumptions"]
    assert found == first + rest


def test_fields_of_json_answers_stand_in_their_own_section(data: ReportData) -> None:
    fields = (FieldTally("slots.artist[]", 40, 30, 20), FieldTally(HOSTILE, 2, 2, 2))
    page = render_report(replace(data, confusion=None, fields=fields))
    assert re.findall(r'<section id="(fields-section|confusion-section)"', page) == ["fields-section"]
    section = page.partition('<section id="fields-section"')[2]
    cells = re.findall(r"<t[dh](?: [^>]*)?>(?:<bdi[^>]*>)?([^<]*)<", section)
    assert cells[:10] == [
        "Field", "Wanted", "Claimed", "Right", "F1", "slots.artist[]", "40", "30", "20", "57.1\u202f%",
    ]  # fmt: skip
    assert "<svg onload" not in page


def test_three_thousand_rows_stay_under_400_kb() -> None:
    page = render_report(make_report_data(3000))
    assert len(page.encode()) < 400_000


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    for tag, attributes in Tags(page).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,", (tag, value)
    assert "url(" not in page
    assert "@import" not in page


def test_only_our_own_script_may_run(page: str) -> None:
    assert "default-src 'none'" in page
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", page)


def test_hostile_text_adds_no_tag(data: ReportData) -> None:
    row = replace(
        data.rows[0], id=HOSTILE, text=HOSTILE, student=HOSTILE, error_kind=HOSTILE, slices={HOSTILE: HOSTILE}
    )
    rules = tuple(replace(rule, reason=HOSTILE, slice=HOSTILE) for rule in data.decision.rules)
    bad = replace(
        data,
        rows=(row, *data.rows[1:]),
        run=RunFacts(HOSTILE, HOSTILE, "2026-11-24T00:00:00", HOSTILE, HOSTILE, HOSTILE),
        decision=replace(data.decision, reason=HOSTILE, rules=rules),
        lineage=Lineage(terms=HOSTILE, versions={HOSTILE: HOSTILE}),
        warnings=(HOSTILE,),
    )
    page = render_report(bad)
    tags = [tag for tag, _ in Tags(page).tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert all(not name.startswith("on") for _, attributes in Tags(page).tags for name in attributes)
    assert "\x00" not in page
    assert "49" not in page.split("{{ 7*7 }}")[0][-40:]


def test_a_megabyte_row_is_cut_with_a_note(data: ReportData) -> None:
    big = replace(data.rows[0], text="wolf " * 200_000, student="x" * 1_000_000)
    page = render_report(replace(data, rows=(big, *data.rows[1:])))
    assert len(page.encode()) < 400_000
    assert "long inputs are cut" in page


def test_lone_surrogates_do_not_break_the_page(data: ReportData) -> None:
    broken = replace(data.rows[0], text="half \ud83d emoji")
    assert render_report(replace(data, rows=(broken,))).encode("utf-8")


def test_packed_rows_come_back_as_they_were(data: ReportData) -> None:
    packed = pack_rows(data.rows[:5])
    body = json.loads(zlib.decompress(base64.b64decode(packed.base64)))
    assert [row[0] for row in body["rows"]] == [row.id for row in data.rows[:5]]
    assert [body["words"][row[3]] for row in body["rows"]] == [row.student for row in data.rows[:5]]


def test_what_does_not_fit_leaves_mistakes_in(data: ReportData) -> None:
    packed = pack_rows(data.rows, budget_bytes=20_000)
    body = json.loads(zlib.decompress(base64.b64decode(packed.base64)))
    assert len(packed.base64) <= 20_000
    assert 0 < packed.rows_shown < packed.rows_total
    assert body["rows"][0][5] == 0


def test_a_rehearsal_is_said_in_plain_words(page: str, data: ReportData) -> None:
    assert "This run used the rehearsal teacher: recorded answers replayed" in page
    assert "rehearsal teacher" not in render_report(replace(data, is_rehearsal=False))


def test_the_student_alone_stands_beside_the_cascade(page: str) -> None:
    assert "The student alone would get" in page
    assert "Slices that fail on their own" in page


def test_a_bare_run_renders_and_says_what_is_missing(data: ReportData) -> None:
    bare = ReportData(
        run=data.run,
        decision=replace(data.decision, rules=(), decision="invalid", reason="rows are missing"),
        scores=(),
        rows=(),
        costs=None,
        lineage=Lineage(),
    )
    page = render_report(bare)
    assert "Invalid" in page
    assert "This run has no costs." in page
    assert "No leak audit is on record" in page


def test_unknown_costs_are_said_to_be_unknown(data: ReportData) -> None:
    page = render_report(replace(data, costs={"student": {"per_1k_usd": None}, "one_off": {"total_usd": None}}))
    assert "unknown" in page


def test_without_gold_agreement_is_not_called_accuracy(data: ReportData) -> None:
    page = render_report(replace(data, reference="teacher", teacher_self_agreement=0.97))
    assert "There is no gold here" in page
    assert "97.0" in page


def test_the_same_data_gives_the_same_page(data: ReportData, page: str) -> None:
    assert render_report(data) == page


def test_a_ratio_is_no_amount_of_dollars(data: ReportData) -> None:
    first, *others = data.decision.rules
    ratio = replace(
        first, rule="ratio", metric="cost_per_1k_usd", difference=0.716, low=0.7, high=0.731, margin=None, slice=None
    )
    page = render_report(replace(data, decision=replace(data.decision, rules=(ratio, *others))))
    assert '× 0.716 <span class="dim">(0.700 to 0.731)' in page
    assert "$0.700" not in page

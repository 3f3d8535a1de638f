"""What real traffic cost, in words: one line for a terminal, one section for the report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from distill.records.json import Json
from distill.reports.render import environment
from distill.reports.wording import compact, count, percent, usd

Live = Mapping[str, Json]
"""One version's live costs, as `LiveCosts.to_json` gives them."""


class Stat(NamedTuple):
    """One figure of the section."""

    name: str
    value: str
    note: str = ""


def state_live(live: Live) -> str:
    """Say in one line what a version's traffic cost and saved; what is unknown is said to be."""
    requests, share = count(_number(live, "requests")), percent(_number(live, "student_share"))
    parts = [
        f"{live['version']}: the student answered {share} of {requests} requests",
        f"paid {_usd(live, 'system_usd')} ({_parts(live)})",
        f"the teacher alone: {_usd(live, 'all_teacher_usd')}, saving {percent(_number(live, 'saving_share'))}",
        "pays back " + " ".join(part for part in _pay_back(live) if part),
    ]
    return "; ".join(parts)


def add_live(page: str, found: Sequence[Live], now: datetime | None = None) -> str:
    """Return a report's page with a section of live traffic at its end."""
    versions = [{"version": str(one["version"]), "stats": _stats(one), "warnings": one["warnings"]} for one in found]
    read_at = f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    section = environment().get_template("live.html.j2").render(versions=versions, read_at=read_at)
    head, end, tail = page.rpartition("</main>")
    return f"{head}{section}{end}{tail}" if end else page + section


def _stats(live: Live) -> list[Stat]:
    per_day = _number(live, "requests_per_day")
    assumed, saved = _number(live, "assumed_usd"), _number(live, "saving_share")
    unpriced = count(_number(live, "unpriced_calls"))
    return [
        Stat("requests", count(_number(live, "requests")), "" if per_day is None else f"{compact(per_day)} a day"),
        Stat(
            "answered by the student",
            percent(_number(live, "student_share")),
            f"teacher {count(_number(live, 'by_teacher'))}, nobody {count(_number(live, 'unanswered'))}",
        ),
        Stat("paid", _usd(live, "system_usd"), _parts(live)),
        Stat(
            "the teacher alone", _usd(live, "all_teacher_usd"), f"priced by {live['all_teacher_source'] or 'nothing'}"
        ),
        Stat("saved", _usd(live, "saving_usd"), "" if saved is None else percent(saved)),
        Stat("pays back", *_pay_back(live)),
        *_earned(live),
        *([Stat("of it assumed", usd(assumed), f"{unpriced} calls without a known price")] if assumed else []),
    ]


def _parts(live: Live) -> str:
    """Return who got what was paid."""
    named = {"teacher": "teacher_usd", "audits": "audit_usd", "student": "student_usd"}
    return ", ".join(f"{who} {_usd(live, name)}" for who, name in named.items())


def _pay_back(live: Live) -> tuple[str, str]:
    """Return when it pays back, and the band around that."""
    found = cast("Mapping[str, Any]", live["break_even"])
    if found["state"] == "unknown":
        return "unknown", ""
    if found["state"] == "never":
        return "never", "at this traffic"
    band: Mapping[str, float | None] = found["requests"]
    high = "never" if band["high"] is None else compact(band["high"])
    return f"after {compact(band['estimate'])} requests", f"({compact(band['low'])} to {high})"


def _earned(live: Live) -> list[Stat]:
    earned = _number(live, "earned_share")
    if earned is None:
        return []
    return [Stat("earned back", percent(earned, 0), f"of {_usd(live, 'one_off_usd')}, in this log")]


def _usd(live: Live, name: str) -> str:
    return usd(_number(live, name))


def _number(live: Live, name: str) -> float | None:
    value = live[name]
    return float(value) if isinstance(value, int | float) else None

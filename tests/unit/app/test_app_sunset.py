"""The day a teacher is switched off, as `plan` tells it: stated, listed by the server, or not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from fakes.http_server import Handler, http_server, url_of

from distill.app.sunset import find_sunsets
from distill.teachers import TeacherConfig

TODAY = date(2026, 5, 1)


@pytest.fixture
def listing() -> Iterator[tuple[str, list[str]]]:
    """Serve a model listing; return its URL and the paths that were asked."""
    asked: list[str] = []

    class Listing(Handler):
        def get(self) -> None:
            asked.append(self.path)
            models = [{"id": "old", "shutdown_date": "2026-05-31"}, {"id": "new"}]
            self.reply_json({"object": "list", "data": models})

    with http_server(Listing) as server:
        yield url_of(server, "/v1"), asked


def test_auto_takes_the_day_that_the_server_lists(listing: tuple[str, list[str]]) -> None:
    url, asked = listing
    panel = [TeacherConfig(model=model, base_url=url) for model in ("old", "new", "unlisted")]
    (sunset,) = find_sunsets(panel, TODAY)
    assert (sunset.teacher, sunset.days_left, sunset.is_listed) == ("old", 30, True)
    assert "in 30 days (2026-05-31, as its server lists it)" in sunset.describe()
    assert set(asked) == {"/v1/models"}


def test_a_stated_day_asks_nobody(listing: tuple[str, list[str]]) -> None:
    url, asked = listing
    (sunset,) = find_sunsets([TeacherConfig(model="old", base_url=url, sunset=date(2026, 4, 30))], TODAY)
    assert (sunset.days_left, asked) == (-1, [])
    assert "a run would stop (exit 6)" in sunset.describe()


def test_what_cannot_be_asked_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    panel = [
        TeacherConfig(model="no-key"),
        TeacherConfig(model="nobody-there", base_url="http://127.0.0.1:9/v1"),
        TeacherConfig(model="recorded", provider="replay"),
        TeacherConfig(model="not-wanted", sunset=None),
    ]
    assert find_sunsets(panel, TODAY) == []

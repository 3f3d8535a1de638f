"""Whatever the description allows or forbids is sent to a real gateway: no 5xx, and what is answered fits it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from keyword_student import make_keyword_student
from live_gateway import listening, run

from distill.serving.config import ServeConfig
from distill.serving.gateway import Gateway
from distill.serving.openapi import DESCRIPTION

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jsonschema.*"),
]
schemathesis = pytest.importorskip("schemathesis")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A gateway in a thread of its own."""
    ready, stop, found = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        import asyncio

        async with listening(Gateway(ServeConfig(), "production", make_keyword_student(), None)) as client:
            found.append(str(client.base_url))
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield found[0].rstrip("/")
    stop.set()
    thread.join(30)


def operations() -> list[Any]:
    return [found.ok() for found in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()]


def test_every_route_is_described() -> None:
    from distill.serving.app import create_app

    async def routes() -> set[str]:
        app = create_app(Gateway(ServeConfig(), "production", make_keyword_student(), None))
        return {route.path for route in app.routes}

    assert {operation.path for operation in operations()} | {"/openapi.json"} == run(routes())


def test_the_description_asks_for_a_user_message() -> None:
    import jsonschema_rs

    body = DESCRIPTION["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = jsonschema_rs.validator_for({**body, "components": DESCRIPTION["components"]})
    said = {"model": "production", "messages": [{"role": "system", "content": "Be brief."}]}
    assert not schema.is_valid(said)
    assert schema.is_valid(said | {"messages": [*said["messages"], {"role": "user", "content": "refund"}]})


CASES = [(operation.label, "positive") for operation in operations()]
CASES += [(operation.label, "negative") for operation in operations() if operation.body]


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_no_generated_request_gets_a_5xx(label: str, mode: str, url: str) -> None:
    operation = next(operation for operation in operations() if operation.label == label)
    generation = schemathesis.GenerationMode(mode)
    statuses: set[int] = set()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=generation))
    def send(case: Any) -> None:
        if mode == "positive" and isinstance(case.body, dict):
            case.body["model"] = "production"  # any other name is a 404 at the door
        response = case.call(base_url=url)
        statuses.add(response.status_code)
        assert response.status_code < 500, response.text
        assert str(response.status_code) in operation.definition.raw["responses"], response.text
        if mode == "negative":
            assert 400 <= response.status_code < 500

    send()
    assert (200 in statuses) == (mode == "positive")

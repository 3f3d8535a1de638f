"""Several teachers bought from at the same time: each its own ledger and price, one budget, one journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from distill.errors import BudgetExceededError, TeacherError
from distill.records.runtime import RuntimeConfig
from distill.teachers import Budget, Panel, Progress, TeacherConfig, find_twin, name_teachers, open_panel


@pytest.fixture
def pair(config: TeacherConfig, serve: Callable[..., Any]) -> Callable[..., tuple[list[TeacherConfig], list[Any]]]:
    """Return configs of two teachers on two servers, and the servers."""

    def make(*faults: str) -> tuple[list[TeacherConfig], list[Any]]:
        servers = [serve(faults[i] if i < len(faults) else "") for i in range(2)]
        models = ("gpt-test-2026-01-01", "gpt-test")
        prices = ({"input": 1.0, "output": 4.0}, {"input": 10.0, "output": 40.0})
        configs = [
            TeacherConfig.model_validate(config.model_dump() | {"base_url": s.url, "model": m, "price": p})
            for s, m, p in zip(servers, models, prices, strict=True)
        ]
        return configs, servers

    return make


def buy(panel: Panel, orders: Callable[..., list[Any]], count: int, budget: Budget | None = None) -> list[list[Any]]:
    wanted = [orders(teacher.config, count) for teacher in panel.teachers]
    return panel.buy(wanted, budget=budget or Budget(None))


def test_each_teacher_answers_its_own_orders_at_its_own_price(
    pair: Callable[..., Any], orders: Callable[..., Any], runtime: RuntimeConfig
) -> None:
    configs, servers = pair()
    with open_panel(configs, runtime) as panel:
        first, second = buy(panel, orders, 20)
        usd = [teacher.ledger.usd for teacher in panel.teachers]
        assert panel.ledger.calls == 40
        assert panel.ledger.usd == pytest.approx(sum(usd))
    assert [c.id for c in first] == [c.id for c in second] == [f"row-{i}" for i in range(20)]
    assert {c.model for c in second} == {"gpt-test"}
    assert [sum(server.desk.asked.values()) for server in servers] == [20, 20]
    assert usd[1] == pytest.approx(10 * usd[0])


def test_a_teacher_added_later_is_all_that_is_bought(
    pair: Callable[..., Any], orders: Callable[..., Any], runtime: RuntimeConfig
) -> None:
    configs, servers = pair()
    with open_panel(configs[:1], runtime) as panel:
        buy(panel, orders, 12)
    with open_panel(configs, runtime) as panel:
        buy(panel, orders, 12)
        assert (panel.ledger.calls, panel.ledger.journal_hits) == (12, 12)
    assert [sum(server.desk.asked.values()) for server in servers] == [12, 12]


def test_all_are_asked_in_one_loop_and_progress_adds_up(
    pair: Callable[..., Any], orders: Callable[..., Any], runtime: RuntimeConfig
) -> None:
    configs, _ = pair()
    told: list[Progress] = []
    with open_panel(configs, runtime) as panel:
        panel.buy([orders(c, 15) for c in configs], budget=Budget(None), on_progress=told.append)
    assert (told[-1].done, told[-1].total) == (30, 30)
    assert all(progress.total == 30 for progress in told)


def test_the_budget_holds_over_all_of_them(
    pair: Callable[..., Any], orders: Callable[..., Any], runtime: RuntimeConfig
) -> None:
    configs, _ = pair()
    with open_panel(configs, runtime) as panel:
        with pytest.raises(BudgetExceededError):
            buy(panel, orders, 60, Budget(0.01))
        assert 0 < panel.ledger.usd <= 0.01


def test_one_that_can_go_no_further_stops_the_others_and_its_error_is_told(
    pair: Callable[..., Any], orders: Callable[..., Any], runtime: RuntimeConfig
) -> None:
    configs, servers = pair("", "wrong_model=1")
    pinned = configs[1].model_copy(update={"model": "other-2026-01-01"})
    with open_panel([configs[0], pinned], runtime) as panel, pytest.raises(TeacherError) as caught:
        buy(panel, orders, 3000)
    assert caught.value.kind == "wrong_model"
    assert sum(servers[0].desk.asked.values()) < 3000


def test_nobody_is_paid_while_one_may_not_be_used(pair: Callable[..., Any], runtime: RuntimeConfig) -> None:
    configs, servers = pair()
    forbidden = TeacherConfig.model_validate(configs[1].model_dump() | {"terms": {"training_on_outputs": "forbidden"}})
    with open_panel([configs[0], forbidden], runtime) as panel, pytest.raises(TeacherError, match="gpt-test") as caught:
        panel.check()
    assert caught.value.kind == "terms"
    assert [sum(server.desk.asked.values()) for server in servers] == [0, 0]


def test_teachers_that_share_a_model_are_told_apart_by_number(config: TeacherConfig) -> None:
    elsewhere = config.model_copy(update={"base_url": "http://b/v1"})
    assert name_teachers([config]) == (config.model,)
    assert name_teachers([config, elsewhere]) == (f"{config.model} (#1)", f"{config.model} (#2)")


def test_a_port_makes_no_other_teacher(config: TeacherConfig) -> None:
    ports = [config.model_copy(update={"base_url": f"http://h:{port}/v1"}) for port in (1, 2)]
    assert (find_twin(ports, 0), find_twin(ports, 1)) == (None, 0)

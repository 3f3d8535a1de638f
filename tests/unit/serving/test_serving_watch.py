"""A channel followed under traffic: swaps, broken versions, rollbacks, canaries."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from keyword_student import make_keyword_student
from live_gateway import body, listening, post, run

from distill.engine.channels import Channels, Depot
from distill.errors import StoreError
from distill.serving.config import ServeConfig
from distill.serving.gateway import Gateway
from distill.serving.students import LoadedStudent
from distill.serving.watch import Watcher


class Loads:
    """A loader that counts, and fails for targets that are broken."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.broken = {"broken"}

    def __call__(self, directory: Path, version: str) -> LoadedStudent:
        self.counts[directory.name] += 1
        if directory.name in self.broken:
            raise StoreError("damaged")
        return make_keyword_student(version)


class Scene:
    """A channel at version 1, target `a`, with a gateway and its watcher; time stands unless moved."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.channels, self.loads, self.now = Channels(root), Loads(), 0.0
        self.move("a")
        entry = self.channels.read("production")
        assert entry is not None
        config = {"poll_s": 0.01, "keep_warm": False} | config
        self.gateway = Gateway(ServeConfig(**config), "production", make_keyword_student(seconds=0.005), None)
        depot = Depot(root, root)
        self.watcher = Watcher(self.gateway, self.channels, depot, root, entry, self.loads, lambda: self.now)

    def move(self, target: str, action: str = "promote", **metadata: Any) -> None:
        head = self.channels.state("production").head
        self.channels.move(
            "production", target, expected_version=head, who="ada", why="x", action=action, metadata=metadata  # type: ignore[arg-type]
        )  # fmt: skip

    def step(self) -> None:
        async def go() -> None:
            await self.watcher.step()

        run(go())


def test_a_swap_drops_no_request_and_a_broken_version_keeps_the_old_one_serving(tmp_path: Path) -> None:
    async def go() -> tuple[Counter[int], set[str], dict[str, Any]]:
        scene = Scene(tmp_path)
        responses: list[httpx.Response] = []
        async with listening(scene.gateway, background=[scene.watcher.run]) as client:
            responses += await asyncio.gather(*(post(client, body("refund")) for _ in range(5)))
            for target in ("b", "broken"):
                scene.move(target)
                for _ in range(10):
                    responses += await asyncio.gather(*(post(client, body("refund")) for _ in range(5)))
                    await asyncio.sleep(0.01)
            health = (await client.get("/healthz")).json()
            metrics = (await client.get("/metrics")).text
        assert "distill_swap_failed 1.0" in metrics
        return Counter(r.status_code for r in responses), {r.json()["model"] for r in responses}, health

    statuses, models, health = run(go())
    assert statuses == {200: 105}
    assert models == {"production@1", "production@2"}
    assert (health["version"], health["swap_error"]) == ("production@2", "StoreError: damaged")


def test_a_broken_version_is_tried_again_later_not_each_second(tmp_path: Path) -> None:
    scene = Scene(tmp_path, retry_load_s=30)
    scene.move("broken")
    for _ in range(5):
        scene.step()
    assert scene.loads.counts["broken"] == 1
    scene.loads.broken.clear()
    scene.now = 31
    scene.step()
    assert (scene.gateway.student.version, scene.gateway.swap_error) == ("production@2", None)


def test_a_rollback_to_the_previous_version_loads_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, keep_warm=True)
    scene.move("b")
    scene.step()
    scene.channels.rollback("production", who="ada", why="bad")
    scene.step()
    assert scene.gateway.student.version == "production@3"
    assert scene.loads.counts == {"b": 1}


def test_a_gateway_that_starts_loads_the_previous_version_too(tmp_path: Path) -> None:
    older = Channels(tmp_path)
    older.move("production", "old", expected_version=0, who="ada", why="x")
    scene = Scene(tmp_path, keep_warm=True)
    scene.step()
    assert scene.loads.counts == {"old": 1}
    cold = Scene(tmp_path, keep_warm=False)
    cold.step()
    assert cold.loads.counts == {}


def test_files_that_differ_from_the_promoted_ones_are_not_served(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "weights").write_text("tampered")
    scene.move("b", files={"weights": "0" * 64})
    scene.step()
    assert scene.gateway.student.version == "production@1"
    assert "files differ from what was promoted" in str(scene.gateway.swap_error)


def test_a_damaged_history_changes_nothing_and_is_said(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with (tmp_path / "channels" / "production.jsonl").open("a") as file:
        file.write("not a line\n")
    scene.step()
    assert (scene.gateway.student.version, "production.jsonl:2" in str(scene.gateway.swap_error)) == (
        "production@1",
        True,
    )


def versions_by_key(scene: Scene, keys: int) -> dict[str, str]:
    return {str(key): scene.gateway.arms.pick(str(key)).version for key in range(keys)}


def test_a_canary_gets_its_share_of_keys_and_each_key_keeps_its_side(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.move("b", "canary", canary={"share": 0.05})
    scene.step()
    first = versions_by_key(scene, 4000)
    assert first == versions_by_key(scene, 4000)
    share = sum(version == "production@2" for version in first.values()) / 4000
    assert 0.03 < share < 0.07


def test_another_canary_draws_other_keys(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    drawn: list[set[str]] = []
    for _ in range(2):
        scene.move("b", "canary", canary={"share": 0.2})
        scene.step()
        drawn.append({key for key, version in versions_by_key(scene, 1000).items() if version != "production@1"})
        scene.channels.rollback("production", who="ada", why="again")
        scene.step()
    assert len(drawn[0] & drawn[1]) < 100
    assert scene.gateway.arms.canary is None


def test_a_promoted_canary_takes_all_keys_without_a_load(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.move("b", "canary", canary={"share": 0.5})
    scene.step()
    scene.move("b", "promote")
    scene.step()
    assert set(versions_by_key(scene, 100).values()) == {"production@3"}
    assert scene.loads.counts == {"b": 1}


def test_a_broken_canary_is_said_and_gets_nothing(tmp_path: Path) -> None:
    for number, (target, share) in enumerate((("broken", 0.5), ("b", 7)), 1):
        scene = Scene(tmp_path / str(number))
        scene.move(target, "canary", canary={"share": share})
        scene.step()
        assert set(versions_by_key(scene, 50).values()) == {"production@1"}
        assert scene.gateway.canary_error is not None


def test_the_callers_key_decides_the_side(tmp_path: Path) -> None:
    async def go() -> tuple[set[str], set[str]]:
        scene = Scene(tmp_path)
        scene.move("b", "canary", canary={"share": 0.5})
        await scene.watcher.step()
        taken = [key for key in map(str, range(40)) if scene.gateway.arms.pick(key).side == "canary"]
        async with listening(scene.gateway) as client:
            by_header = [await post(client, body("refund"), **{"x-distill-key": taken[0]}) for _ in range(5)]
            by_user = [await post(client, body("refund", user=taken[1])) for _ in range(5)]
        return {r.json()["model"] for r in by_header}, {r.json()["model"] for r in by_user}

    assert run(go()) == ({"production@2"}, {"production@2"})


def test_where_the_canary_fails_the_version_that_serves_answers(tmp_path: Path) -> None:
    class Bad:
        def predict(self, prompts: Any) -> Any:
            raise ValueError("broken weights")

    async def go() -> httpx.Response:
        scene = Scene(tmp_path)
        kept = make_keyword_student()
        await scene.gateway.arms.start_canary(LoadedStudent("production@2", kept.task, Bad(), None), 0.999)
        async with listening(scene.gateway) as client:
            return await post(client, body("refund", user="a"))

    response = run(go())
    assert (response.status_code, response.json()["model"]) == (200, "production@1")
    assert response.headers["x-distill-version"] == "production@2"
    assert response.headers["x-distill-reason"] == "student_error,canary_replaced"

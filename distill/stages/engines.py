"""Where a chain runs: in this process, or on Ray. The tables that come out are the same bytes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from distill.filters import Heldout, RowEngine, judge_locally
from distill.similarity import LOCAL, Joiner
from distill.stages.ray_engine import RayJudge, open_ray
from distill.stages.ray_joiner import RayJoiner
from distill.tasks.config import TaskConfig


class Engine(NamedTuple):
    """Who judges shards row by row, and who compares texts with each other."""

    judge: RowEngine
    joiner: Joiner


@contextmanager
def open_engine(name: Literal["local", "ray"], task: TaskConfig, heldout: Heldout) -> Generator[Engine]:
    """Give the engine of that name for as long as it is needed.

    Raises:
        MissingExtraError: ray is asked for and not installed.
        UsageError: ray does not start, or cannot be reached.
    """
    if name == "local":
        yield Engine(judge_locally, LOCAL)
        return
    with open_ray() as ray:
        yield Engine(RayJudge(ray, task, ray.put(heldout)), RayJoiner(ray))

"""A stage is a named, versioned function `(config, context) -> Summary`; a plan is stages with configs and inputs.

The engine knows nothing of what stages do. Identity is only what a `Node` holds; how a run is run comes
through the `Context` and is never hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from distill.engine.fingerprint import Plain, canonicalise, fingerprint
from distill.errors import UsageError

KEY_SCHEME = 1
"""Part of every key; raised when the meaning of keys changes."""


class Progress(Protocol):
    """Where a stage says how far it is; called as often as it likes, shown by time."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage gets beside its config.

    `inputs[role]` are directories to read; `output_dir` is empty and becomes the artifact; `work_dir` survives
    a crash of this same key and is removed once the artifact is published; `state_dir` holds what outlives runs
    (journal, looks); `runtime` is the caller's own object.
    """

    key: str
    inputs: Mapping[str, Path]
    output_dir: Path
    work_dir: Path
    state_dir: Path
    runtime: object
    progress: Progress


@dataclass(frozen=True, slots=True)
class Summary:
    """What a stage tells the record: row counts, dollars spent now, and plain facts."""

    rows_in: int = 0
    rows_out: int = 0
    cost_usd: float | None = 0.0
    facts: Mapping[str, Plain] = field(default_factory=dict[str, Plain])


@dataclass(frozen=True, slots=True)
class Stage:
    """`run(config, context)` reads its inputs, writes under `context.output_dir`, and is pure apart from that."""

    name: str
    version: int
    run: Callable[[object, Context], Summary]


@dataclass(frozen=True, slots=True)
class Input:
    """An upstream stage's output, or one folder of it (the rest stays out of reach)."""

    stage: str
    folder: str = ""


@dataclass(frozen=True)
class Node:
    """One stage in a plan: its config, the versions of the parts it chose, and its inputs by role."""

    stage: Stage
    config: object
    parts: Mapping[str, str | int]
    inputs: Mapping[str, Input]

    @cached_property
    def plain_config(self) -> Plain:
        """The canonical form of the config, as it is hashed and recorded."""
        return canonicalise(self.config, "")


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which every input comes before its reader.

    Raises:
        UsageError: a stage is named twice or reads one that does not come before it.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            name = node.stage.name
            missing = sorted(item.stage for item in node.inputs.values() if item.stage not in seen)
            if name in seen or missing:
                raise UsageError(f"plan: stage {name!r} is named twice or reads {missing} too early")
            seen.add(name)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Stage name -> key; known before anything runs."""
        keys: dict[str, str] = {}
        for node in self.nodes:
            identity = {
                "scheme": KEY_SCHEME,
                "stage": node.stage.name,
                "version": node.stage.version,
                "config": node.plain_config,
                "parts": dict(node.parts),
                "upstream": {
                    role: {"key": keys[item.stage], "folder": item.folder} for role, item in node.inputs.items()
                },
            }
            keys[node.stage.name] = fingerprint(identity)
        return keys

    def node(self, name: str) -> Node:
        """Return the node of a stage.

        Raises:
            UsageError: there is no such stage.
        """
        for node in self.nodes:
            if node.stage.name == name:
                return node
        known = ", ".join(node.stage.name for node in self.nodes)
        raise UsageError(f"unknown stage {name!r}; stages are: {known}")

    def until(self, name: str | None) -> Plan:
        """Return the plan up to and including a stage (None: all of it)."""
        if name is None:
            return self
        names = [node.stage.name for node in self.nodes]
        self.node(name)
        return Plan(self.nodes[: names.index(name) + 1])

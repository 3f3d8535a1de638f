"""What channels really cost: each version's request log, put beside the run that the version came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from distill.app.logbook import open_log, start_of
from distill.app.recost import make_scenario
from distill.app.runs import Run, find_run
from distill.config.overrides import read_value
from distill.config.tree import Tree
from distill.costs import CostsConfig
from distill.costs.live import LiveCosts, LiveTally, RunFigures, build_live_costs
from distill.engine.channels import Channels
from distill.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from distill.monitoring.health import Health

PAGE_ROWS = 20_000


def read_live_costs(
    channel: str,
    *,
    state_dir: Path,
    runs_dir: Path,
    place: Path | str | None = None,
    days: float | None = None,
    version: str | None = None,
    changes: Mapping[str, object] | None = None,
) -> list[LiveCosts]:
    """Return the live costs of each version that a channel's log holds, in the order of their first request.

    Args:
        channel: the channel.
        state_dir: where the request log is.
        runs_dir: where the runs behind the versions are.
        place: where channels are; default: the state directory.
        days: only requests of the last so many days.
        version: only this one (`channel@version`).
        changes: paths in the `costs` section to other values.

    Raises:
        UsageError: there is no log, or nothing of the channel is in it.
        ConfigError: a path or a value of `changes` is wrong.
        StoreError: the channel's history is damaged.
    """
    tallies = _tally(channel, state_dir, start_of(days), version)
    if not tallies:
        raise UsageError(f"no request of {version or channel!r} is in {state_dir / 'requests.db'}")
    history = {entry.label: entry for entry in Channels(state_dir if place is None else place).history(channel)}
    found: list[LiveCosts] = []
    for label, tally in tallies.items():
        run = find_run(history[label].metadata if label in history else {}, runs_dir)
        figures = read_figures(run, changes or {})
        found.append(build_live_costs(label, None if run is None else run.id, tally, figures))
    return found


def read_run_live_costs(
    run: Run,
    *,
    place: Path | str | None = None,
    days: float | None = None,
    changes: Mapping[str, object] | None = None,
) -> list[LiveCosts]:
    """Return the live costs of every version, of any channel, whose student is this run's and which was asked.

    Raises:
        UsageError: there is no request log, or nothing of the run was ever served from it.
        ConfigError: a path or a value of `changes` is wrong.
        StoreError: a channel's history is damaged.
    """
    channels = Channels(run.state_dir if place is None else place)
    labels = [
        (name, entry.label)
        for name in channels.names()
        for entry in channels.history(name)
        if entry.metadata.get("run") == run.id
    ]
    since = start_of(days)
    found = [pair for name, label in labels for pair in _tally(name, run.state_dir, since, label).items()]
    if not found:
        raise UsageError(f"no request to a student of run {run.id} is in {run.state_dir / 'requests.db'}")
    figures = read_figures(run, changes or {})
    return [build_live_costs(version, run.id, tally, figures) for version, tally in found]


def price_health(health: Health, *, state_dir: Path, runs_dir: Path, place: Path | str | None = None) -> LiveCosts:
    """Return the live costs of the version that a monitor has just judged.

    Raises:
        StoreError: the channel's history is damaged.
    """
    history = Channels(state_dir if place is None else place).history(health.channel)
    metadata = next((entry.metadata for entry in history if entry.label == health.version), {})
    run = find_run(metadata, runs_dir)
    return build_live_costs(health.version, None if run is None else run.id, health.spend, read_figures(run, {}))


def read_figures(run: Run | None, changes: Mapping[str, object]) -> RunFigures:
    """Return what a run says of costs; without a run, or before its report, it is unknown.

    Raises:
        ConfigError: a path or a value of `changes` is wrong.
    """
    if run is None:
        return RunFigures(make_scenario({}, changes) if changes else CostsConfig())
    config = make_scenario(cast("Mapping[str, Any]", run.facts["config"]).get("costs") or {}, changes)
    path = run.directory / "costs.json"
    costs = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    return RunFigures(
        config,
        (costs.get("one_off") or {}).get("total_usd"),
        (costs.get("student") or {}).get("throughput_per_s"),
        (costs.get("teacher") or {}).get("per_1k_usd"),
    )


def read_changes(flags: Sequence[str]) -> dict[str, object]:
    """Read `costs.path=value` flags; a value is read as in any other `--set`.

    Raises:
        UsageError: a flag has no value.
        ConfigError: a value cannot be read.
    """
    changes, tree = dict[str, object](), Tree()
    for flag in flags:
        path, equals, text = flag.partition("=")
        if not equals:
            raise UsageError(f"--set {flag}: expected costs.PATH=VALUE")
        name = path.strip()
        changes[name] = read_value(tree, text, f"--set {name}", tuple(name.split(".")))
    if tree.problems:
        raise ConfigError(tree.problems)
    return changes


def _tally(channel: str, state_dir: Path, since: float, version: str | None) -> dict[str, LiveTally]:
    log = open_log(state_dir)
    tallies: dict[str, LiveTally] = {}
    try:
        after = 0
        while page := log.requests(channel, since, after, version, PAGE_ROWS):
            for row in page:
                tallies.setdefault(row.version, LiveTally()).add_request(row)
            after = page[-1].number
        after = 0
        while audits := log.audits(channel, since, after, version, PAGE_ROWS):
            for audit in audits:
                tallies.setdefault(audit.version, LiveTally()).add_audit(audit)
            after = audits[-1].number
    finally:
        log.close()
    return {label: tally for label, tally in tallies.items() if tally.requests}

"""One config, several values: a run per combination, every shared stage once, one comparison at the end.

Each combination is a run like any other, with its own key per stage: sharing needs no code here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from distill.app.composition import compose
from distill.app.execute import Outcome, execute
from distill.app.reporting import write_comparison
from distill.app.runs import Run, list_runs
from distill.config import LoadedConfig
from distill.engine.fingerprint import fingerprint
from distill.engine.runner import Listener, StageResult
from distill.engine.store import Store
from distill.errors import BudgetExceededError, DistillError, InterruptedRunError, UsageError

MAX_POINTS = 1000
_OPENING, _CLOSING = "[{(", "]})"
Point = tuple[str, ...]
"""The overrides of one combination, each `path=value`."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PointResult:
    """What became of one combination: its run, or the error that ended it."""

    point: Point
    outcome: Outcome | None
    error: DistillError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the point as `sweep --json` prints it."""
        run = None if self.outcome is None else self.outcome.run
        return {
            "set": list(self.point),
            "run": None if run is None else run.id,
            "directory": None if run is None else str(run.directory),
            "verdict": None if self.outcome is None else self.outcome.verdict,
            "validation": None if run is None else read_validation_loss(run),
            "stages": {} if self.outcome is None else {line.stage: line.status for line in self.outcome.results},
            "error": None if self.error is None else str(self.error),
        }


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points in order, and the comparison of those that ended in a verdict."""

    points: tuple[PointResult, ...]
    comparison: Path | None

    @property
    def exit_code(self) -> int:
        """0 when some point may be promoted; else the code of the first error, else of the best verdict."""
        codes = [point.outcome.exit_code for point in self.points if point.outcome is not None]
        errors = [point.error.exit_code for point in self.points if point.error is not None]
        if 0 in codes:
            return 0
        return (errors or sorted(codes, key=(4, 3, 7).index) or [0])[0]


def spread(flags: Sequence[str]) -> list[Point]:
    """Return every combination of the values in `path=v1,v2,...` flags, the last one changing fastest.

    Raises:
        UsageError: a flag has no value, two name one path, or there are too many combinations.
    """
    axes = [_read_axis(flag) for flag in flags]
    paths = [axis[0].partition("=")[0] for axis in axes]
    twice = [path for index, path in enumerate(paths) if path in paths[:index]]
    if twice:
        raise UsageError(f"--set {twice[0]} is given twice; write its values in one: --set {twice[0]}=a,b")
    points = list(itertools.islice(itertools.product(*axes), MAX_POINTS + 1))
    if len(points) > MAX_POINTS:
        raise UsageError(f"the values make more than {MAX_POINTS} combinations; sweep in several parts")
    return points


def list_varied(points: Sequence[Point]) -> list[Point]:
    """Return each point without the overrides that all of them share: what tells it from the others."""
    shared = set(points[0]).intersection(*points[1:]) if len(points) > 1 else set[str]()
    return [tuple(override for override in point if override not in shared) for point in points]


def read_validation_loss(run: Run) -> dict[str, float | None] | None:
    """Return the lowest validation loss of a run's training: per token (as weighed in training) and per row.

    Only the loss per row can be compared between tokenizers: smaller tokens are each easier to guess. None where the
    run has not trained, or its training had no validation rows.
    """
    path = run.artifact("train") / "training.json" if "train" in run.keys else None
    if path is None or not path.is_file():
        return None
    training = json.loads(path.read_text(encoding="utf-8"))
    best = training["best_validation_loss"]
    if best is None:
        return None
    per_row = [entry.get("eval_loss_per_row") for entry in training["history"] if entry.get("eval_loss") == best]
    return {"loss": best, "loss_per_row": per_row[0] if per_row else None}


def choose(points: Sequence[T], only: int | None) -> list[T]:
    """Return all points, or the one with that number (from 0), as an array job takes them.

    Raises:
        UsageError: there is no such number.
    """
    if only is None:
        return list(points)
    if not 0 <= only < len(points):
        raise UsageError(f"--only {only}: there are {len(points)} combinations, numbered from 0")
    return [points[only]]


def run_sweep(
    points: Sequence[Point],
    only: int | None,
    load: Callable[[Point], LoadedConfig],
    listener: Listener,
    tell: Callable[[int], None],
    *,
    until: str | None,
    budget_usd: float | None,
    output: Path | None,
) -> Sweep:
    """Run every point (or `only` one) and compare those that reached a verdict. All configs are checked first.

    A point that fails is recorded and the next one runs; a budget (of the whole sweep) or an interrupt ends it all.

    Raises:
        ConfigError: a combination is no valid config.
        UsageError: there is no combination of that number.
        BudgetExceededError: the sweep's budget is spent; what was bought is kept.
        InterruptedRunError: Ctrl-C or SIGTERM; finished stages are kept.
    """
    everything = [load(point) for point in points]
    purse = "" if budget_usd is None else _name_purse(everything)
    points, loaded = choose(points, only), choose(everything, only)
    results: list[PointResult] = []
    for index, (point, config) in enumerate(zip(points, loaded, strict=True)):
        tell(index)
        results.append(_run_point(point, config, listener, until, budget_usd, purse))
    judged = [result.outcome.run for result in results if result.outcome is not None and result.outcome.verdict]
    if len(judged) < 2:
        return Sweep(tuple(results), None)
    page = output or loaded[0].runtime.runs_dir / loaded[0].pipeline.name / "sweep.html"
    return Sweep(tuple(results), write_comparison(judged, page))


def _run_point(
    point: Point, config: LoadedConfig, listener: Listener, until: str | None, budget_usd: float | None, purse: str
) -> PointResult:
    try:
        composition = compose(config, budget_usd, purse)
        plan = composition.plan.until(until)
        same = _find_same(composition.runtime.runs_dir, config.pipeline.name, plan.keys)
        store = Store(composition.runtime.state_dir)
        if same is not None and all(store.is_whole(stage, key) for stage, key in plan.keys.items()):
            results = tuple(StageResult(stage, key, "cached", 0.0, 0, 0, 0.0) for stage, key in plan.keys.items())
            return PointResult(point, Outcome(same, results, same.facts["verdict"]))  # type: ignore[arg-type]
        return PointResult(point, execute(composition, listener, until=until))
    except (BudgetExceededError, InterruptedRunError):
        raise
    except DistillError as error:
        return PointResult(point, None, error)


def _find_same(runs_dir: Path, name: str, keys: dict[str, str]) -> Run | None:
    """Return the newest run with these keys: a sweep that is repeated leaves no second copy of its runs."""
    same = [run for run in list_runs(runs_dir) if run.facts["name"] == name and run.keys == keys]
    return same[-1] if same else None


def _name_purse(points: Sequence[LoadedConfig]) -> str:
    """Name what the sweep's budget is the budget of: the same for its repetition, and for each task of an array job."""
    asked = sorted({compose(point).plan.keys["generate"] for point in points})
    return fingerprint({"sweep": asked})


def _read_axis(flag: str) -> list[str]:
    path, equals, text = flag.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set {flag}: expected PATH=VALUE[,VALUE...], for example student.lora.rank=8,16,32")
    values = [value.strip() for value in _split(text)]
    if "" in values and len(values) > 1:
        raise UsageError(f"--set {flag}: a value is empty")
    return [f"{path.strip()}={value}" for value in dict.fromkeys(values)]


def _split(text: str) -> Iterator[str]:
    """Split at commas outside brackets and quotes: `[a, b],[c]` are two values."""
    depth, quote, part = 0, "", ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _OPENING or sign in _CLOSING:
            depth += 1 if sign in _OPENING else -1
        if sign == "," and depth <= 0 and not quote:
            yield part
            part = ""
        else:
            part += sign
    yield part

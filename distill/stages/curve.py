"""Curve: what more data would bring. Nested parts of the kept rows, one recipe, measured on validation rows.

Held-out rows are out of reach, so no look is spent; the measured rows choose nothing either (no checkpoint, no early
stop). A forecast is for planning: nothing is ever gated on it.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table
from distill.engine.stage import Context, Stage, Summary
from distill.errors import DataError
from distill.records.amounts import add_usd
from distill.records.training import TrainingRow
from distill.stages.lessons import read_lessons
from distill.stages.surroundings import surroundings_of
from distill.stages.validation import read_validation
from distill.students import get_student
from distill.students.config import StudentConfig
from distill.students.protocol import Lessons
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

if TYPE_CHECKING:
    from distill.statistics.learning_curve import Forecast

FILE = "curve.json"


@dataclass(frozen=True, slots=True)
class CurveConfig:
    """Which parts are taught. `more_rows` None: as many again as there are."""

    task: TaskConfig
    student: StudentConfig
    fractions: tuple[float, ...]
    more_rows: int | None = None


def run_curve(config: object, context: Context) -> Summary:
    """Teach each part, measure it, fit and forecast; write curve.json. Parts already measured survive a crash.

    Raises:
        DataError: there is no row to teach or no validation row to measure on.
    """
    config = cast("CurveConfig", config)
    lessons = order_nested(
        read_lessons(config.task, context, keep_logprobs=config.student.reads_logprobs), config.student.seed
    )
    if not lessons:
        raise DataError("the filters kept no row to train on; see: distill inspect RUN filter")
    sizes = {max(1, round(fraction * len(lessons))): fraction for fraction in sorted(config.fractions)}
    points: list[dict[str, Any]] = []
    for done, (rows, fraction) in enumerate(sizes.items()):
        context.progress(done, len(sizes), f"{rows} rows")
        points.append({"fraction": fraction} | measure(lessons[:rows], config, context))
    body = describe_curve(points, config.more_rows or len(lessons), cost_per_row_usd(len(lessons), context))
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
    (context.output_dir / FILE).write_text(text + "\n", encoding="utf-8")
    facts: dict[str, Plain] = {"reason": str(body["reason"])}
    return Summary(rows_in=len(lessons), rows_out=len(points), facts=facts)


def order_nested(lessons: Sequence[TrainingRow], seed: int) -> list[TrainingRow]:
    """Return lessons in an order that only ids and the seed decide: every part is the beginning of each larger one."""
    return sorted(lessons, key=lambda row: (hashlib.sha256(f"{seed}:{row.id}".encode()).hexdigest(), row.target))


def measure(lessons: Sequence[TrainingRow], config: CurveConfig, context: Context) -> dict[str, Any]:
    """Teach one part and measure it on the validation rows; a result in the work directory is taken as it is.

    Raises:
        DataError: no validation row has a reference.
    """
    from distill.statistics.proportions import wilson_interval  # noqa: PLC0415 scipy, which an idle run must not wait for

    path = context.work_dir / f"{len(lessons)}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    task = make_task(config.task)
    rows = read_validation(context.inputs["split"], context.inputs["kept"], config.task, task)
    prompts, expected = [row.prompt for row in rows], {row.prompt.id: row.expected for row in rows}
    if not prompts:
        raise DataError("a curve is measured on validation rows and there is none; raise data.validation.fraction")
    student, runtime = get_student(config.student.kind), surroundings_of(context).runtime
    folder = context.work_dir / f"student-{len(lessons)}"
    shutil.rmtree(folder, ignore_errors=True)
    work = context.work_dir / f"work-{len(lessons)}"
    student.train(Lessons(lessons, ()), config.task, config.student, runtime, folder, work)
    right = 0
    for answer in student.load(folder, runtime).predict(prompts):
        parsed = task.parse(answer.text) if answer.error_kind is None else None
        right += bool(parsed and parsed.error_kind is None and task.score(parsed.value, expected[answer.id]) >= 1.0)
    interval = wilson_interval(right, len(prompts))
    point = {
        "rows": len(lessons),
        "accuracy": right / len(prompts),
        "low": interval.low,
        "high": interval.high,
        "n": len(prompts),
    }
    _write_atomically(path, json.dumps(point))
    for used in (folder, work):
        shutil.rmtree(used, ignore_errors=True)
    return point


def cost_per_row_usd(rows: int, context: Context) -> float | None:
    """Return what the teacher cost per row that can be taught (drops included); None where a price is unknown."""
    costs = read_table(context.inputs["generate"] / "completions.parquet", ["cost_usd"]).column("cost_usd").to_pylist()
    total = add_usd(cast("list[float | None]", costs))
    return None if total is None else total / rows


def describe_curve(points: Sequence[dict[str, Any]], more_rows: int, usd_per_row: float | None) -> dict[str, Any]:
    """Return curve.json's object: points, fit, forecast and what it says; or no forecast and the reason."""
    from distill.statistics.learning_curve import forecast_accuracy  # noqa: PLC0415 scipy, as above

    sizes, values = [p["rows"] for p in points], [p["accuracy"] for p in points]
    found = forecast_accuracy(sizes, values, sizes[-1] + more_rows, points[-1]["n"])
    fit = None if found.fit is None else found.fit._asdict()
    ahead = _look_ahead(found, points[-1], more_rows, usd_per_row)
    said = found.reason if ahead is None else _say(ahead)
    return {"metric": "accuracy", "points": list(points), "fit": fit, "forecast": ahead, "reason": said}


def _look_ahead(
    found: Forecast, last: dict[str, Any], more_rows: int, usd_per_row: float | None
) -> dict[str, Any] | None:
    if found.value is None or found.interval is None or found.fit is None:
        return None
    if not all(map(math.isfinite, (found.value, *found.interval))):
        return None
    return {
        "rows": last["rows"] + more_rows,
        "more_rows": more_rows,
        "usd": None if usd_per_row is None else usd_per_row * more_rows,
        "accuracy": found.value,
        "low": found.interval.low,
        "high": found.interval.high,
        "gain": found.value - last["accuracy"],
        "gain_low": found.interval.low - last["accuracy"],
        "gain_high": found.interval.high - last["accuracy"],
        "ceiling": found.fit.a,
    }


def _say(ahead: dict[str, Any]) -> str:
    price = "price unknown" if ahead["usd"] is None else f"USD {ahead['usd']:.2f}"
    low, high = 100 * ahead["gain_low"], 100 * ahead["gain_high"]
    return (
        f"+{ahead['more_rows']:,} rows ({price}) -> {100 * ahead['gain']:+.1f} points [{low:.1f}, {high:.1f}]; "
        f"ceiling {ahead['ceiling']:.0%}"
    )


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


CURVE = Stage("curve", 2, run_curve)

"""Whether the student as it is served is the one that was trained: what train measured of its forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from distill.app.runs import Run
from distill.students.protocol import PARITY_FILE


def find_disparity(run: Run) -> str | None:
    """Return why a form of the run's student is not the trained one, or None where all are."""
    path = run.artifact("evaluate") / "student" / PARITY_FILE
    if not path.is_file():
        return f"its student has no parity evidence ({PARITY_FILE}); train it again"
    parity = cast("Mapping[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    required = float(parity["required_agreement"])
    for form in cast("Sequence[Mapping[str, Any]]", parity["forms"]):
        if not float(form["agreement"]) >= required:
            return (
                f"the {form['form']} student chooses as the trained one did at {float(form['agreement']):.2%} of "
                f"{form['tokens']} positions; {required:.1%} are required (see student/{PARITY_FILE})"
            )
    return None

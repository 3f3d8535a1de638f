"""The student as it would be served: the trained files, with the threshold that the evaluation used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from distill.engine.stage import Context
from distill.engine.store import list_files
from distill.records.json import Json
from distill.stages.train import STUDENT_DIR

REWRITTEN = {"distill.json", "README.md"}
LEFT_OUT = {"probe.safetensors"}
"""The parity check's prompts: training text, which does not travel with a student."""


def package_student(context: Context, thresholds: Mapping[str, Json], card: str) -> None:
    """Write student/: hard links to the trained files (copies where links cannot be made), own manifest and card.

    Raises:
        StoreError: the trained student is damaged.
    """
    from distill.students.manifest import record_thresholds  # noqa: PLC0415 beside torch, loaded by now

    source, target = context.inputs["train"] / STUDENT_DIR, context.output_dir / STUDENT_DIR
    for path in list_files(source):
        if path.name in LEFT_OUT:
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name in REWRITTEN:
            shutil.copyfile(path, place)
            continue
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
    if thresholds:
        record_thresholds(target, thresholds)
    (target / "README.md").write_text(card, encoding="utf-8")

"""The student's model card (README.md): the hub's metadata block, then what it is, from whom, and how good.

Written from what the run knows; what is unknown is left out, never guessed. The gate's word is not here: a card
travels with the files, a verdict belongs to a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distill.metrics import METRICS
from distill.records.prediction import Prediction
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig
from distill.teachers.config import TeacherConfig

if TYPE_CHECKING:
    from distill.metrics.threshold import ThresholdChoice

SHOWN = ("accuracy", "macro_f1", "failure_rate")
PIPELINE_TAGS = {"classifier": "text-classification", "causal_lm": "text-generation", "seq2seq": "text2text-generation"}


def write_card(
    student: StudentConfig,
    task: TaskConfig,
    teacher: TeacherConfig,
    predictions: Sequence[Prediction],
    facts: Mapping[str, Any],
    choice: ThresholdChoice | None,
) -> str:
    """Return the card as Markdown with a YAML head.

    Args:
        student: what was taught.
        task: what is asked.
        teacher: who answered, with the terms as stated.
        predictions: all systems on the sealed held-out set.
        facts: rows, digests and keys to name.
        choice: the fallback threshold, where there is one.
    """
    rows = [_score_row(system, predictions) for system in ("student", "cascade", "teacher")]
    base = student.base if isinstance(student.base, str) else "a small random model"
    lines = [
        "---",
        *_metadata(student),
        "---",
        "",
        f"# A student of {teacher.model}",
        "",
        f"Taught by distill from the answers of `{teacher.model}`. Base: `{base}`"
        + (f" at revision `{student.revision}`." if student.revision else "."),
        f"Answers: {task.output}" + (f", one of {len(task.labels)} labels." if task.labels else "."),
        "",
        f"## On the sealed held-out set ({facts['heldout_rows']} rows, sha256 `{facts['heldout_digest'][:16]}…`)",
        "",
        f"| system | {' | '.join(SHOWN)} |",
        "|---|" + "---|" * len(SHOWN),
        *[row for row in rows if row],
        "",
        "Intervals are 95%. `cascade` is the student where it is sure, the teacher elsewhere.",
        "",
        "## Use",
        "",
        *_describe_threshold(choice),
        "",
        "## Where it comes from",
        "",
        f"- terms of the teacher on training with its outputs: {teacher.terms.training_on_outputs}"
        + (f" ({teacher.terms.source})" if teacher.terms.source else ""),
        *[f"- {name}: `{value}`" for name, value in sorted(facts.items()) if name.endswith("_key")],
    ]
    return "\n".join(lines) + "\n"


def _metadata(student: StudentConfig) -> list[str]:
    lines = ["library_name: peft" if student.lora else "library_name: transformers"]
    lines.append(f"pipeline_tag: {PIPELINE_TAGS[student.kind]}")
    if isinstance(student.base, str):
        lines.append(f"base_model: {json.dumps(student.base)}")
    return [*lines, "tags: [distillation, distill]"]


def _score_row(system: str, predictions: Sequence[Prediction]) -> str:
    own = [prediction for prediction in predictions if prediction.system == system]
    if not own:
        return ""
    cells: list[str] = []
    for name in SHOWN:
        score = METRICS[name].aggregate(own)
        known = score.value is not None and score.low is not None and score.high is not None
        cells.append(f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]" if known else "unknown")
    return f"| {system} | {' | '.join(cells)} |"


def _describe_threshold(choice: ThresholdChoice | None) -> list[str]:
    if choice is None:
        return ["The student answers everything; there is no fallback threshold."]
    if choice.threshold is None:
        return [f"No threshold: the teacher answers everything ({choice.reason})."]
    word = "certified" if choice.certified else "not certified"
    return [
        f"Let the student answer from confidence {choice.threshold:.4g}, the teacher below it "
        f"({word}: {choice.reason})."
    ]

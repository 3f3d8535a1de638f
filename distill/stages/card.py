"""The student's model card (README.md): the hub's metadata block, then what it is, from whom, and how good.

Written from what the run knows; what is unknown is left out, never guessed. The gate's word is not here: a card
travels with the files, a verdict belongs to a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distill.metrics import METRICS
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.stages.card_facts import CardFacts
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig
from distill.teachers import TeacherConfig, name_teachers

if TYPE_CHECKING:
    from distill.metrics.threshold import ThresholdChoice

SHOWN = ("accuracy", "macro_f1", "failure_rate")
_TEACHER = "teacher `"
SYSTEMS = ("student", "cascade", "teacher")
PIPELINE_TAGS = {"classifier": "text-classification", "causal_lm": "text-generation", "seq2seq": "text2text-generation"}
Scores = Mapping[str, Mapping[str, Score]]
"""System -> metric -> score; a metric that is unknown for a system is left out."""


def write_card(
    student: StudentConfig,
    task: TaskConfig,
    teachers: Sequence[TeacherConfig],
    scores: Scores,
    facts: CardFacts,
    choice: ThresholdChoice | None,
) -> str:
    """Return the card as Markdown with a YAML head.

    Args:
        student: what was taught.
        task: what is asked.
        teachers: who answered, with the terms as stated; the first is the one compared with.
        scores: all systems on the sealed held-out set.
        facts: rows, filters, base and weights.
        choice: the fallback threshold, where there is one.
    """
    names = name_teachers(teachers)
    answered = " and ".join(f"`{name}`" for name in names)
    sections = [
        f"---\n{write_metadata(student, scores.get('student', {}), facts)}\n---",
        f"# A student of {' and '.join(names)}",
        f"Taught by distill from the answers of {answered}.\n"
        f"Answers: {task.output}" + (f", one of {len(task.labels)} labels." if task.labels else "."),
        f"## On the sealed held-out set ({facts.heldout_rows} rows, sha256 `{facts.heldout_digest[:16]}…`)",
        _table(["system", *_columns(scores)], _score_rows(scores)),
        "Intervals are 95%. `cascade` is the student where it is sure, the teacher elsewhere."
        + (f" `teacher` is {names[0]}." if len(names) > 1 else ""),
        "## Use",
        _describe_threshold(choice),
        "## Training data",
        _describe_data(facts),
        "## Where it comes from",
        _list(_describe_origin(teachers, facts)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def restate_terms(card: str, teachers: Sequence[TeacherConfig]) -> str:
    """Return a card with the teachers' terms as they are stated now.

    Terms decide no answer, so an evaluation stays cached, with its card, when they are stated otherwise.
    """
    lines = card.split("\n")
    places = [place for place, line in enumerate(lines) if line.startswith(f"- {_TEACHER}")]
    if not places:
        return card
    now = [f"- {line}" for line in _state_terms(teachers)]
    return "\n".join([*lines[: places[0]], *now, *lines[places[-1] + 1 :]])


def write_metadata(student: StudentConfig, own: Mapping[str, Score], facts: CardFacts) -> str:
    """Return the YAML head in the hub's terms; the student's scores are its model-index."""
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415 the train extra, loaded by now

    task_type = PIPELINE_TAGS[student.kind]
    results = [
        EvalResult(
            task_type=task_type,
            dataset_type="distill-heldout",
            dataset_name=f"sealed held-out set ({facts.heldout_rows} rows)",
            dataset_split="heldout",
            dataset_args={"sha256": facts.heldout_digest},
            metric_type=metric,
            metric_name=f"{metric}, 95% interval [{score.low:.4f}, {score.high:.4f}], n={score.n}",
            metric_value=round(score.value or 0.0, 6),
        )
        for metric, score in own.items()
    ]
    data = ModelCardData(
        base_model=student.base if isinstance(student.base, str) else None,
        library_name="peft" if student.lora else "transformers",
        pipeline_tag=task_type,
        tags=["distillation", "distill"],
        model_name=f"student-{facts.keys['train'][:12]}",
        eval_results=results or None,
    )
    return data.to_yaml()


def score_systems(predictions: Sequence[Prediction], metrics: Sequence[str]) -> Scores:
    """Score each system of `SYSTEMS` that answered, by the card's metrics and those that were asked for."""
    found: dict[str, dict[str, Score]] = {}
    for system in SYSTEMS:
        own = [prediction for prediction in predictions if prediction.system == system]
        scores = {name: METRICS[name].aggregate(own) for name in dict.fromkeys((*SHOWN, *metrics)) if own}
        known = {name: score for name, score in scores.items() if _is_known(score)}
        if known:
            found[system] = known
    return found


def _is_known(score: Score) -> bool:
    return score.value is not None and score.low is not None and score.high is not None


def _columns(scores: Scores) -> list[str]:
    return list(dict.fromkeys(metric for own in scores.values() for metric in own))


def _score_rows(scores: Scores) -> list[list[str]]:
    def cell(score: Score | None) -> str:
        return "unknown" if score is None else f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"

    return [[system, *(cell(own.get(metric)) for metric in _columns(scores))] for system, own in scores.items()]


def _describe_threshold(choice: ThresholdChoice | None) -> str:
    if choice is None:
        return "The student answers everything; there is no fallback threshold."
    if choice.threshold is None:
        return f"No threshold: the teacher answers everything ({choice.reason})."
    word = "certified" if choice.certified else "not certified"
    above = f"Let the student answer from confidence {choice.threshold:.4g}, the teacher below it"
    return f"{above} ({word}: {choice.reason})."


def _describe_data(facts: CardFacts) -> str:
    training, audit = facts.training, facts.audit
    rows = f"{training['rows_trained']} rows were trained on, {training['validation_rows']} chose the checkpoint"
    dropped = ", ".join(f"{len(ids)} {reason}" for reason, ids in sorted(training["rows_dropped"].items()))
    lost = [f"left out in training: {dropped}"] if dropped else []
    if training["rows_truncated"]:
        lost.append(f"cut to length: {len(training['rows_truncated'])}")
    if audit.get("leaks_removed_from_train"):
        lost.append(f"taken out as near the held-out rows: {audit['leaks_removed_from_train']}")
    steps = [[s["filter"], str(s["rows_in"]), str(s["rows_out"]), _count_reasons(s["reasons"])] for s in facts.funnel]
    text = "; ".join([rows, *lost]) + "."
    return text + ("\n\n" + _table(["filter", "rows in", "rows out", "dropped for"], steps) if steps else "")


def _count_reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "nothing"


def _describe_origin(teachers: Sequence[TeacherConfig], facts: CardFacts) -> list[str]:
    base = facts.base
    built = base["name"] == "tiny"
    named = "a small model with random weights, built for this" if built else f"`{base['name']}`"
    at = f" at revision `{base['revision']}`" if base.get("revision") else ""
    lines = [f"base: {named}{at}" + (f", licence {base['licence']}" if base.get("licence") else "")]
    lines += [f"base file `{name}`: sha256 `{digest}`" for name, digest in sorted(base["hashes"].items())]
    lines += [f"weights `{name}`: sha256 `{digest}`" for name, digest in facts.weights.items()]
    return lines + _state_terms(teachers) + [f"{stage} artifact: `{key}`" for stage, key in sorted(facts.keys.items())]


def _state_terms(teachers: Sequence[TeacherConfig]) -> list[str]:
    lines: list[str] = []
    for name, teacher in zip(name_teachers(teachers), teachers, strict=True):
        source = f" ({teacher.terms.source})" if teacher.terms.source else ""
        stated = teacher.terms.training_on_outputs
        lines.append(f"{_TEACHER}{name}`: training with its outputs is stated as {stated}{source}")
    return lines


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

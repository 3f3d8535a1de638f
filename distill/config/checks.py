"""What no single section can know: sections that contradict each other, templates, names of metrics and filters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path as FilePath

from pydantic import BaseModel

from distill.config.tree import Path, Tree, show_path
from distill.config.wording import suggest
from distill.errors import Problem
from distill.gates.config import GateConfig, RuleConfig
from distill.metrics import GATE_METRICS, METRICS, NEEDS_TEXT_EXTRA
from distill.metrics.config import EvaluateConfig
from distill.records.runtime import RuntimeConfig
from distill.sources.config import DataConfig
from distill.students import STUDENTS
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import TASK_VARIABLES, check_templates, template_columns
from distill.teachers.config import TeacherConfig
from distill.teachers.roster import find_twin

BASELINES = ("majority", "linear_probe", "base", "few_shot")
_DATED = re.compile(r"20\d\d-?\d\d-?\d\d|-\d{4}$")
Found = Iterator[tuple[Path, str]]


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections that are valid by themselves; None for those that are not."""

    task: TaskConfig | None = None
    data: DataConfig | None = None
    teachers: dict[Path, TeacherConfig] = field(default_factory=dict[Path, TeacherConfig])
    """By their place in the file: `teacher`, or `teachers[0]` and so on."""
    student: StudentConfig | None = None
    evaluate: EvaluateConfig | None = None
    gate: GateConfig | None = None

    @classmethod
    def of(cls, sections: Mapping[str, BaseModel], teachers: dict[Path, TeacherConfig]) -> Sections:
        """Put the valid sections in their places; those that nothing here is checked of are left out."""
        known = {name: section for name, section in sections.items() if name in cls.__dataclass_fields__}
        return cls(teachers=teachers, **known)  # type: ignore[arg-type]


def check_sections(parts: Sections, tree: Tree) -> list[Problem]:
    """Return every contradiction between (and inside) the sections that are valid by themselves."""
    found = [*_check_panel(parts.teachers, tree), *_contradictions(parts)]
    problems = [Problem(tree.where(path), show_path(path), message) for path, message in found]
    if parts.task is not None:
        problems += _template_problems(parts.task, tree)
    return problems


def find_warnings(parts: Sections, tree: Tree, base_dir: FilePath) -> list[Problem]:
    """Return what is allowed but surprises: a base, dataset or teacher that may change; a gate that cannot promote."""
    found: list[tuple[Path, str]] = []
    student, data = parts.student, parts.data
    base = student.base if student is not None and student.revision is None else None
    if isinstance(base, str) and not (base_dir / base).exists():
        found.append((("student", "base"), "a hub model without `revision` may change under you; pin its commit"))
    if data is not None:
        for path, source in ((("data", "source"), data.source), (("data", "heldout", "source"), data.heldout.source)):
            if source is not None and source.startswith("hf:") and "@" not in source:
                found.append((path, "a hub dataset without @revision may change under you; pin its commit"))
    for path, teacher in parts.teachers.items():
        if teacher.provider == "openai" and teacher.base_url is None and not _DATED.search(teacher.model):
            message = "names no dated snapshot: the provider may point it at another model between two answers"
            found.append(((*path, "model"), message))
    if parts.gate is not None and not any("block" in (r.policy, r.slice_policy) for r in parts.gate.rules):
        found.append((("gate", "rules"), "no rule blocks, so the verdict can only be inconclusive or invalid"))
    return [Problem(tree.where(path), show_path(path), message) for path, message in found]


def find_missing_engine(runtime: RuntimeConfig, tree: Tree) -> list[Problem]:
    """Return that the engine is not installed: filters come after the teacher is paid, which is late to hear of it."""
    if runtime.engine != "ray" or find_spec("ray") is not None:
        return []
    path: Path = ("runtime", "engine")
    return [Problem(tree.where(path), show_path(path), "needs ray: pip install 'distill[ray]'")]


def _contradictions(parts: Sections) -> Found:
    if parts.task is not None:
        yield from _check_task(parts.task)
    if parts.task is not None and parts.data is not None and not check_templates(parts.task):
        yield from _check_leaks(parts.task, parts.data)
    if parts.student is not None:
        yield from _check_kind(parts.student, parts.task)
        yield from _check_objective(parts.student, tuple(parts.teachers.values()), parts.data)
    for path, teacher in parts.teachers.items():
        yield from _check_teacher(teacher, path)
    if parts.evaluate is not None:
        yield from _check_names(parts.evaluate)
    if parts.gate is not None:
        for index, rule in enumerate(parts.gate.rules):
            for key, message in _check_rule(rule, parts):
                yield ("gate", "rules", index, key), message


def _check_task(task: TaskConfig) -> Found:
    closed = task.output in ("label", "labels")
    if closed and not task.labels:
        yield ("task", "labels"), f"output {task.output!r} needs labels (a list, or a file with one label a line)"
    if not closed and task.labels is not None:
        yield ("task", "labels"), f"only for output label or labels, not {task.output!r}"
    for index, label in enumerate(task.labels or ()):
        if label in (task.labels or ())[:index]:
            yield ("task", "labels", index), f"label {label!r} is given twice"
        if not label.strip() or label != label.strip() or "\n" in label:
            yield ("task", "labels", index), f"label {label!r} is empty, or has white space around it"
    if task.schema_ is not None and task.output != "json":
        yield ("task", "schema"), f"only for output json, not {task.output!r}"
    if task.schema_ is not None and (reason := _schema_mistake(task.schema_)) is not None:
        yield ("task", "schema"), reason
    for key, given in (("pattern", task.pattern is not None), ("number", task.number)):
        if given and task.output != "answer":
            yield ("task", key), f"only for output answer, not {task.output!r}"
    if task.pattern is not None:
        try:
            re.compile(task.pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield ("task", "pattern"), f"not a regular expression: {error}"


def _schema_mistake(schema: dict[str, object]) -> str | None:
    from distill.tasks.json import make_validator  # noqa: PLC0415  (loads a compiled library only tasks with a schema need)

    try:
        make_validator(schema)
    except (ValueError, TypeError) as error:
        return str(error)[:300]
    return None


def _check_leaks(task: TaskConfig, data: DataConfig) -> Found:
    for template, columns in template_columns(task).items():
        for key in ("gold", "teacher_output"):
            column = getattr(data, key)
            if column is not None and column in columns:
                yield ("task", template), f"the prompt shows column {column!r}, which is data.{key}: the answer"
    if not any(template_columns(task)[name] for name in template_columns(task) if name in ("user", "student_user")):
        yield ("task", "user"), "mentions no column of the data, so every row would ask the same question"
    for name in TASK_VARIABLES:
        if name in (data.id, data.gold) and name in template_columns(task).get("user", ()):
            yield ("task", "user"), f"{name!r} is the task's own variable here"


def _check_kind(student: StudentConfig, task: TaskConfig | None) -> Found:
    if student.kind not in STUDENTS:
        yield ("student", "kind"), f"{student.kind!r} is not built yet; use {' or '.join(STUDENTS)}"
    if task is not None and student.kind == "classifier" and task.output not in ("label", "labels"):
        message = f"a classifier needs task.output label or labels, not {task.output!r} (causal_lm can do it)"
        yield ("student", "kind"), message


def _check_objective(student: StudentConfig, teachers: tuple[TeacherConfig, ...], data: DataConfig | None) -> Found:
    yield from _check_unbuilt(student)
    if student.objective.rationale > 0 and student.kind != "seq2seq":
        yield ("student", "objective", "rationale"), f"only for kind seq2seq, not {student.kind!r}"
    if student.objective.soft > 0 and teachers and student.objective.teacher_model is None:
        recorded = data is not None and data.teacher_output is not None
        votes = sum(teacher.samples for teacher in teachers) > 1 and student.kind == "classifier"
        if not any(teacher.top_logprobs for teacher in teachers) and not votes and not recorded:
            is_classifier = student.kind == "classifier"
            other = "teacher.samples > 1 or several teachers" if is_classifier else "objective.teacher_model"
            yield ("student", "objective", "soft"), f"soft targets need teacher.top_logprobs > 0 or {other}"


def _check_unbuilt(student: StudentConfig) -> Found:
    """Refuse what would be trained as something else: a setting without effect is worse than an error."""
    objective = student.objective
    if student.lora is not None and student.lora.variant == "qlora" and find_spec("bitsandbytes") is None:
        yield ("student", "lora", "variant"), "qlora needs bitsandbytes: pip install 'distill[qlora]'"
    if student.packing and student.kind != "causal_lm":
        yield ("student", "packing"), f"only for kind causal_lm, not {student.kind!r}"
    if objective.teacher_model is not None and student.kind != "causal_lm":
        yield ("student", "objective", "teacher_model"), f"only for kind causal_lm, not {student.kind!r}"
    if objective.teacher_model is not None and objective.soft == 0:
        yield ("student", "objective", "teacher_model"), "has no effect with soft: 0"
    if objective.divergence != "kl" and objective.teacher_model is None:
        yield ("student", "objective", "divergence"), "needs objective.teacher_model: log-probabilities allow kl only"
    if student.kind == "seq2seq" and objective.soft > 0:
        yield ("student", "objective", "soft"), "seq2seq learns from answers and rationales only so far; use soft: 0.0"
    if student.kind == "seq2seq" and objective.hard == 0:
        yield ("student", "objective", "hard"), "must be > 0 for seq2seq, or it never learns to answer"


def _check_panel(teachers: dict[Path, TeacherConfig], tree: Tree) -> Found:
    """Refuse what makes no sense of several teachers, each in the place of the one that is too much."""
    single, listed = tree.get(("teacher",)), tree.get(("teachers",))
    if single is None and not listed:
        yield ("teacher",), "is required (or several, under teachers)"
    elif single is not None and listed:
        yield ("teachers",), "give teacher or teachers, not both; the first of teachers is the reference teacher"
    elif isinstance(listed, list) and len(listed) == 1:
        yield ("teachers",), "one teacher is written as teacher: {...}; to ask it several times, use teacher.samples"
    entries = [(path, teacher) for path, teacher in teachers.items() if path[0] == "teachers"]
    for number, (path, teacher) in enumerate(entries):
        twin = find_twin([one for _, one in entries], number)
        if twin is not None:
            first = show_path(entries[twin][0])
            message = f"the very same as {first} (provider, host, model and temperature); to ask it again use samples"
            yield (*path, "model"), message
        if path != ("teachers", 0) and teacher.budget_usd is not None:
            yield (*path, "budget_usd"), "the teachers share one budget: state it on the first, or with --budget"
        if path != ("teachers", 0) and teacher.provider == "replay":
            yield (*path, "provider"), "recorded answers (data.teacher_output) are the first teacher's: name it first"


def _check_teacher(teacher: TeacherConfig, path: Path) -> Found:
    if teacher.smoke.min_accepted > teacher.smoke.rows:
        yield (*path, "smoke", "min_accepted"), f"must be <= rows ({teacher.smoke.rows})"
    if teacher.provider == "rehearsal" and not teacher.knowledge:
        yield (*path, "knowledge"), "the rehearsal teacher needs files with known answers"
    if not re.fullmatch(r"[A-Za-z_]\w*", teacher.api_key_env):
        yield (*path, "api_key_env"), "must be the name of an environment variable, never the key itself"


def _check_names(evaluate: EvaluateConfig) -> Found:
    for index, name in enumerate(evaluate.metrics or ()):
        if name not in METRICS:
            yield ("evaluate", "metrics", index), f"unknown metric {name!r}{suggest(name, sorted(METRICS))}"
        elif name in NEEDS_TEXT_EXTRA and find_spec("sacrebleu") is None:
            yield ("evaluate", "metrics", index), f"{name!r} needs sacrebleu: pip install 'distill[text]'"
    for index, name in enumerate(evaluate.baselines):
        if name not in BASELINES:
            yield ("evaluate", "baselines", index), f"unknown baseline {name!r}{suggest(name, BASELINES)}"


def _check_rule(rule: RuleConfig, parts: Sections) -> Iterator[tuple[str, str]]:
    if rule.metric not in GATE_METRICS:
        yield "metric", f"unknown metric {rule.metric!r}{suggest(rule.metric, sorted(GATE_METRICS))}"
    if rule.metric == "parity" and (rule.min is None or rule.per_slice):
        yield "metric", "parity is one number of the student: write {metric: parity, min: 0.999}"
    yield from _check_bounds(rule)
    if rule.metric in NEEDS_TEXT_EXTRA and find_spec("sacrebleu") is None:
        yield "metric", f"{rule.metric!r} needs sacrebleu: pip install 'distill[text]'"
    if rule.of == "cascade" and parts.evaluate is not None and parts.evaluate.fallback is None:
        yield "of", "a cascade needs evaluate.fallback"
    if rule.versus is not None and not rule.versus.startswith("channel:"):
        known = ("teacher", *BASELINES)
        if parts.evaluate is not None:
            known = ("teacher", *parts.evaluate.baselines, "base", "few_shot", *(m.name for m in parts.evaluate.models))
        if rule.versus not in known:
            yield (
                "versus",
                f"unknown system {rule.versus!r}{suggest(rule.versus, (*dict.fromkeys(known), 'channel:NAME'))}",
            )
    if rule.per_slice and parts.data is not None and not parts.data.slices:
        yield "per_slice", "there are no slices; name their columns in data.slices"


def _check_bounds(rule: RuleConfig) -> Iterator[tuple[str, str]]:
    """Refuse a share's bound that every student meets: a rule that cannot fail looks like one that was passed."""
    if rule.metric not in GATE_METRICS or GATE_METRICS[rule.metric].unit != "fraction":
        return
    for key, value, is_empty in (
        ("margin", rule.margin, (rule.margin or 0) >= 1),
        ("max", rule.max, (rule.max or 0) >= 1),
        ("min", rule.min, rule.min is not None and rule.min <= 0),
    ):
        if value is not None and is_empty:
            yield key, f"{value:g} allows everything: {rule.metric} is a share between 0 and 1"


def _template_problems(task: TaskConfig, tree: Tree) -> list[Problem]:
    problems: list[Problem] = []
    for template, line, message in check_templates(task):
        path: Path = ("task", template)
        where = tree.where(path)
        place = tree.values.get(path)
        if place is not None and place.block_line is not None:
            where = f"{where.rsplit(':', 2)[0]}:{place.block_line + line}:1"
        problems.append(Problem(where, show_path(path), f"template line {line}: {message}"))
    return problems

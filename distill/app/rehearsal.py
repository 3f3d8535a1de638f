"""A rehearsal of a config: the same pipeline with the offline stand-in as its teacher, under a name of its own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from distill.config import LoadedConfig, PipelineConfig
from distill.records.example import Example
from distill.records.json import dump_canonical
from distill.sources import read_source
from distill.tasks.prompts import input_columns, render_teacher
from distill.tasks.stand_in import make_stand_in
from distill.teachers.config import PriceConfig, TeacherConfig
from distill.teachers.roster import name_teachers

REHEARSAL_MODEL = "rehearsal"
FREE = PriceConfig(input=0.0, output=0.0)


class Rehearsal(NamedTuple):
    """The config to run, and how many answers the data carry; 0 means that all answers are made up.

    `is_stand_in`: it is another config than the one given, with stand-ins in place of teachers.
    """

    loaded: LoadedConfig
    known: int
    is_stand_in: bool = True


def rehearsed(loaded: LoadedConfig) -> Rehearsal:
    """Return the config with rehearsal teachers in place of the real ones; a rehearsal config stays as it is.

    The stand-in knows the answers that the data itself carries (gold, recorded answers), written to a file under
    the state directory; to other inputs it gives the answer of the nearest one it knows. Where no row carries any,
    answers of the right form are made up.

    Raises:
        DataError: a source cannot be read, or a prompt cannot be rendered from its rows.
    """
    panel = loaded.pipeline.panel
    if all(teacher.provider == "rehearsal" for teacher in panel):
        return Rehearsal(loaded, sum(len(teacher.knowledge) for teacher in panel), is_stand_in=False)
    examples = _read_examples(loaded)
    known = sum(_answer_of(example) is not None for example in examples)
    file = _write_knowledge(loaded, examples)
    knowledge = Path(os.path.relpath(file, loaded.base_dir)).as_posix()
    stand_ins = tuple(_stand_in(*pair, knowledge) for pair in zip(panel, name_teachers(panel), strict=True))
    pipeline = loaded.pipeline.with_panel(stand_ins)
    pipeline = pipeline.model_copy(update={"name": f"{loaded.pipeline.name}-rehearsal"})
    return Rehearsal(loaded.with_pipeline(pipeline), known)


def _stand_in(teacher: TeacherConfig, name: str, knowledge: str) -> TeacherConfig:
    if teacher.provider == "rehearsal":
        return teacher
    return teacher.model_copy(
        update={
            "provider": "rehearsal",
            "model": f"{REHEARSAL_MODEL}/{name}",
            "base_url": None,
            "knowledge": (knowledge,),
            "knowledge_input": "question",
            "knowledge_answer": "answer",
            "price": FREE,
            "price_is_assumption": True,
            "budget_usd": None,
            "mode": "realtime",
            "sunset": None,
            "terms": teacher.terms.model_copy(update={"training_on_outputs": "allowed", "source": "a rehearsal"}),
        }
    )


def _read_examples(loaded: LoadedConfig) -> list[Example]:
    data, columns = loaded.pipeline.data, input_columns(loaded.pipeline.task)
    sources = dict.fromkeys([data.source, data.heldout.source or data.source])
    readings = [data.model_copy(update={"source": source}) for source in sources]
    return [example for one in readings for example in read_source(one, columns, loaded.base_dir).examples]


def _write_knowledge(loaded: LoadedConfig, examples: Sequence[Example]) -> Path:
    """Write what the stand-in knows; named by its content, so that a rehearsal of the same data is the same."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _knowledge(loaded.pipeline, examples))
    digest = hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()
    folder = loaded.runtime.state_dir / "rehearsal"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{digest[:16]}.jsonl"
    file.write_text(lines, encoding="utf-8", errors="backslashreplace")
    return file.absolute()


def _knowledge(config: PipelineConfig, examples: Sequence[Example]) -> list[dict[str, str]]:
    answers = {example.id: _answer_of(example) for example in examples}
    if not any(answer is not None for answer in answers.values()):
        answers = {example.id: make_stand_in(config.task, example.text) for example in examples}
    reasons = config.student.objective.rationale > 0
    return [
        {"id": example.id, "question": render_teacher(config.task, example.columns)[-1].content, "answer": answer}
        | ({"rationale": f"A stand-in reason for {answer}."} if reasons else {})
        for example in examples
        if (answer := answers[example.id]) is not None
    ]


def _answer_of(example: Example) -> str | None:
    if example.teacher_output is not None or example.gold is None:
        return example.teacher_output
    return example.gold if isinstance(example.gold, str) else dump_canonical(example.gold)

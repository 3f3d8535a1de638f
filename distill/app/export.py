"""Exporting: a run's student in the form a server wants, in a folder of its own, with its card and its parity."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from distill.app.runs import RUN_FILE, Run, list_teachers
from distill.engine.store import Store, digest_file
from distill.errors import DataError, UsageError
from distill.records.runtime import RuntimeConfig
from distill.stages.card import restate_terms
from distill.students.exporting import Dtype, Format, get_exporter
from distill.teachers import TeacherConfig

if TYPE_CHECKING:
    from distill.students.exporting.protocol import Outcome

CARD = "README.md"
PARITY = "export_parity.json"
_WEIGHTS = {".safetensors", ".onnx", ".data", ".gguf"}
_ADAPTER, _WHOLE = "library_name: peft", "library_name: transformers"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written where, and what was measured of it."""

    directory: Path
    outcome: Outcome

    @property
    def is_the_student(self) -> bool:
        """Whether the form chooses as the trained student did, as far as could be measured."""
        return all(form.passes for form in self.outcome.forms)


def export_run(run: Run, form: Format, target: Path, dtype: Dtype, runtime: RuntimeConfig) -> Exported:
    """Write a run's student into the new folder `target`; nothing is left there when it fails.

    Raises:
        UsageError: `target` holds something, the run was not evaluated, or the student has no such form.
        StoreError: the run's artifacts are damaged.
        MissingExtraError: the format needs a package that is not installed.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty; name a new folder with -o")
    store = Store(run.state_dir)
    packaged = store.verify("evaluate", run.artifact("evaluate").name) / "student"
    trained = store.verify("train", run.artifact("train").name) / "student"
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        outcome = get_exporter(form)(trained, draft, dtype, runtime)
        card = restate_terms((packaged / CARD).read_text(encoding="utf-8"), _read_panel(run))
        _complete(card, packaged, draft, outcome, keep_adapter=form == "vllm")
        if target.exists():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Exported(target, outcome)


def _read_panel(run: Run) -> tuple[TeacherConfig, ...]:
    """Return the teachers of a run, the reference teacher first.

    Raises:
        DataError: the config in run.json is damaged.
    """
    try:
        return tuple(TeacherConfig.model_validate(section) for section in list_teachers(run))
    except ValidationError as error:
        raise DataError(f"{run.directory / RUN_FILE}: damaged ({error}); run the config again") from error


def _complete(card: str, packaged: Path, draft: Path, outcome: Outcome, *, keep_adapter: bool) -> None:
    """Add the card, the thresholds that were chosen, and what was measured."""
    whole = card if keep_adapter else card.replace(_ADAPTER, _WHOLE, 1)
    (draft / CARD).write_text(whole + _describe_form(draft, outcome), encoding="utf-8")
    manifest = draft / "distill.json"
    if manifest.is_file():
        chosen = json.loads((packaged / "distill.json").read_text(encoding="utf-8"))["thresholds"]
        body = json.loads(manifest.read_text(encoding="utf-8")) | {"thresholds": chosen}
        manifest.write_text(json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    (draft / PARITY).write_text(json.dumps(outcome.as_json(), indent=1) + "\n", encoding="utf-8")


def _describe_form(draft: Path, outcome: Outcome) -> str:
    """Return the card's section on the exported files: how they agree with the trained student, and their hashes."""
    agreements = [f"- parity in {form.number_type}: {form}" for form in outcome.forms] or [
        f"- parity: unknown; {outcome.unmeasured}"
    ]
    files = sorted(path for path in draft.rglob("*") if path.suffix in _WEIGHTS)
    hashes = [f"- exported `{path.relative_to(draft).as_posix()}`: sha256 `{digest_file(path)}`" for path in files]
    return "\n".join(["", "## This export", "", *agreements, *hashes]) + "\n"

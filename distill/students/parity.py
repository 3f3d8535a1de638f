"""Does a form of the student say what the trained one said? On 64 prompts, none of them held out.

The training stack's own logits are kept beside the student (`probe.safetensors`) before it is written; the reloaded
adapter, the merged weights and every export are held against them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from distill.errors import StoreError
from distill.records.json import Json
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt
from distill.students.protocol import PARITY_FILE, Lessons, Student
from distill.students.reading import Question, Reader

PROBE_FILE = "probe.safetensors"
PROMPTS, TOP, MAX_ANSWER_TOKENS = 64, 16, 64
REQUIRED_AGREEMENT = 0.999
"""Share of positions at which a form must choose the same token, or `promote` refuses."""
NEAR_TIE_LOGITS = 0.25
"""A form that chooses another token is at a near tie where the trained student gave that one at least exp(-0.25), 78%,
of its own choice's probability. It is the step of bfloat16 between 32 and 64, where language models' logits often lie;
a damaged form does not stop there."""


class Probe(NamedTuple):
    """Questions, and at each of M answer positions the K likeliest ids and their logits, likeliest first."""

    questions: list[Question]
    top_ids_MK: Tensor
    top_logits_MK: Tensor


@dataclass(frozen=True, slots=True)
class FormParity:
    """A form held against the training stack: the share of equal choices, and how far logits are apart.

    `number_type` is what it was run in. Of the positions at which it chose otherwise, `near_ties` are those at which
    the trained student was all but undecided between the two.
    """

    form: str
    number_type: str
    prompts: int
    tokens: int
    agreement: float
    near_ties: int
    largest_logit_gap: float
    mean_logit_gap: float
    misread_prompts: int = 0
    """Prompts that a form with a tokenizer of its own turns into other tokens than the student's."""

    @property
    def passes(self) -> bool:
        """Whether the agreement is what promotion requires; near ties are not forgiven."""
        return self.agreement >= REQUIRED_AGREEMENT and self.misread_prompts == 0

    @property
    def flips(self) -> int:
        """At how many positions the form chose otherwise."""
        return round((1 - self.agreement) * self.tokens)

    def __str__(self) -> str:
        """Return what a person wants to know of it."""
        chosen = f"the same choice at {self.agreement:.2%} of {self.tokens} positions on {self.prompts} prompts"
        others = f" ({self.near_ties} of the {self.flips} others are near ties)" if self.flips else ""
        misread = f"; {self.misread_prompts} prompts read as other tokens" if self.misread_prompts else ""
        gaps = f"logits at most {self.largest_logit_gap:.3g} apart, {self.mean_logit_gap:.3g} on average"
        return f"{chosen}{others}{misread}; {gaps}"


def choose_prompts(lessons: Lessons, count: int = PROMPTS) -> list[Prompt]:
    """Return `count` prompts, evenly from the validation rows and, where they are too few, from the training rows."""
    chosen = _spread([row.prompt for row in lessons.validation], count)
    return chosen + _spread([row.prompt for row in lessons.train], count - len(chosen))


def record_probe(reader: Reader, questions: Sequence[Question]) -> Probe:
    """Let the training stack answer."""
    logits_MV = torch.cat([torch.empty((0, 1)), *(reader(question) for question in questions)][bool(questions) :])
    top = logits_MV.topk(min(TOP, logits_MV.shape[1]), dim=-1)
    return Probe(list(questions), top.indices, top.values)


def write_probe(directory: Path, probe: Probe) -> None:
    """Write a probe beside the student it belongs to."""
    prompts, answers = [q.ids for q in probe.questions], [q.answer for q in probe.questions]
    tensors = {
        "prompt_ids": torch.tensor([i for ids in prompts for i in ids]),
        "prompt_lengths": torch.tensor([len(ids) for ids in prompts]),
        "answer_ids": torch.tensor([i for ids in answers for i in ids], dtype=torch.long),
        "answer_lengths": torch.tensor([len(ids) for ids in answers]),
        "top_ids": probe.top_ids_MK.contiguous(),
        "top_logits": probe.top_logits_MK.contiguous(),
    }
    save_file(tensors, directory / PROBE_FILE)


def read_probe(directory: Path) -> Probe:
    """Read the probe of the student in `directory`.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    try:
        saved = load_file(directory / PROBE_FILE)
        prompts, answers = (
            saved[f"{name}_ids"].split(saved[f"{name}_lengths"].tolist()) for name in ("prompt", "answer")
        )
        questions = [Question(p.tolist(), a.tolist()) for p, a in zip(prompts, answers, strict=True)]
        return Probe(questions, saved["top_ids"], saved["top_logits"])
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise StoreError(f"{directory / PROBE_FILE}: missing or damaged ({error}); train again") from error


def compare(probe: Probe, reader: Reader, form: str, number_type: str = "float32") -> FormParity:
    """Hold a form against the training stack; a logit that is not a number counts as a disagreement."""
    if not probe.questions:
        return FormParity(form, number_type, 0, 0, 0.0, 0, math.inf, math.inf)
    logits_MV = torch.cat([reader(question) for question in probe.questions])
    sound_M = logits_MV.isfinite().all(-1)
    chosen_M = logits_MV.nan_to_num().argmax(-1)
    equal_M = (chosen_M == probe.top_ids_MK[:, 0]) & sound_M
    is_choice_MK = probe.top_ids_MK == chosen_M[:, None]
    close_MK = probe.top_logits_MK[:, :1] - probe.top_logits_MK <= NEAR_TIE_LOGITS
    near_M = (is_choice_MK & close_MK).any(-1) & ~equal_M & sound_M
    gap_MK = (logits_MV.gather(-1, probe.top_ids_MK) - probe.top_logits_MK).abs().nan_to_num(nan=torch.inf)
    return FormParity(
        form=form,
        number_type=number_type,
        prompts=len(probe.questions),
        tokens=len(equal_M),
        agreement=float(equal_M.double().mean()),
        near_ties=int(near_M.sum()),
        largest_logit_gap=float(gap_MK.max()),
        mean_logit_gap=float(gap_MK.double().mean()),
    )


def measure_parity(student: Student, directory: Path, runtime: RuntimeConfig) -> list[FormParity]:
    """Reload the student in `directory`, with its adapters at work and merged, and hold both against its training.

    Raises:
        StoreError: the student or its probe is damaged.
    """
    probe = read_probe(directory)
    forms = (("reloaded", False), ("merged", True))
    return [compare(probe, student.read_form(directory, runtime, merge=merge), form) for form, merge in forms]


def write_parity(directory: Path, forms: Sequence[FormParity]) -> None:
    """Write form_parity.json: each form, and whether all that promotion asks about pass."""
    (directory / PARITY_FILE).write_text(
        json.dumps(describe(forms), indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )


def describe(forms: Sequence[FormParity]) -> dict[str, Json]:
    """Return the parity of forms as it is written beside them."""
    return {
        "required_agreement": REQUIRED_AGREEMENT,
        "passes": all(form.passes for form in forms),
        "prompts_from": "validation rows, then training rows; none is held out",
        "forms": [{name: _plain(value) for name, value in asdict(form).items()} for form in forms],
    }


def _plain(value: Any) -> Json:  # noqa: ANN401 a field of the dataclass
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spread(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    step = max(1.0, len(prompts) / count) if count > 0 else 1.0
    return [prompts[int(i * step)] for i in range(min(count, len(prompts)))]

"""Answers of local systems, kept between runs: asked once per model, adapter, prompt, decoding and code version.

One append-only file per system identity under `<state>/answers/`. So an evaluation that was stopped goes on where it
was, and one with other rules asks nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distill.engine.fingerprint import Plain, fingerprint
from distill.records.training import Answer, Prompt
from distill.stages.kept_lines import KeptLines

ANSWERS_VERSION = 1
"""Raised when the code that makes answers changes what they are."""


class AnswerCache:
    """The answers of one system: `identity` is all that decides them beside the prompt."""

    def __init__(self, state_dir: Path, identity: Mapping[str, Plain]) -> None:
        """Open the file of this identity; nothing is written before the first answer."""
        key = fingerprint({"version": ANSWERS_VERSION, **identity})
        self.path = state_dir / "answers" / f"{key}.jsonl"
        self._kept = KeptLines(self.path, Answer)

    def answer(
        self,
        prompts: Sequence[Prompt],
        repeat: int,
        predict: Callable[[Sequence[Prompt]], list[Answer]],
        *,
        batch_rows: int,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Return an answer per prompt, in order; those not known are asked for in batches, each kept at once.

        `predict` gets prompts sorted by length, so that a batch wastes little padding.

        Raises:
            StoreError: the file cannot be written.
        """
        keys = [key_of(prompt, repeat) for prompt in prompts]
        answers = self._kept.complete(
            keys,
            prompts,
            lambda places: predict([prompts[place] for place in places]),
            batch_rows=batch_rows,
            on_progress=on_progress,
        )
        return [replace(answer, id=prompt.id) for answer, prompt in zip(answers, prompts, strict=True)]

    def keep(self, answers: Mapping[Prompt, Answer], repeat: int) -> None:
        """Keep answers that were made elsewhere; those already known stay as they are.

        Raises:
            StoreError: the file cannot be written.
        """
        self._kept.append(
            {key: answer for prompt, answer in answers.items() if (key := key_of(prompt, repeat)) not in self._kept}
        )

    def knows(self, prompt: Prompt, repeat: int) -> bool:
        """Say whether this prompt's answer is kept."""
        return key_of(prompt, repeat) in self._kept


def key_of(prompt: Prompt, repeat: int) -> str:
    """Return the sha256 of what is asked: the texts and the repeat, not the id."""
    text = json.dumps([prompt.system, prompt.user, repeat], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

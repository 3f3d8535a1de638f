"""Answers of local systems, kept between runs: asked once per model, adapter, prompt, decoding and code version.

One append-only file per system identity under `<state>/answers/`; a line is one answer, and a line cut off by a crash
is passed over. So an evaluation that was stopped goes on where it was, and one with other rules asks nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from distill.engine.fingerprint import Plain, fingerprint
from distill.engine.store import translate_os_errors
from distill.records.training import Answer, Prompt

ANSWERS_VERSION = 1
"""Raised when the code that makes answers changes what they are."""


class AnswerCache:
    """The answers of one system: `identity` is all that decides them beside the prompt."""

    def __init__(self, state_dir: Path, identity: Mapping[str, Plain]) -> None:
        """Open the file of this identity; nothing is written before the first answer."""
        key = fingerprint({"version": ANSWERS_VERSION, **identity})
        self.path = state_dir / "answers" / f"{key}.jsonl"
        self._known = _read(self.path)

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
        missing = [index for index, key in enumerate(keys) if key not in self._known]
        missing.sort(key=lambda index: (len(prompts[index].user), prompts[index].id))
        for start in range(0, len(missing), batch_rows):
            chosen = missing[start : start + batch_rows]
            found = predict([prompts[index] for index in chosen])
            self._append({keys[index]: answer for index, answer in zip(chosen, found, strict=True)})
            if on_progress is not None:
                on_progress(len(prompts) - len(missing) + start + len(chosen))
        return [_for_prompt(self._known[key], prompt) for key, prompt in zip(keys, prompts, strict=True)]

    def keep(self, answers: Mapping[Prompt, Answer], repeat: int) -> None:
        """Keep answers that were made elsewhere; those already known stay as they are.

        Raises:
            StoreError: the file cannot be written.
        """
        self._append(
            {key: answer for prompt, answer in answers.items() if (key := key_of(prompt, repeat)) not in self._known}
        )

    def knows(self, prompt: Prompt, repeat: int) -> bool:
        """Say whether this prompt's answer is kept."""
        return key_of(prompt, repeat) in self._known

    def _append(self, answers: Mapping[str, Answer]) -> None:
        if not answers:
            return
        with translate_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" if torn else "")
                for key, answer in answers.items():
                    file.write(json.dumps({"key": key, **asdict(answer)}, ensure_ascii=False) + "\n")
        self._known.update(answers)


def key_of(prompt: Prompt, repeat: int) -> str:
    """Return the sha256 of what is asked: the texts and the repeat, not the id."""
    text = json.dumps([prompt.system, prompt.user, repeat], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _for_prompt(answer: Answer, prompt: Prompt) -> Answer:
    return replace(answer, id=prompt.id)


def _read(path: Path) -> dict[str, Answer]:
    if not path.is_file():
        return {}
    known: dict[str, Answer] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            body = json.loads(line)
            key = str(body.pop("key"))
            known[key] = Answer(**body)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # a line cut off by a crash: its answer is asked for again
    return known

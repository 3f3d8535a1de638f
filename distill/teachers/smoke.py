"""Smoke before spend: the first rows are parsed and filtered, and a prompt that is wrong stops the run here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from distill.errors import TeacherError
from distill.teachers.config import SmokeConfig

_SAMPLES_SHOWN = 5
_SAMPLE_CHARS = 120
_LISTING_SHARE = 0.5
_ITEM_CUT = re.compile(r"[,;|\n]")
_ITEM_EDGE = re.compile(r"^[\s\-*\u2022\"'`\[\](){}]+|[\s\"'`\[\](){}]+$")
_ITEM = re.compile(r"[\w][\w \-/&]{0,80}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of the first rows. `reason` is empty when it was accepted.

    `answer` is the teacher's text; `unknown_label` is the answer where it is none of the task's labels.
    """

    id: str
    answer: str
    reason: str = ""
    unknown_label: str | None = None


def judge(
    outcomes: Sequence[Outcome], config: SmokeConfig, *, labels: Sequence[str] | None = None, who: str = ""
) -> None:
    """Stop a purchase whose first rows are not good enough; `who` says whose, where there are several teachers.

    Fewer rows than `config.rows` are held to the same share of accepted ones.

    Raises:
        TeacherError: of kind `smoke`, with reasons, samples and the labels that the task does not know.
    """
    accepted = sum(not outcome.reason for outcome in outcomes)
    needed = min(config.min_accepted, -(-config.min_accepted * len(outcomes) // config.rows))
    if accepted >= needed:
        return
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason)
    counted = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    raise TeacherError(
        f"smoke test{who}: {accepted} of the first {len(outcomes)} answers were accepted, {needed} are needed "
        f"({counted}).{_unknown(outcomes, labels)} Samples: {_samples(outcomes)}. Mend the prompt or the "
        f"labels and run again; teacher.smoke sets the bar",
        kind="smoke",
    )


def find_unknown_labels(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count the answers that are none of the task's labels, most frequent first."""
    counts = Counter(outcome.unknown_label for outcome in outcomes if outcome.unknown_label is not None)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def check_prompt_labels(prompt: str, labels: Sequence[str], listed: Sequence[str] | None = None) -> list[str]:
    """Name, in words, the labels a prompt leaves out and (where `listed` says what it lists) those it invents.

    A teacher cannot answer what it was never shown: such a prompt is wrong before the first call.
    """
    known, shown = set(labels), set(listed or ())
    missing = sorted(label for label in known if not _mentions(prompt, label))
    invented = sorted(shown - known)
    words: list[str] = []
    if missing:
        words.append(f"the prompt does not mention {len(missing)} of the {len(known)} labels: {', '.join(missing)}")
    if invented:
        words.append(f"the prompt lists {len(invented)} labels that the task does not know: {', '.join(invented)}")
    return words


def check_prompt(prompt: str, labels: Sequence[str], config: SmokeConfig) -> None:
    """Stop before the first call where the prompt lists labels, but not these: what is never shown is never answered.

    A prompt that mentions fewer than half of the labels lists none. `min_accepted: 0` says to go on regardless.

    Raises:
        TeacherError: of kind `smoke`, naming what is left out and what is invented.
    """
    shown = sum(_mentions(prompt, label) for label in labels)
    if config.min_accepted == 0 or shown < _LISTING_SHARE * len(labels):
        return
    words = check_prompt_labels(prompt, labels, find_listed(prompt, labels))
    if words:
        raise TeacherError(f"smoke test, before the first call: {'; '.join(words)}. Mend task.system, task.user or "
                           f"task.labels, or set teacher.smoke.min_accepted: 0 to go on", kind="smoke")  # fmt: skip


def find_listed(prompt: str, labels: Sequence[str]) -> list[str]:
    """Return what a prompt lists among its labels: each run of items, cut at commas and lines, that holds two of them.

    Items are shaped like the labels: where those have no spaces, words with spaces end a run.
    """
    known, spaced = set(labels), any(" " in label for label in labels)
    listed: list[str] = []
    run: list[str] = []
    for item in [*(_ITEM_EDGE.sub("", part) for part in _ITEM_CUT.split(prompt)), "."]:
        if item and _ITEM.fullmatch(item) and (spaced or " " not in item):
            run.append(item)
        elif item:
            places = [place for place, word in enumerate(run) if word in known]
            if len(places) >= 2:
                listed += run[places[0] : places[-1] + 1] if spaced else run
            run = []
    return listed


def _mentions(prompt: str, label: str) -> bool:
    """Tell whether a label stands in the prompt as a whole word, not as a part of another label."""
    start = prompt.find(label)
    while start >= 0:
        before, after = prompt[start - 1 : start], prompt[start + len(label) : start + len(label) + 1]
        if not (_is_word(before) or _is_word(after)):
            return True
        start = prompt.find(label, start + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character in ("_", "-") if character else False


def _unknown(outcomes: Sequence[Outcome], labels: Sequence[str] | None) -> str:
    unknown = find_unknown_labels(outcomes)
    if not unknown:
        return ""
    size = f" (it has {len(labels)})" if labels else ""
    named = ", ".join(f"{label!r} x{count}" for label, count in unknown.items())
    return f" Labels that the task does not know{size}: {named}."


def _samples(outcomes: Sequence[Outcome]) -> str:
    bad = [outcome for outcome in outcomes if outcome.reason][:_SAMPLES_SHOWN]
    return "; ".join(f"{outcome.id}: {outcome.answer[:_SAMPLE_CHARS]!r} ({outcome.reason})" for outcome in bad)

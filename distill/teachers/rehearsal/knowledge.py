"""What the rehearsal teacher knows: recorded answers by input, and the nearest known input for all others."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from distill.errors import DataError
from distill.records.json import Json, dump_canonical

_NEIGHBOURS = 25
_WORD = r"\w+|[^\w\s]"
_SHARPNESS = 12.0
_DEFAULT_CONFIDENCE = 0.9
_LEAST_CONFIDENCE, _MOST_CONFIDENCE = 0.02, 0.999


@dataclass(frozen=True, slots=True)
class Known:
    """One recorded answer. `confidence` is the recorder's own, in [0, 1], and `rationale` its reasons, where given."""

    question: str
    answer: str
    confidence: float | None = None
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with the probability of each label near it, likeliest first; `exact` when the input was known."""

    text: str
    exact: bool
    labels: tuple[tuple[str, float], ...]
    rationale: str | None = None


@dataclass(slots=True)
class Knowledge:
    """Recorded answers. The index of near inputs is built when the first unknown input or log-probability is asked."""

    known: Sequence[Known]
    labels: tuple[str, ...] | None = None
    _by_question: dict[str, int] = field(init=False)
    _index: Any = None
    _vectoriser: Any = None

    def __post_init__(self) -> None:
        self._by_question = {_normal(item.question): i for i, item in enumerate(self.known)}

    def answer(self, prompt: str, *, with_labels: bool) -> Reply:
        """Answer `prompt`: the recorded answer when it is, or ends with, a known input; else the nearest one's."""
        place = self._find(prompt)
        if place is not None and not with_labels:
            return Reply(self.known[place].answer, True, (), self.known[place].rationale)
        near = self._near(prompt, place)
        if place is None:
            place = near[0][0]
            return Reply(self.known[place].answer, False, self._spread(place, near, None), self.known[place].rationale)
        known = self.known[place]
        return Reply(known.answer, True, self._spread(place, near, known.confidence), known.rationale)

    def knows(self, prompt: str) -> bool:
        """Tell whether `prompt` is, or ends with, a known input."""
        return self._find(prompt) is not None

    def _find(self, prompt: str) -> int | None:
        place = self._by_question.get(_normal(prompt))
        if place is not None:
            return place
        lines = prompt.split("\n")
        for start in range(1, len(lines)):  # a template may put words before the input
            place = self._by_question.get(_normal("\n".join(lines[start:])))
            if place is not None:
                return place
        head, colon, tail = prompt.partition(": ")
        return self._by_question.get(_normal(tail)) if colon and "\n" not in head else None

    def _near(self, prompt: str, place: int | None) -> list[tuple[int, float]]:
        if self._index is None:
            self._fit()
        index: Any = self._index
        row = self._vectoriser.transform([prompt]) if place is None else index[place]
        similarity = index @ row.toarray().ravel()
        count = min(_NEIGHBOURS, len(self.known))
        best = similarity.argpartition(-count)[-count:]
        near = [(int(neighbour), float(similarity[neighbour])) for neighbour in best]
        return sorted(near, key=lambda pair: (-pair[1], pair[0]))

    def _fit(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415  (a second to import)

        vectoriser: Any = TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), sublinear_tf=True)
        self._index = vectoriser.fit_transform([item.question for item in self.known]).tocsr()
        self._vectoriser = vectoriser

    def _spread(self, place: int, near: list[tuple[int, float]], said: float | None) -> tuple[tuple[str, float], ...]:
        """Spread probability over labels: the answer's own confidence, the rest by the neighbours' likeness."""
        answer = self.known[place].answer
        votes: dict[str, float] = dict.fromkeys(self.labels or (), 1e-4)
        for neighbour, likeness in near:
            if neighbour != place or said is None:
                label = self.known[neighbour].answer
                votes[label] = votes.get(label, 1e-4) + math.exp(_SHARPNESS * (likeness - 1))
        votes.setdefault(answer, 1e-4)
        own = votes[answer] / sum(votes.values()) if said is None else said
        own = min(max(own, _LEAST_CONFIDENCE), _MOST_CONFIDENCE)
        others = sum(vote for label, vote in votes.items() if label != answer)
        shares = [(label, (1 - own) * vote / others) for label, vote in votes.items() if label != answer]
        return ((answer, own), *sorted(shares, key=lambda share: (-share[1], share[0])))


def load_knowledge(
    files: Sequence[Path], *, question: str, answer: str, labels: tuple[str, ...] | None = None
) -> Knowledge:
    """Merge jsonl(.gz) files by `id` (later files win, field by field) and keep the rows with question and answer.

    The answer must come from the last file that holds the column: a file with gold answers goes before it. The columns
    `confidence` and `rationale`, where rows have them, shape log-probabilities and come as `reasoning_content`.

    Raises:
        DataError: a file is missing, a line is no JSON object, or nothing is known in the end.
    """
    rows: dict[str, dict[str, Json]] = {}
    for file in files:
        for number, row in enumerate(_read(file), start=1):
            rows.setdefault(str(row.get("id", f"{file}:{number}")), {}).update(row)
    known = [
        _known(row, question, answer) for row in rows.values() if row.get(question) and row.get(answer) is not None
    ]
    if not known:
        names = ", ".join(str(file) for file in files) or "no files"
        raise DataError(f"the rehearsal teacher knows nothing: no row of {names} has both {question!r} and {answer!r}")
    return Knowledge(known, labels)


def _known(row: dict[str, Json], question: str, answer: str) -> Known:
    value, confidence = row[answer], row.get("confidence")
    text = value if isinstance(value, str) else dump_canonical(value)
    usable = isinstance(confidence, (int, float)) and not isinstance(confidence, bool)
    reasons = row.get("rationale")
    return Known(str(row[question]), text, float(cast("float", confidence)) if usable else None,
                 reasons if isinstance(reasons, str) and reasons.strip() else None)  # fmt: skip


def _read(file: Path) -> list[dict[str, Json]]:
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8")
        return [_row(line, f"{file}:{number}") for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: the rehearsal teacher's knowledge cannot be read: {error}") from error


def _row(line: str, where: str) -> dict[str, Json]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: a row must be a JSON object, this is {type(row).__name__}")
    return cast("dict[str, Json]", row)


def _normal(text: str) -> str:
    return " ".join(text.split())

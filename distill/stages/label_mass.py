"""How a teacher spread its probability over labels, read off a whole answer token by token.

An answer shows one path through the tree of all answers and, at each token, the k likeliest ways to leave it. The mass
that leaves goes to the label that the text then is or alone begins. Where several labels remain, what is behind the
exit was never shown: that mass is unresolved, and is kept apart from what is known.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from distill.records.completion import TopLogprobs
from distill.records.token_names import is_end, read_name
from distill.tasks.label_prefixes import LabelPrefixes, is_opening, place_label

_TASKS_IN_MEMORY = 8
Labels = frozenset[str]


class Unresolved(NamedTuple):
    """Mass of one of `labels`, nobody knows which; `heirs`, some of these, share it evenly."""

    mass: float
    labels: Labels
    heirs: Labels


@dataclass(slots=True)
class LabelMass:
    """Where an answer's probability went; all of it together is at most 1.

    `known` is certain. `unresolved` belongs to one of several labels that an alternative begins, `unseen` to
    alternatives that were not among the k likeliest, `elsewhere` to texts that are no label.
    """

    known: dict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    unresolved: list[Unresolved] = field(default_factory=list[Unresolved])
    unseen: list[Unresolved] = field(default_factory=list[Unresolved])
    elsewhere: float = 0.0

    def spread(self, labels: Sequence[str]) -> tuple[float, ...] | None:
        """Return the probabilities of the labels, given that the answer is one of them; None without any mass.

        What is not known is shared evenly among its heirs: the least that can be read into it (maximum entropy).
        """
        shares = defaultdict(float, self.known)
        for part in (*self.unresolved, *self.unseen):
            for label in part.heirs:
                shares[label] += part.mass / len(part.heirs)
        total = math.fsum(shares[label] for label in labels)
        if not total > 0:
            return None
        ratios = {share: share / total for share in {shares[label] for label in labels}}
        return tuple(ratios[shares[label]] for label in labels)  # equal ones are one number in memory

    def parts(self) -> dict[str, float]:
        """Return the mass by what is known of it."""
        return {
            "known": math.fsum(self.known.values()),
            "unresolved": math.fsum(part.mass for part in self.unresolved),
            "unseen": math.fsum(part.mass for part in self.unseen),
            "elsewhere": self.elsewhere,
        }


def read_label_mass(logprobs: TopLogprobs, answer: str, label: str, labels: tuple[str, ...]) -> LabelMass | None:
    """Follow an answer that says `label`, from where its label begins; None where its tokens do not show that.

    The words before a label (a rationale, `{"label":`) are taken as given: the masses are conditional on them.
    """
    if not any(logprobs.tokens):
        return None
    prefixes = _prefixes_of(labels)
    path = _find_path(logprobs, answer, label, prefixes)
    return None if path is None else _Walk(logprobs, label, prefixes, path).follow()


@lru_cache(_TASKS_IN_MEMORY)
def _prefixes_of(labels: tuple[str, ...]) -> LabelPrefixes:
    return LabelPrefixes(labels)


class _Path(NamedTuple):
    """The first token of the label, what of that token comes before the label, the label's text, its spelling."""

    first: int
    lead: bytes
    spelt: bytes
    looseness: int


def _find_path(logprobs: TopLogprobs, answer: str, label: str, prefixes: LabelPrefixes) -> _Path | None:
    pieces = [_spell(token) for token in logprobs.sampled_tokens]
    said, written = b"".join(pieces).rstrip(), answer.strip()
    span = place_label(written, label)
    if span is None or not said.endswith(written.encode("utf-8", "surrogatepass")):
        return None
    before = len(said) - len(written[span.start :].encode("utf-8", "surrogatepass"))
    spelt = written[span.start : span.end]
    first, at = 0, 0
    while at + len(pieces[first]) <= before:
        at += len(pieces[first])
        first += 1
    while first and is_opening(pieces[first - 1].decode("utf-8", "replace")):
        first -= 1
        at -= len(pieces[first])
    return _Path(first, said[at:before], spelt.encode(), prefixes.looseness(spelt))


class _Step(NamedTuple):
    """One token: the probability of the sampled one, of each other one, and of those that are not shown."""

    sampled: float
    others: Sequence[tuple[str, float]]
    rest: float


@dataclass(slots=True)
class _Walk:
    logprobs: TopLogprobs
    label: str
    prefixes: LabelPrefixes
    path: _Path
    mass: LabelMass = field(default_factory=LabelMass)

    def follow(self) -> LabelMass:
        """Go on until the label is over and no longer one can come of it."""
        text, reached, written = b"", 1.0, len(self.path.lead + self.path.spelt)
        for i in range(self.path.first, len(self.logprobs.sampled_tokens)):
            token, step = self.logprobs.sampled_tokens[i], _read_step(self.logprobs, i)
            self._leave(text, token, step, reached)
            reached *= step.sampled
            ended = is_end(token) and len(text) >= written
            text += _spell(token)
            if ended or (len(text) > written and len(self._labels(text)) < 2):
                self.mass.known[self.label] += reached
                return self.mass
        self._stop(text, reached)
        return self.mass

    def _leave(self, text: bytes, sampled: str, step: _Step, reached: float) -> None:
        """Share out what leaves the path at one token."""
        begun = {token: self._begun(text, token) for token in (sampled, *(token for token, _ in step.others))}
        spelt = {token: _spell(token) for token in begun}
        for token, probability in step.others:
            self._add(probability * reached, begun[token], _find_heirs(token, begun, spelt))
        if step.rest > 0:
            expected = self._labels(text)
            heirs = expected.difference(*begun.values())
            self.mass.unseen.append(Unresolved(step.rest * reached, expected, heirs))

    def _add(self, mass: float, labels: Labels, heirs: Labels) -> None:
        if not labels:
            self.mass.elsewhere += mass
        elif len(labels) == 1:
            self.mass.known[next(iter(labels))] += mass
        elif mass > 0:
            self.mass.unresolved.append(Unresolved(mass, labels, heirs))

    def _stop(self, text: bytes, reached: float) -> None:
        """Book what got to the last token: where its end is not shown, the way to a longer label is not either."""
        labels = self._labels(text)
        if len(labels) < 2:
            self.mass.known[self.label] += reached
        else:
            self.mass.unresolved.append(Unresolved(reached, labels, frozenset((self.label,))))

    def _begun(self, text: bytes, token: str) -> Labels:
        """Return the labels that `text` is or begins once `token` has followed."""
        if not is_end(token):
            return self._labels(text + read_name(token))
        whole = self.prefixes.whole(self._trim(text))
        return frozenset() if whole is None else frozenset((whole,))

    def _labels(self, text: bytes) -> Labels:
        return self.prefixes.reach(self._trim(text), self.path.looseness)

    def _trim(self, text: bytes) -> bytes:
        """Take off what comes before the label."""
        return text.removeprefix(self.path.lead)


def _find_heirs(token: str, begun: Mapping[str, Labels], spelt: Mapping[str, bytes]) -> Labels:
    """Return the labels a token begins but for those that a longer token begins: they would have come by that one."""
    labels, text = begun[token], spelt[token]
    if len(labels) < 2:
        return labels
    longer = [begun[other] for other in begun if other != token and spelt[other].startswith(text)]
    return labels.difference(*longer) or labels


def _read_step(logprobs: TopLogprobs, i: int) -> _Step:
    """Read one token's probabilities; rounded ones that sum to more than 1 are scaled down to it."""
    sampled = math.exp(logprobs.sampled_logprobs[i])
    others = [(token, math.exp(value)) for token, value in zip(logprobs.tokens[i], logprobs.logprobs[i], strict=True)]
    same = [n for n, (token, _) in enumerate(others) if token == logprobs.sampled_tokens[i]]
    if same:
        del others[min(same, key=lambda n: abs(others[n][1] - sampled))]
    total = sampled + math.fsum(probability for _, probability in others)
    scale = 1 / max(1.0, total)
    return _Step(sampled * scale, [(token, p * scale) for token, p in others], max(0.0, 1.0 - total))


def _spell(token: str) -> bytes:
    return b"" if is_end(token) else read_name(token)

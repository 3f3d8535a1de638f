"""A teacher's token log-probabilities, moved onto the tokens of another tokenizer by their bytes.

A position of the student takes over the teacher's distribution where both have a token that begins at the same byte
of the same answer. Elsewhere (inside a teacher's token, in text that was rewritten) nothing is known.
Letters: M answer tokens, K known tokens of one position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from distill.records.completion import TopLogprobs
from distill.records.token_names import read_name
from distill.students.token_bytes import TokenBytes

Known = tuple[tuple[int, float], ...]
"""(token id, probability), the answer's own token first, the others from likely to unlikely."""


def align(logprobs: TopLogprobs, answer_ids: Sequence[int], tokens: TokenBytes) -> list[Known | None]:
    """Return what the teacher knows at each answer position (the end token's too), None where nothing maps.

    The answer's own token takes the probability of the teacher's tokens that spell it (a product where it is longer, a
    sum of alternatives where it is shorter). Another alternative goes to the token with its bytes, else to the longest
    token that it begins with. What maps to nothing stays in the tail.
    """
    text = [tokens.of.get(i, b"") for i in answer_ids[:-1]]
    spoken = [read_name(token) for token in logprobs.sampled_tokens]
    start = _find(b"".join(spoken), b"".join(text))
    if start is None or not all(text):
        return [None] * len(answer_ids)
    step_at = {offset: i for i, offset in enumerate([0, *accumulate(map(len, spoken))])}
    begins = [start, *accumulate(map(len, text), initial=start)][1:]
    aligner = _Aligner(logprobs, spoken, tokens)
    known: list[Known | None] = []
    for token, piece, at in zip(answer_ids, text, begins, strict=False):
        known.append(aligner.look(token, piece, step_at.get(at), step_at.get(at + len(piece))))
    return [*known, aligner.look_at_end(answer_ids[-1], step_at.get(begins[-1]))]


def _find(whole: bytes, part: bytes) -> int | None:
    """Return where `part` is in `whole`, if it is there exactly once."""
    at = whole.find(part)
    return at if part and at >= 0 and whole.find(part, at + 1) < 0 else None


@dataclass(frozen=True, slots=True)
class _Aligner:
    logprobs: TopLogprobs
    spoken: list[bytes]
    tokens: TokenBytes

    def look(self, token: int, piece: bytes, step: int | None, end: int | None) -> Known | None:
        """Return what is known where the student's `token` (bytes `piece`) begins with the teacher's token `step`."""
        if step is None or step >= len(self.spoken):
            return None
        mass = self._mass(step)
        if end is not None and end > step:
            own = math.exp(sum(self.logprobs.sampled_logprobs[step:end]))
            own += mass[piece] if piece != self.spoken[step] and piece in mass else 0.0
            others = {text: p for text, p in mass.items() if text not in (piece, self.spoken[step])}
        elif self.spoken[step].startswith(piece):
            own = sum(p for text, p in mass.items() if text.startswith(piece))
            others = {text: p for text, p in mass.items() if not text.startswith(piece)}
        else:
            return None
        return self._rank(token, own, others)

    def look_at_end(self, token: int, step: int | None) -> Known | None:
        """Return what is known where the answer ends, if the teacher's own end token is among its steps."""
        if step is None or step >= len(self.spoken):
            return None
        if self.tokens.special.get(self.logprobs.sampled_tokens[step]) != token:
            return None
        mass = self._mass(step)
        own = mass.pop(self.spoken[step])
        return self._rank(token, own, mass)

    def _mass(self, step: int) -> dict[bytes, float]:
        pairs = zip(self.logprobs.tokens[step], self.logprobs.logprobs[step], strict=True)
        mass = {read_name(token): math.exp(value) for token, value in pairs}
        mass.setdefault(self.spoken[step], math.exp(self.logprobs.sampled_logprobs[step]))
        return mass

    def _rank(self, token: int, own: float, others: dict[bytes, float]) -> Known | None:
        if not own > 0:
            return None
        found: dict[int, float] = {}
        for text, probability in others.items():
            to = self.tokens.ids.get(text, self.tokens.special.get(text.decode("utf-8", "replace")))
            to = self.tokens.longest_prefix(text) if to is None else to
            if to is not None and to != token and probability > 0:
                found[to] = found.get(to, 0.0) + probability
        scale = 1 / max(1.0, own + sum(found.values()))
        ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        return ((token, own * scale), *((i, p * scale) for i, p in ranked))

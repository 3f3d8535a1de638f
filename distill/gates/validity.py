"""What makes evidence unusable: the gate then says invalid, whatever the numbers are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from distill.gates.config import GateConfig
from distill.gates.evidence import Evidence
from distill.gates.remedies import TRANSPORT_FAILURES, find_remedy
from distill.records.json import dump_canonical
from distill.records.prediction import Prediction

_TOO_GOOD_ERRORS = 14  # .5^14 < 1e-4: so many of the teacher's errors put right are no accident
_ENOUGH_ROWS = 20  # under it chance can do anything, and every rule is inconclusive anyway
_WORSE_THAN_CHANCE_Z = -3.1  # one-sided p = .001: the sign of labels or columns that were swapped
_OWN = ("student", "cascade")


def find_problems(evidence: Evidence, config: GateConfig) -> list[str]:
    """Return every reason why no decision may be made, empty when there is none."""
    problems = list(evidence.problems)
    if not evidence.expected:
        problems.append("the held-out set is empty")
    if "student" not in evidence.predictions:
        problems.append("there are no predictions of the student")
    compared = {rule.versus for rule in config.rules} | {*_OWN, "teacher"}
    for name, predictions in sorted(evidence.predictions.items()):
        if name in compared or not all(p.error_kind is not None for p in predictions):
            problems.extend(find_row_problems(name, predictions, evidence, is_compared=name in compared))
    problems.extend(_check_references(evidence))
    problems.extend(_check_too_good(evidence))
    problems.extend(check_teacher(evidence))
    problems.extend(_check_variety(evidence))
    named = {rule.of for rule in config.rules}
    problems.extend(
        f"no predictions of the {name}, which a rule judges"
        for name in sorted(named - {"student"} - set(evidence.predictions))
    )
    return problems


def find_row_problems(
    name: str, predictions: Sequence[Prediction], evidence: Evidence, *, is_compared: bool = True
) -> Iterator[str]:
    """Find what is wrong with one system's rows; failed calls of a system that no rule compares with harm nobody."""
    if not predictions:
        yield f"{name}: no predictions"
        return
    seen = Counter((p.id, p.repeat) for p in predictions)
    twice = [f"{key[0]!r}" for key, count in seen.items() if count > 1]
    ids = {p.id for p in predictions}
    missing, extra = evidence.expected.keys() - ids, ids - evidence.expected.keys()
    if twice:
        yield f"{name}: {len(twice)} ids occur twice (first {min(twice)})"
    if missing:
        yield f"{name}: {len(missing)} held-out rows have no prediction (first {min(missing)!r})"
    if extra:
        yield f"{name}: {len(extra)} predictions are for rows outside the held-out set (first {min(extra)!r})"
    yield from _first_of(name, predictions, evidence)
    if all(p.error_kind is not None for p in predictions):
        yield f"{name}: every single answer failed ({_say_kinds(name, predictions)}"
    elif name not in _OWN and is_compared:
        failed = sum(p.error_kind in TRANSPORT_FAILURES for p in predictions)
        if failed:
            yield f"{name}: {failed} calls failed; run again so that they are asked anew"


def _say_kinds(name: str, predictions: Sequence[Prediction]) -> str:
    """Name the kinds of failures, each counted where they are several, and what to do about the commonest."""
    kinds = Counter(p.error_kind or "" for p in predictions).most_common()
    said = kinds[0][0] if len(kinds) == 1 else ", ".join(f"{kind} {count}" for kind, count in kinds)
    remedy = find_remedy(name, kinds[0][0])
    return f"{said}): nothing was evaluated" + (f"; {remedy}" if remedy else "")


def _first_of(name: str, predictions: Sequence[Prediction], evidence: Evidence) -> Iterator[str]:
    """Name the first row of each kind of contradiction."""
    found: dict[str, tuple[int, str]] = {}
    labels = None if evidence.labels is None else set(evidence.labels)
    for prediction in predictions:
        for problem in _contradictions(name, prediction, evidence.expected, labels):
            count, first = found.get(problem, (0, prediction.id))
            found[problem] = (count + 1, first)
    for problem, (count, first) in found.items():
        yield f"{name}: {problem} in {count} rows (first {first!r})"


def _contradictions(name: str, prediction: Prediction, expected: object, labels: set[str] | None) -> Iterator[str]:
    if prediction.system != name:
        yield f"rows say they are of system {prediction.system!r}"
    if not (math.isfinite(prediction.score) and 0 <= prediction.score <= 1):
        yield "the score is not a number in [0, 1]"
    elif prediction.correct != (prediction.score >= 1):
        yield "score and correct contradict each other"
    if prediction.error_kind is not None and prediction.correct:
        yield "a failed answer is counted as right"
    if prediction.confidence is not None and not 0 <= prediction.confidence <= 1:
        yield "the confidence is not a number in [0, 1]"
    for number in (prediction.latency_ms, prediction.cost_usd):
        if number is not None and not (math.isfinite(number) and number >= 0):
            yield "a latency or cost is not a number >= 0"
    hashes = expected if isinstance(expected, dict) else {}
    want = hashes.get(prediction.id)
    if want and prediction.content_hash and want != prediction.content_hash:
        yield "the content is not that of the held-out row"
    yield from _check_values(prediction, labels)


def _check_values(prediction: Prediction, labels: set[str] | None) -> Iterator[str]:
    answered = prediction.error_kind is None
    if (
        answered
        and prediction.reference is not None
        and prediction.parsed == prediction.reference
        and not prediction.correct
    ):
        yield "an answer equal to its reference is counted as wrong"
    if labels is None:
        return
    if isinstance(prediction.reference, str) and prediction.reference not in labels:
        yield "the reference is not one of the labels (swapped columns?)"
    if answered and isinstance(prediction.parsed, str) and prediction.parsed not in labels:
        yield "the answer is not one of the labels but is not marked as failed (swapped columns?)"


def _check_references(evidence: Evidence) -> Iterator[str]:
    """Systems are compared on the same examples, so they must be scored against the same references."""
    first: dict[str, tuple[str, object]] = {}
    clashing: dict[tuple[str, str], list[str]] = {}
    for name, predictions in sorted(evidence.predictions.items()):
        for prediction in predictions:
            other, reference = first.setdefault(prediction.id, (name, prediction.reference))
            if reference != prediction.reference:
                clashing.setdefault((other, name), []).append(prediction.id)
    for (other, name), ids in clashing.items():
        yield f"{other} and {name} are scored against different references in {len(ids)} rows (first {min(ids)!r})"


def _check_too_good(evidence: Evidence) -> Iterator[str]:
    """A student cannot be right wherever the teacher that taught it is wrong, unless it has seen the gold."""
    if evidence.reference != "gold" or "teacher" not in evidence.predictions:
        return
    wrong = {p.id for p in evidence.predictions["teacher"] if p.repeat == 0 and not p.correct}
    student = [p for p in evidence.predictions.get("student", ()) if p.repeat == 0]
    fixed = sum(p.correct and p.id in wrong for p in student)
    errors = sum(not p.correct for p in student)
    if len(wrong) >= _TOO_GOOD_ERRORS and fixed >= 0.95 * len(wrong) and errors <= 0.01 * len(student):
        yield (
            f"student: too good to be true: right on {fixed} of the {len(wrong)} rows its teacher gets wrong, with "
            f"{errors} errors of its own; the gold answers have probably reached it (look at the prompt's columns)"
        )


def check_teacher(evidence: Evidence) -> Iterator[str]:
    """A teacher that gold contradicts everywhere, or more than chance would, proves that one of the two is mistaken.

    Chance is Cohen's (1960): two raters with these label counts that know nothing of each other.
    """
    answers = [p for p in evidence.predictions.get("teacher", ()) if p.repeat == 0]
    if evidence.reference != "gold" or len(answers) < _ENOUGH_ROWS:
        return
    advice = "do gold and the prompt's labels mean the same, and does `gold` name the right column?"
    if all(p.score == 0 for p in answers):
        yield f"teacher: wrong on all {len(answers)} rows: {advice}"
    elif evidence.labels is not None and (z := _z_of_chance(answers)) < _WORSE_THAN_CHANCE_Z:
        right = sum(p.correct for p in answers)
        yield f"teacher: right on {right} of {len(answers)} rows, fewer than by chance (z = {z:.1f}): {advice}"


def _z_of_chance(answers: Sequence[Prediction]) -> float:
    n = len(answers)
    said, wanted = (Counter(dump_canonical(getattr(p, side)) for p in answers) for side in ("parsed", "reference"))
    expected = sum(count * wanted[label] for label, count in said.items()) / n**2
    if not 0 < expected < 1:
        return 0.0
    return (sum(p.correct for p in answers) / n - expected) / math.sqrt(expected * (1 - expected) / n)


def _check_variety(evidence: Evidence) -> Iterator[str]:
    """Rows that all want the same label cannot tell a good student from one that always says it."""
    wanted = {dump_canonical(p.reference) for p in evidence.predictions.get("student", ())}
    n = len(evidence.expected)
    if evidence.labels is not None and len(evidence.labels) > 1 and len(wanted) == 1 and n >= _ENOUGH_ROWS:
        labels = len(evidence.labels)
        yield f"all {n} held-out rows want the same answer, {min(wanted)}, of {labels} labels: hold out others"

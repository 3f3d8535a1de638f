"""What must be said beside the verdict: baselines that tie, looks spent, agreement instead of accuracy."""

from __future__ import annotations

from distill.gates.evidence import Evidence
from distill.records.decision import LookRecord
from distill.records.prediction import Prediction
from distill.statistics.looks import Spending, bound_over_looks, spend_alpha
from distill.statistics.mcnemar import mcnemar_superiority_p

BASELINES = ("majority", "linear_probe", "base", "few_shot")


def make_notes(evidence: Evidence, alpha: float, full_alpha: float) -> tuple[str, ...]:
    """Return the notes, most important first."""
    notes: list[str] = []
    if evidence.reference == "teacher":
        notes.append(
            "there is no gold: every figure is agreement with the teacher, not accuracy; its errors count as right"
        )
        gold = sum(p.gold_score is not None for p in evidence.predictions.get("student", ()) if p.repeat == 0)
        if gold:
            notes.append(f"{gold} rows have gold; where a rule can use them it says so, the others only help (PPI++)")
    if evidence.self_agreement is not None:
        notes.append(
            f"asked again, the teacher gives the same answer {evidence.self_agreement:.2%} of the time: "
            "differences smaller than the rest are noise of its own"
        )
    if alpha < full_alpha:
        notes.append(
            f"look {evidence.look} at this held-out set ({evidence.allowed_looks} allowed): each rule is "
            f"tested at {alpha:.4g} instead of {full_alpha:.4g}; a fresh held-out set restores full confidence"
        )
    notes.extend(evidence.remarks)
    teacher = compare_with_baseline(evidence, "majority", "teacher") if evidence.reference == "gold" else None
    if teacher:
        notes.append(teacher)
    for name in BASELINES:
        note = compare_with_baseline(evidence, name)
        if note:
            notes.append(note)
    return tuple(notes)


def tell_looks(evidence: Evidence, full_alpha: float, spending: Spending) -> LookRecord:
    """Say what this look is tested at and what all looks at this held-out set together can cost."""
    look, allowed = evidence.look, evidence.allowed_looks
    alpha = spend_alpha(full_alpha, look, allowed, spending)
    so_far = bound_over_looks(full_alpha, allowed, spending, look)
    ever = bound_over_looks(full_alpha, allowed, spending)
    statement = (
        f"look {look} is tested at {alpha:.4g}; the chance that any look so far promotes what it should not is at most "
        f"{so_far:.4g}, and at most {ever:.4g} over all looks ever taken at this set"
    )
    if spending == "allow" and ever > full_alpha:
        statement += f" (gate.looks: spend keeps it to {full_alpha:.4g}; the first look then has {full_alpha / 2:.4g})"
    return LookRecord(spending, look, allowed, alpha, so_far, ever, statement)


def compare_with_baseline(evidence: Evidence, name: str, system: str = "student") -> str | None:
    """Say aloud that the student (or the teacher) does not beat a baseline; None where it does or there is none."""
    if name not in evidence.predictions or system not in evidence.predictions:
        return None
    if all(p.error_kind is not None for p in evidence.predictions[name]):
        return f"{name} gave no usable answer at all ({evidence.predictions[name][0].error_kind}), so it says nothing"
    student, other = _right(evidence.predictions[system]), _right(evidence.predictions[name])
    b = sum(right and not other[i] for i, right in student.items())
    c = sum(not right and other[i] for i, right in student.items())
    p = mcnemar_superiority_p(b, c)
    if p <= 0.05:
        return None
    rates = sum(student.values()) / len(student), sum(other.values()) / len(other)
    return f"the {system} ({rates[0]:.2%}) is not shown to beat {name} ({rates[1]:.2%}), p = {p:.2g}: " + (
        "the simpler system may do" if system == "student" else "there may be nothing to learn from it"
    )


def _right(predictions: object) -> dict[str, bool]:
    assert isinstance(predictions, list | tuple)
    rows: list[Prediction] = [p for p in predictions if isinstance(p, Prediction)]
    return {p.id: p.correct and p.error_kind is None for p in rows if p.repeat == 0}

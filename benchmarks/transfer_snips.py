"""What a SNIPS student gets right, beside the whole object: intent, slots, spans it has seen and spans it must copy.

`python benchmarks/transfer_snips.py RUN TRAIN.jsonl [--rows N]`, RUN being a run directory of configs/snips.yaml that
reached `evaluate`, and TRAIN.jsonl the rows it was taught (`gold`). Slots are compared as a multiset of (name, value),
whatever their order. Intervals are 95%: Wilson for shares, a bootstrap over rows for F1. --rows shows wrong answers.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from distill.statistics.bootstrap import bootstrap_sums, percentile_interval
from distill.statistics.proportions import wilson_interval

Slots = Counter[tuple[str, str]]


def list_slots(answer: dict[str, Any]) -> Slots:
    return Counter((name, value) for name, values in answer["slots"].items() for value in values)


def read_answers(run: Path) -> list[tuple[dict[str, Any] | None, dict[str, Any], str]]:
    """Return the student's answer (None where it is none), the right one, and the raw text."""
    rows = pq.read_table(run / "predictions.parquet").to_pylist()
    mine = [row for row in rows if row["system"] == "student" and row["repeat"] == 0]
    return [(row["parsed"] and json.loads(row["parsed"]), json.loads(row["reference"]), row["text"]) for row in mine]


def share(name: str, marks: list[bool]) -> str:
    if not marks:
        return f"{name:44s} none"
    low, high = wilson_interval(sum(marks), len(marks))
    return f"{name:44s} {sum(marks) / len(marks):.3f} [{low:.3f}, {high:.3f}]  n {len(marks):,}"


def slot_f1(pairs: list[tuple[Slots, Slots]]) -> str:
    counts = np.array([[(said & gold).total(), said.total(), gold.total()] for said, gold in pairs], np.float64)
    draws = bootstrap_sums(counts, 2000, 0, None)
    low, high = percentile_interval(2 * draws[:, 0] / (draws[:, 1] + draws[:, 2]), 0.95)
    right, claimed, wanted = counts.sum(axis=0)
    return (
        f"{'slot F1 (name and value)':44s} {2 * right / (claimed + wanted):.3f} [{low:.3f}, {high:.3f}]  "
        f"precision {right / claimed:.3f}, recall {right / wanted:.3f}"
    )


def name_error(said: dict[str, Any] | None, gold: dict[str, Any]) -> str:
    """Name the first thing that is wrong, in the order in which an answer is written."""
    if said is None:
        return "no usable answer"
    if said["intent"] != gold["intent"]:
        return "intent"
    mine, right = list_slots(said), list_slots(gold)
    if Counter(name for name, _ in mine.elements()) != Counter(name for name, _ in right.elements()):
        return (
            "names of slots" if {v for _, v in mine} != {v for _, v in right} else "name of a slot, its span is right"
        )
    return "span of a slot" if mine != right else "order of a slot's values"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    options = parser.parse_args()
    answers = read_answers(options.run)
    taught = [json.loads(line)["gold"] for line in options.train.read_text(encoding="utf-8").splitlines()]
    seen = {value for gold in taught for _, value in list_slots(gold)}
    pairs = [(list_slots(said) if said else Counter(), list_slots(gold)) for said, gold, _ in answers]
    print(share("whole object", [said == gold for said, gold, _ in answers]))
    print(share("a usable answer (JSON under the schema)", [said is not None for said, *_ in answers]))
    print(share("intent", [bool(said) and said["intent"] == gold["intent"] for said, gold, _ in answers]))
    names = [({name for name, _ in said}, {name for name, _ in gold}) for said, gold in pairs]
    print(share("set of slot names", [said == gold for said, gold in names]))
    print(slot_f1(pairs))
    for name, known in (("seen in training", True), ("never seen", False)):
        found = [slot in said for said, gold in pairs for slot in gold.elements() if (slot[1] in seen) is known]
        print(share(f"slot right, its value {name}", found))
    wrong = [(said, gold, text) for said, gold, text in answers if said != gold]
    for kind, count in Counter(name_error(said, gold) for said, gold, _ in wrong).most_common():
        print(f"wrong by {kind:35s} {count:4d}  {count / len(answers):.3f}")
    for _, gold, text in wrong[: options.rows]:
        print(f"\nright  {json.dumps(gold, sort_keys=True, ensure_ascii=False)}\nsaid   {text}")


if __name__ == "__main__":
    main()

"""A finished run on disk in milliseconds: real store, real run directory, made-up numbers. Nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from distill.app.runs import Run, write_run
from distill.engine.parquet import write_rows
from distill.engine.runner import StageResult
from distill.engine.store import Store
from distill.records.tables import CANDIDATES, COMPLETIONS, PREDICTIONS

DIGEST = "d" * 64
CONFIG: dict[str, Any] = {
    "name": "small",
    "task": {"output": "label", "labels": ["a", "b"], "system": "Say a or b | <b>now</b>"},
    "data": {"source": "rows.jsonl", "gold": "gold", "heldout": {"source": "held.jsonl"}},
    "teacher": {
        "model": "big-1",
        "provider": "openai",
        "terms": {"training_on_outputs": "allowed", "source": "https://terms.example"},
        "price_is_assumption": False,
    },
    "filters": [{"name": "parseable", "options": {}}],
    "student": {"kind": "classifier", "base": "org/small-base", "objective": {"hard": 1.0}, "lora": None, "epochs": 2,
                "learning_rate": 0.001, "seed": 7, "max_length_tokens": 128},
    "evaluate": {"fallback": None},
    "gate": {"rules": [{"metric": "accuracy"}]},
    "costs": {"requests_per_day": 1000.0, "student": {"usd_per_hour": 0.5, "utilisation": 0.5},
              "training": {"usd_per_hour": 1.0}, "audit_rate": 0.02},
}  # fmt: skip
RULE = {
    "rule": "non_inferiority", "metric": "accuracy", "of": "student", "versus": "teacher", "slice": None,
    "outcome": "pass", "reason": "shown", "policy": "block", "student": 0.9, "teacher": 0.95, "difference": -0.05,
    "low": -0.08, "high": -0.01, "margin": 0.1, "max": None, "min": None, "n": 40, "p_value": 0.01, "alpha": 0.05,
    "power": 0.9, "needed_n": None,
}  # fmt: skip
LEDGER = {
    "ledger": {"usd": 0.04, "wasted_usd": 0.001, "attempts_by_error": {"timeout": 2}, "estimated_calls": 0,
               "models_served": {"big-1": 40}},
    "price": {"source": "price book"},
    "standing": {"sunset": "2027-01-01", "days_left": 30},
    "is_rehearsal": False,
    "model": "big-1",
}  # fmt: skip
LEDGER["teachers"] = [dict(LEDGER)]


def _prediction(index: int, system: str, right: bool) -> dict[str, object]:
    return {
        "id": f"e{index:02}", "system": system, "repeat": 0, "text": "a", "parsed": '"a"', "reference": '"a"',
        "correct": right, "score": float(right), "confidence": 0.5 + index / 100 if system == "student" else None,
        "error_kind": None, "latency_ms": (4.0 if system == "student" else 400.0) + index, "input_tokens": 100,
        "output_tokens": 2, "cost_usd": 0.001 if system == "teacher" else None, "slices": {"lang": "en"},
        "cluster": None, "content_hash": "0",
    }  # fmt: skip


def _kept(index: int) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(CANDIDATES.names)
    return {**row, "id": f"t{index}", "teacher": 0, "sample": 0, "text": "x" * index,
            "target": "ab"[index % 2], "answer": "a", "output_tokens": 2, "cost_usd": 0.001,
            "slices": {"lang": "en"}}  # fmt: skip


def _bought(index: int) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(COMPLETIONS.names)
    return {**row, "id": f"t{index}", "teacher": 0, "sample": 0, "key": f"k{index}", "text": "a", "input_tokens": 100,
            "cached_input_tokens": 0, "output_tokens": 2, "usage_estimated": False, "cost_usd": 0.001}  # fmt: skip


def make_small_run(
    root: Path,
    run_id: str = "20260101-000000-aaaaaa",
    *,
    name: str = "small",
    wrong: int = 4,
    verdict: str = "promote",
    config: dict[str, Any] | None = None,
) -> Run:
    """Leave a finished run under `root/runs` and `root/state`; the student gets the first `wrong` of 40 rows wrong."""
    store = Store(root / "state")
    keys = {stage: f"{index}{run_id[-6:]}".ljust(64, "0") for index, stage in enumerate(STAGES)}
    predictions = [_prediction(i, "student", i >= wrong) for i in range(40)]
    predictions += [_prediction(i, "teacher", i >= 2) for i in range(40)]
    scores = _scores(wrong)
    gate = {"decision": verdict, "reason": "all 1 blocking rules pass", "rules": [RULE], "heldout_looks": 1,
            "heldout_digest": DIGEST, "confidence": 0.95, "generated_by": "distill gate 1", "notes": []}  # fmt: skip
    written: dict[str, dict[str, Any]] = {
        "ingest": {},
        "split": {"open/audit.json": AUDIT, "sealed/seal.json": {"digest": DIGEST, "rows": 40}},
        "generate": {"ledger.json": LEDGER, "completions.parquet": ([_bought(i) for i in range(40)], COMPLETIONS)},
        "filter": {"funnel.json": FUNNEL, "kept.parquet": ([_kept(i) for i in range(38)], CANDIDATES)},
        "train": {"training.json": {"base": {"name": "org/small-base", "licence": "mit", "hashes": {}}, "seconds": 60.0,
                                    "total_parameters": 10, "rows_trained": 38, "history": []}},
        "evaluate": {"evaluation.json": {"finished": "2026-01-01T00:00:05+00:00", "reference": "gold", "seconds": 9.0,
                                         "heldout_digest": DIGEST, "heldout_rows": 40, "look": 1, "threshold": None,
                                         "throughput_per_s": 50.0},
                     "ledger.json": LEDGER, "predictions.parquet": (predictions, PREDICTIONS),
                     "student/weights.bin": {"w": wrong}, "student/distill.json": {"thresholds": {}, "base": {}}},
        "gate": {"gate.json": gate, "scores.json": scores},
        "report": {"report.html": {}, "costs.json": COSTS},
    }  # fmt: skip
    for index, stage in enumerate(STAGES):
        _publish(store, stage, keys[stage], written[stage], index, keys)
    results = [
        StageResult(stage, keys[stage], "ran", 1.0, 40, 40, 0.04 if stage == "generate" else 0.0) for stage in STAGES
    ]
    facts: dict[str, object] = {
        "config": {**CONFIG, "name": name, **(config or {})},
        "verdict": verdict,
        "state_dir": str(root / "state"),
        "versions": {"python": "3.11"},
        "commit": "abc",
        "machine": {"system": "Linux", "cores": 2},
        "finished": f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00+00:00",
    }
    files = {file: store.directory(stage, keys[stage]) / file for file, stage in COPIED.items()}
    student = store.directory("evaluate", keys["evaluate"]) / "student"
    run = write_run(root / "runs", name, run_id, facts, results, files, {"student": student})
    (run.directory / "log.jsonl").write_text(
        '{"event": "stage_finished", "stage": "gate", "timestamp": "2026-01-01T00:00:09Z"}\nnot json\n'
    )
    return run


def _scores(wrong: int) -> dict[str, Any]:
    def score(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.05, "high": min(1.0, value + 0.05), "n": 40}

    systems = {
        "student": {"accuracy": score(1 - wrong / 40), "p50_latency_ms": score(23.5), "p95_latency_ms": score(41.0)},
        "teacher": {"accuracy": score(0.95), "p95_latency_ms": score(440.0)},
    }
    return {"systems": systems, "slices": {"lang=en": {"student": {"accuracy": score(1 - wrong / 40)}}}}


def _publish(store: Store, stage: str, key: str, files: dict[str, Any], index: int, keys: dict[str, str]) -> None:
    with store.claim(stage, key) as scratch:
        for name, body in files.items():
            path = scratch.output_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(body, tuple):
                write_rows(*body, path)
            else:
                path.write_text(json.dumps(body))
        record = {
            "version": 1, "config": RECORDED.get(stage, {}), "started_unix_s": 1_767_225_600.0 + index, "seconds": 1.0,
            "upstream": {"examples": keys["ingest"]} if stage == "split" else {"evaluate": keys["evaluate"]},
            "parts": {}, "rows_in": 40, "rows_out": 40, "cost_usd": 0.0, "commit": "abc", "lock": "f" * 64,
            "versions": {"python": "3.11"}, "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
            "facts": {},
        }  # fmt: skip
        store.publish(stage, key, record)


STAGES = ("ingest", "split", "generate", "filter", "train", "evaluate", "gate", "report")
COPIED = {"gate.json": "gate", "scores.json": "gate", "costs.json": "report", "report.html": "report",
          "predictions.parquet": "evaluate"}  # fmt: skip
AUDIT = {"pool": 42, "train": 36, "validation": 4, "heldout": 40, "duplicates_removed": 2,
         "leaks_removed_from_train": 1, "overlap_exact": 0, "overlap_normalised": 0, "overlap_near": 1,
         "examples_of_leaks": []}  # fmt: skip
FUNNEL = [{"filter": "parseable", "reasons": {"unknown_label": 2}, "usd_dropped": 0.002, "samples": []}]
COSTS = {"system": "student", "student": {"per_1k_usd": 0.0055, "accuracy": 0.9}, "one_off": {"total_usd": 0.09},
         "teacher": {"per_1k_usd": 1.0, "accuracy": 0.95, "calls": 40}}  # fmt: skip
RECORDED = {"ingest": {"digests": {"source": "5" * 64}}}

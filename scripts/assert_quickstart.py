"""Check what a quickstart left behind, as CI sees it: every file of the contract is there and says something."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

RUN = Path("runs/quickstart/latest")
run = json.loads((RUN / "run.json").read_text())
gate = json.loads((RUN / "gate.json").read_text())
costs = json.loads((RUN / "costs.json").read_text())
predictions = pq.read_table(RUN / "predictions.parquet")
report = (RUN / "report.html").read_text(encoding="utf-8")
printed = Path(sys.argv[1]).read_text(encoding="utf-8")

stages = [stage["stage"] for stage in run["stages"]]
assert stages == ["ingest", "split", "generate", "filter", "train", "evaluate", "gate", "report"], stages
assert gate["decision"] in {"promote", "hold", "inconclusive", "invalid"}, gate["decision"]
assert run["verdict"] == gate["decision"], (run["verdict"], gate["decision"])
assert gate["rules"], "no rule was judged"
assert costs["teacher"]["calls"] > 0, costs["teacher"]
systems = set(predictions.column("system").to_pylist())
assert {"student", "teacher", "cascade", "majority", "linear_probe"} <= systems, systems
per_system = predictions.num_rows / len(systems)
assert per_system == 960, per_system
assert (RUN / "student" / "adapter_model.safetensors").is_file()
assert (RUN / "student" / "README.md").is_file()
assert "rehearsal" in report, "the report does not say that this was a rehearsal"
assert "http://" not in report.replace("http://www.w3.org", ""), "the report refers to another host"
assert gate["decision"] in printed.lower(), "the verdict was not printed"
print(f"quickstart: {gate['decision']}, {predictions.num_rows} predictions, report {len(report) // 1024} KB")

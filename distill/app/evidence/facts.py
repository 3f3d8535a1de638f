"""What a run knows for each point of the Annex: a fact with its value and the file it came from, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distill import __version__
from distill.app.evidence.channels import AGAINST
from distill.app.evidence.sources import Sources
from distill.app.runs import list_teachers
from distill.engine.channels import ChannelEntry
from distill.reports.annex import Fact

RUN, GATE, COSTS, SCORES = "run.json", "gate.json", "costs.json", "scores.json"


def gather_facts(sources: Sources, entries: Sequence[ChannelEntry]) -> dict[str, list[Fact]]:
    """Return Annex number -> facts; points that the run knows nothing about are absent.

    Args:
        sources: what the run left.
        entries: the channel entries that concern this run.
    """
    found = {
        "1(a)": _identity(sources),
        "1(b)": [_fact("interface", "OpenAI-compatible HTTP API (distill serve)", "docs/serving.md")],
        "1(c)": _versions(sources),
        "1(e)": _hardware(sources),
        "2(a)": _methods(sources),
        "2(b)": _design(sources),
        "2(c)": _resources(sources),
        "2(d)": _data(sources),
        "2(e)": _oversight(sources, entries),
        "2(g)": _testing(sources),
        "3": _limits(sources),
        "4": _metrics(sources),
        "6": _changes(entries),
        "9": _monitoring(sources),
    }
    return {number: facts for number, facts in found.items() if facts}


def _fact(name: str, value: object, source: str) -> Fact:
    return Fact(name, str(value), source)


def _known(pairs: Sequence[tuple[str, object, str]]) -> list[Fact]:
    return [_fact(name, value, source) for name, value, source in pairs if value not in (None, "", [], {})]


def _identity(sources: Sources) -> list[Fact]:
    run, task = sources.run, sources.config["task"]
    return _known(
        [
            ("name", run.facts["name"], RUN),
            ("version (run)", run.id, RUN),
            ("made", run.facts.get("finished"), RUN),
            ("output", task["output"], RUN),
            ("instruction to the teacher", task.get("system"), RUN),
            ("labels", ", ".join(task["labels"]) if task.get("labels") else None, RUN),
        ]
    )


def _versions(sources: Sources) -> list[Fact]:
    versions: Mapping[str, str] = sources.run.facts.get("versions") or {}  # pyright: ignore[reportAssignmentType] JSON
    pairs: list[tuple[str, object, str]] = [(name, version, RUN) for name, version in versions.items()]
    return _known([*pairs, ("commit", sources.run.facts.get("commit"), RUN)])


def _hardware(sources: Sources) -> list[Fact]:
    machine: Mapping[str, Any] = sources.run.facts.get("machine") or {}  # pyright: ignore[reportAssignmentType] JSON
    rate = sources.config["costs"]["student"].get("usd_per_hour")
    measured = sources.get(COSTS, "student", "throughput_per_s")
    return _known(
        [
            ("machine of the run", ", ".join(f"{k} {v}" for k, v in machine.items()), RUN),
            ("serving machine, USD an hour (stated)", rate, RUN),
            ("measured there, answers a second", measured, COSTS),
        ]
    )


def _methods(sources: Sources) -> list[Fact]:
    panel = list_teachers(sources.run)
    student = sources.config["student"]
    base = sources.get("training.json", "base") or {}
    served = sources.get("generate/ledger.json", "ledger", "models_served") or {}
    return _known(
        [
            ("method", "distillation: a student is trained on a teacher's filtered answers", RUN),
            ("stages", ", ".join(f"{stage} ({key[:12]})" for stage, key in sources.run.keys.items()), RUN),
            *(("third-party system: teacher", f"{one['model']} ({one['provider']})", RUN) for one in panel),
            ("model that answered", ", ".join(served), "generate/ledger.json"),
            *(line for one in panel for line in _terms(one, panel)),
            ("teacher's sunset", sources.get("generate/ledger.json", "standing", "sunset"), "generate/ledger.json"),
            ("pre-trained base", base.get("name"), "training.json"),
            ("base revision", base.get("revision"), "training.json"),
            ("base licence", base.get("licence"), "training.json"),
            ("student kind", student["kind"], RUN),
        ]
    )


def _terms(teacher: Mapping[str, Any], panel: Sequence[Mapping[str, Any]]) -> list[tuple[str, object, str]]:
    whose = f" ({teacher['model']})" if len(panel) > 1 else ""
    terms = teacher["terms"]
    return [
        (f"terms on training with its outputs{whose}", terms["training_on_outputs"], RUN),
        (f"source of these terms{whose}", terms.get("source"), RUN),
    ]


def _design(sources: Sources) -> list[Fact]:
    student, evaluate = sources.config["student"], sources.config["evaluate"]
    threshold = sources.get("evaluation.json", "threshold") or {}
    return _known(
        [
            ("optimises", f"objective weights {student['objective']}", RUN),
            ("adapter", student.get("lora") or "all weights are trained", RUN),
            ("epochs, learning rate, seed", f"{student['epochs']}, {student['learning_rate']}, {student['seed']}", RUN),
            ("fallback to the teacher", evaluate.get("fallback") or "none", RUN),
            ("confidence threshold in use", threshold.get("threshold"), "evaluation.json"),
            ("trade-off accepted", _say_trade_off(sources), COSTS),
        ]
    )


def _say_trade_off(sources: Sources) -> str | None:
    ours, teacher = sources.get(COSTS, sources.get(COSTS, "system") or "student") or {}, sources.get(COSTS, "teacher")
    if not teacher or ours.get("accuracy") is None or teacher.get("accuracy") is None:
        return None
    return (
        f"right answers {ours['accuracy']:.2%} against the teacher's {teacher['accuracy']:.2%}, at "
        f"{ours.get('per_1k_usd')} against {teacher.get('per_1k_usd')} USD per 1,000 requests"
    )


def _resources(sources: Sources) -> list[Fact]:
    training = sources.files.get("training.json") or {}
    pairs: list[tuple[str, object, str]] = [
        ("parameters", training.get("total_parameters"), "training.json"),
        ("of these trained", training.get("trainable_parameters"), "training.json"),
        ("training time, s", training.get("seconds"), "training.json"),
        ("training tokens", training.get("tokens"), "training.json"),
        ("training steps", training.get("steps"), "training.json"),
        ("teacher calls", sources.get(COSTS, "teacher", "calls"), COSTS),
        ("spent once, USD", sources.get(COSTS, "one_off", "total_usd"), COSTS),
    ]
    return _known(pairs)


def _data(sources: Sources) -> list[Fact]:
    data, audit = sources.config["data"], sources.files.get("audit.json") or {}
    return _known(
        [
            ("source", data["source"], RUN),
            ("held-out source", data["heldout"].get("source") or "cut from the same source", RUN),
            ("training rows", audit.get("train"), "audit.json"),
            ("validation rows", audit.get("validation"), "audit.json"),
            ("held-out rows", audit.get("heldout"), "audit.json"),
            ("duplicates removed", audit.get("duplicates_removed"), "audit.json"),
            ("leaks removed from training", audit.get("leaks_removed_from_train"), "audit.json"),
            ("labelling", "by the teacher; gold is used only to evaluate and where a filter says so", RUN),
            ("cleaning", ", ".join(step["name"] for step in sources.config["filters"]), RUN),
            ("summary", "training-data.md", "training-data.md"),
        ]
    )


def _oversight(sources: Sources, entries: Sequence[ChannelEntry]) -> list[Fact]:
    gate = "a student is promoted only by a person's command, and only if the gate said promote or a reason is given"
    overrides = [entry for entry in entries if entry.action in AGAINST]
    facts = [_fact("measure", gate, "distill promote"), _fact("measure", "distill rollback restores any version", "")]
    facts.append(_fact("decision of the gate", sources.get(GATE, "decision") or "not reached", GATE))
    facts.append(_fact("overrides and rollbacks of this run", len(overrides), "human-oversight.json"))
    return facts


def _testing(sources: Sources) -> list[Fact]:
    facts = _known(
        [
            ("decision", sources.get(GATE, "decision"), GATE),
            ("reason", sources.get(GATE, "reason"), GATE),
            ("confidence", sources.get(GATE, "confidence"), GATE),
            ("held-out digest", sources.get(GATE, "heldout_digest"), GATE),
            ("looks at the held-out set", sources.get(GATE, "heldout_looks"), GATE),
            ("scored against", sources.get("evaluation.json", "reference"), "evaluation.json"),
        ]
    )
    for rule in sources.get(GATE, "rules") or ():
        where = f" on {rule['slice']}" if rule.get("slice") else ""
        facts.append(
            _fact(f"rule: {rule['metric']} of {rule['of']}{where}", f"{rule['outcome']}: {rule['reason']}", GATE)
        )
    return facts


def _limits(sources: Sources) -> list[Fact]:
    facts: list[Fact] = []
    for name, systems in (sources.get(SCORES, "slices") or {}).items():
        score = (systems.get("student") or {}).get("accuracy")
        if score and score.get("value") is not None:
            shown = f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f}, n {score['n']})"
            facts.append(_fact(f"accuracy for group {name}", shown, SCORES))
    failing = [r for r in sources.get(GATE, "rules") or () if r["outcome"] in ("fail", "inconclusive")]
    facts += [_fact(f"not shown: {r['metric']} of {r['of']}", r.get("slice") or "all examples", GATE) for r in failing]
    limit = sources.config["student"].get("max_length_tokens")
    return facts + _known([("longest input, tokens", limit, RUN)])


def _metrics(sources: Sources) -> list[Fact]:
    systems = sources.get(SCORES, "systems") or {}
    rules = sources.config["gate"]["rules"]
    judged = ", ".join(sorted({rule["metric"] for rule in rules}))
    return _known([("judged by", judged, RUN), ("measured", ", ".join(systems.get("student", {})), SCORES)])


def _changes(entries: Sequence[ChannelEntry]) -> list[Fact]:
    return [
        _fact(f"{e.channel} version {e.version}, {e.when[:19]}", f"{e.action} by {e.who}: {e.why}", "promotions.json")
        for e in entries
    ]


def _monitoring(sources: Sources) -> list[Fact]:
    rate = sources.config["costs"].get("audit_rate")
    return _known(
        [
            (
                "tool",
                f"distill {__version__} monitor: drift, disagreement, invalid answers, latency",
                "docs/operations.md",
            ),
            ("share of answers audited by the teacher (planned)", rate, RUN),
        ]
    )

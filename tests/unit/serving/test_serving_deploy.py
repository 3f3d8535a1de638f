"""The files in deploy/ agree with the code and with each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from keyword_student import make_keyword_student
from live_gateway import run

from distill.cli.serve import command as serve_command
from distill.monitoring.drift import TESTS
from distill.monitoring.signals import SIGNALS
from distill.serving.config import ServeConfig
from distill.serving.gateway import Gateway
from distill.serving.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\bdistill_[a-z_]+")


def read_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in read_yaml("prometheus-rules.yaml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [t["expr"] for panel in panels() for t in panel.get("targets", ())]


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Sample name -> its labels, for everything /metrics can show."""

    async def make() -> Telemetry:
        return Telemetry(Gateway(ServeConfig(), "production", make_keyword_student(), None), lambda: 0, lambda: 0)

    telemetry: Telemetry = run(make())
    telemetry.requests.labels("student", "200", "main").inc()
    telemetry.reasons.labels("timeout", "main").inc()
    telemetry.seconds.labels("student").observe(0.1)
    telemetry.audited(True)
    found: dict[str, set[str]] = {}
    for family in telemetry.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_named_in_deploy_exists(metrics: dict[str, set[str]]) -> None:
    named = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert len(named) >= 8
    assert named <= metrics.keys()


def test_every_label_named_in_deploy_exists(metrics: dict[str, set[str]]) -> None:
    labels = {label for names in metrics.values() for label in names} | {"job"}
    for expression in expressions():
        used = {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in re.split(r",\s*", group)}
        used |= set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~?|!~|!=)", expression))
        assert used <= labels, expression


def test_every_gauge_and_counter_is_on_the_dashboard(metrics: dict[str, set[str]]) -> None:
    shown = {name for panel in panels() for t in panel["targets"] for name in METRIC.findall(t["expr"])}
    wanted = {name for name in metrics if not name.endswith(("_created", "_count", "_sum"))}
    assert wanted <= shown


def test_every_alert_and_alarm_has_its_runbook_entry() -> None:
    headings = set(re.findall(r"^### (\S+)$", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE))
    alarms = {*SIGNALS, *TESTS, "disagreement", "disagreement_level", "teacher_drift", "student_drift", "canary"}
    assert alarms | {"requests", "audits", "parity"} <= headings
    assert {rule["alert"] for rule in rules()} <= headings
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor) == ("docs/operations.md", rule["alert"].lower())


def test_no_runbook_entry_is_about_an_alarm_that_is_gone() -> None:
    headings = set(re.findall(r"^### (\S+)$", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE))
    alarms = {*SIGNALS, *TESTS, "disagreement", "disagreement_level", "teacher_drift", "student_drift", "canary"}
    assert headings <= alarms | {"requests", "audits", "parity"} | {rule["alert"] for rule in rules()}


def command_lines() -> dict[str, list[str]]:
    """What each file starts the gateway with."""
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    image = json.loads(re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)[0])
    composed = read_yaml("compose.yaml")["services"]["gateway"]["command"]
    kubernetes = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
    (deployment,) = (one for one in kubernetes if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {"Dockerfile": image, "compose": list(map(str, composed)), "kubernetes": list(map(str, container["args"]))}


@pytest.mark.parametrize("name", ["Dockerfile", "compose", "kubernetes"])
def test_the_gateway_is_started_with_options_it_has(name: str) -> None:
    line = command_lines()[name]
    known = {option for parameter in serve_command.params for option in parameter.opts}
    assert line[0] == "serve"
    assert {word for word in line if word.startswith("--")} <= known
    assert "0.0.0.0" in line


def test_ports_agree() -> None:
    ports = {name: line[line.index("--port") + 1] for name, line in command_lines().items()}
    exposed = re.findall(r"^EXPOSE (\d+)$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    published = read_yaml("compose.yaml")["services"]["gateway"]["ports"][0].split(":")[-1]
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
    (pod,) = (one["spec"]["template"] for one in documents if one["kind"] == "Deployment")
    container = pod["spec"]["containers"][0]
    (service,) = (one for one in documents if one["kind"] == "Service")
    scraped = read_yaml("prometheus.yaml")["scrape_configs"][0]["static_configs"][0]["targets"][0].split(":")[1]
    found = {
        *ports.values(), *exposed, published, scraped, str(ServeConfig().port),
        str(container["ports"][0]["containerPort"]), str(container["readinessProbe"]["httpGet"]["port"]),
        str(service["spec"]["ports"][0]["port"]),
    }  # fmt: skip
    assert found == {"8080"}


def test_there_is_time_to_drain_before_the_kill() -> None:
    drain = ServeConfig().drain_timeout_s
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
    (pod,) = (one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Deployment")
    assert pod["terminationGracePeriodSeconds"] > drain
    assert int(read_yaml("compose.yaml")["services"]["gateway"]["stop_grace_period"].rstrip("s")) > drain


def test_what_kubernetes_mounts_is_declared() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
    (pod,) = (one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Deployment")
    claims = {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    assert claims == {one["metadata"]["name"] for one in documents if one["kind"] == "PersistentVolumeClaim"}
    assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_the_student_compose_serves_is_the_one_it_asks_for() -> None:
    services = read_yaml("compose.yaml")["services"]
    line, vllm = command_lines()["compose"], list(map(str, services["vllm"]["command"]))
    assert line[line.index("--student-url") + 1] == "http://vllm:8000/v1"
    assert vllm[vllm.index("--served-model-name") + 1] == line[line.index("--student-model") + 1]


def test_no_secret_is_written_down() -> None:
    for path in DEPLOY.iterdir():
        assert not re.search(r"\bsk-[A-Za-z0-9]{8,}", path.read_text(encoding="utf-8")), path

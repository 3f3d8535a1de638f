"""MLflow's registry follows a channel: aliases in step after promote, canary, rollback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("mlflow")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def aliases(uri: str) -> dict[str, str]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = client.get_registered_model("distill-production").aliases
    versions = {
        str(v.version): v.tags["distill.run"] for v in client.search_model_versions("name='distill-production'")
    }
    return {alias: versions[str(number)] for alias, number in found.items()}


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlflow").as_uri()


def test_aliases_follow_the_channel(project, cli, uri: str) -> None:
    runs, state = ("--runs-dir", project.runs_dir, "--mlflow", uri), ("--state-dir", project.state_dir, "--mlflow", uri)
    project.add_run("r1")
    project.add_run("r2")
    assert cli("promote", "r1", *runs).code == 0
    assert aliases(uri) == {"serving": "r1"}
    assert cli("promote", "r2", *runs, "--canary", "0.05").code == 0
    assert aliases(uri) == {"serving": "r1", "canary": "r2"}
    assert cli("rollback", *state).code == 0
    assert aliases(uri) == {"serving": "r1"}
    assert cli("promote", "r2", *runs).code == 0
    assert aliases(uri) == {"serving": "r2"}


def test_a_registry_that_cannot_follow_does_not_undo_the_promotion(project, cli) -> None:
    project.add_run("r1")
    told = cli("promote", "r1", "--runs-dir", project.runs_dir, "--mlflow", "file:///proc/no/such/place")
    assert (told.code, "repeat with: distill channels production --mlflow" in told.err) == (1, True)
    shown = cli("channels", "--state-dir", project.state_dir, "--json")
    assert json.loads(shown.out)["production"][0]["version"] == 1

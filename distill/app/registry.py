"""MLflow's model registry beside a channel: a model version a target, aliases `serving` and `canary` kept in step.

The channel is the truth: this only copies it, so that it can be run again at any time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distill.engine.channels import ChannelEntry, Channels, Depot
from distill.errors import MissingExtraError, StoreError, UsageError

SERVING, CANARY = "serving", "canary"


def keep_in_step(uri: str, place: Path | str, channel: str, state_dir: Path) -> str:
    """Bring the registered model `distill-<channel>` at an MLflow tracking URI to what the channel says.

    Raises:
        MissingExtraError: mlflow is not installed.
        UsageError: nothing was promoted to the channel.
        StoreError: the registry refuses; the channel itself has moved, and this can be repeated.
    """
    try:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 an extra
        from mlflow.tracking import MlflowClient  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("mlflow-skinny", "mlflow") from error
    channels = Channels(place)
    _, serving, canary = channels.state(channel)
    if serving is None:
        raise UsageError(f"channel {channel!r} points at nothing; there is nothing to register")
    name, depot = f"distill-{channel}", Depot(place, state_dir)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        _ensure_model(client, name, MlflowException)
        number = _ensure_version(client, name, serving, depot)
        client.set_registered_model_alias(name, SERVING, number)
        if canary is not None:
            client.set_registered_model_alias(name, CANARY, _ensure_version(client, name, canary, depot))
        else:
            client.delete_registered_model_alias(name, CANARY)
    except (MlflowException, OSError) as error:
        raise StoreError(
            f"the channel has moved, but MLflow at {uri} could not follow: {error}; repeat with: "
            f"distill channels {channel} --mlflow {uri}"
        ) from error
    return f"MLflow model {name!r}: alias {SERVING!r} is version {number} ({serving.label})"


def _ensure_model(client: Any, name: str, refusal: type[Exception]) -> None:  # noqa: ANN401 mlflow ships no types
    try:
        client.get_registered_model(name)
    except refusal:
        client.create_registered_model(name, description="Kept in step with a distill channel; do not edit by hand")


def _ensure_version(client: Any, name: str, entry: ChannelEntry, depot: Depot) -> str:  # noqa: ANN401
    """Return the model version of an entry's target, made if it is not there."""
    for known in client.search_model_versions(f"name='{name}'"):
        if known.tags.get("distill.target") == entry.target:
            return str(known.version)
    tags = {
        "distill.target": entry.target,
        "distill.version": entry.label,
        "distill.hash": entry.hash,
        "distill.run": str(entry.metadata.get("run", "")),
        "distill.decision": str(entry.metadata.get("decision", "")),
    }
    source = depot.fetch(entry.target).resolve().as_uri()
    made = client.create_model_version(name, source, tags=tags, description=entry.why)
    return str(made.version)

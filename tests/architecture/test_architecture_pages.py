"""What the pages say is what the code does: generated references, the README's commands, files and links."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from distill.cli import COMMANDS
from distill.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
STATUS = "Not built yet"


def _load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _named_commands(text: str) -> set[str]:
    return set(
        re.findall(r"\bdistill ([a-z]+)\b", "\n".join(re.findall(r"`[^`\n]+`|```console.*?```", text, re.DOTALL)))
    )


def test_the_reference_says_what_the_code_says() -> None:
    """In a process of its own: click keeps the help option as its first caller, perhaps a test, asked for it."""
    maker = [sys.executable, str(ROOT / "scripts" / "make_reference.py"), "--check"]
    checked = subprocess.run(maker, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (checked.returncode, checked.stdout.strip()) == (0, ""), checked.stderr


def test_a_stale_reference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = _load_maker()
    for name, text in maker.make_pages().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(maker, "DOCS", tmp_path)
    assert maker.find_stale() == []
    (tmp_path / "errors.md").write_text("something else", encoding="utf-8")
    assert maker.find_stale() == ["errors.md"]


def test_the_readme_s_commands_exist() -> None:
    built = (ROOT / "README.md").read_text(encoding="utf-8").split(STATUS)[0]
    named = _named_commands(built)
    assert {"run", "plan", "gate", "promote"} <= named
    assert named <= COMMANDS.keys()


def test_the_readme_s_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (ROOT / link).exists()]
    assert missing == []


def test_the_readme_s_own_teacher_is_a_valid_config() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    given = dict(re.findall(r"^  (model|base_url|api_key_env): (\S+)", text, re.MULTILINE))
    assert given.keys() == {"model", "base_url", "api_key_env"}
    overrides = [f"teacher.{key}={value}" for key, value in given.items()]
    loaded = load_config(ROOT / "configs" / "banking77.yaml", overrides, {})
    assert loaded.pipeline.teacher.base_url == given["base_url"]

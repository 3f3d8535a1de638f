"""Shell completion: commands and options, offered without loading what they run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _complete(words: str, position: int) -> str:
    program = (
        "import sys\nfrom distill.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(str('torch' in sys.modules))"
    )
    environment = os.environ | {"_DISTILL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True, timeout=60)
    assert ran.stderr == "False"
    return ran.stdout


@pytest.mark.parametrize(("typed", "offered"), [("distill re", "rehearse"), ("distill ", "plan")])
def test_commands_are_offered(typed, offered):
    assert f"plain,{offered}" in _complete(typed, 1).splitlines()


def test_options_are_offered():
    assert "plain,--budget" in _complete("distill run x.yaml --b", 3).splitlines()


def test_the_script_for_a_shell_is_printed():
    environment = os.environ | {"_DISTILL_COMPLETE": "bash_source"}
    ran = subprocess.run([sys.executable, "-m", "distill"], env=environment, text=True, capture_output=True, timeout=60)
    assert "_DISTILL_COMPLETE=bash_complete" in ran.stdout

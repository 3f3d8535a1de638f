"""GGUF for llama.cpp, by llama.cpp's own converter where there is one: its format follows its code, not a library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.students.exporting.merged import open_merged, write_merged
from distill.students.manifest import read_manifest

VARIABLE = "DISTILL_GGUF_CONVERTER"
SCRIPT = "convert_hf_to_gguf.py"
OUT_TYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
CONVERTER_TIMEOUT_S = 3600


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> None:
    """Merge, then let the converter write student.gguf. Nothing here can read it back, so parity is not measured.

    Raises:
        UsageError: the student is no causal language model, there is no converter, or it failed.
        StoreError: the student is damaged.
    """
    if read_manifest(source).kind != "causal_lm":
        raise UsageError("--format gguf is for causal_lm students; use merged or onnx for this one")
    converter = find_converter()
    with tempfile.TemporaryDirectory() as folder:
        write_merged(open_merged(source, runtime), Path(folder), dtype)
        command = [*converter, folder, "--outfile", str(target / "student.gguf"), "--outtype", OUT_TYPES[dtype]]
        done = subprocess.run(  # noqa: S603 the user's own converter
            command, capture_output=True, text=True, check=False, timeout=CONVERTER_TIMEOUT_S
        )
    if done.returncode != 0 or not (target / "student.gguf").is_file():
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise UsageError(f"the GGUF converter failed with code {done.returncode}: {last}")


def find_converter() -> list[str]:
    """Return the command of llama.cpp's converter.

    Raises:
        UsageError: none is found; the message says where to get it.
    """
    named = os.environ.get(VARIABLE)
    found = named or shutil.which(SCRIPT)
    if found is None or not Path(found).is_file():
        why = f"{VARIABLE} names {named!r}, which is no file" if named else f"{SCRIPT} is not on PATH"
        raise UsageError(
            f"no GGUF converter: {why}; get it from llama.cpp (github.com/ggml-org/llama.cpp) and set "
            f"{VARIABLE}=/path/to/{SCRIPT}, "
            "or use --format merged and convert that folder yourself"
        )
    return [found] if os.access(found, os.X_OK) and not found.endswith(".py") else [sys.executable, found]

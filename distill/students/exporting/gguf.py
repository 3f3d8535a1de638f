"""GGUF for llama.cpp, by llama.cpp's own converter where there is one: its format follows its code, not a library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

from transformers import PreTrainedTokenizerBase

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.students.chat import open_chat
from distill.students.exporting import gguf_converter
from distill.students.exporting.gguf_reading import Llama, open_gguf
from distill.students.exporting.gguf_splitters import SPLITTERS, name_splitter
from distill.students.exporting.merged import Merged, open_merged, write_merged
from distill.students.exporting.protocol import Outcome
from distill.students.manifest import read_manifest
from distill.students.parity import Probe, compare, read_probe

VARIABLE = "DISTILL_GGUF_CONVERTER"
SCRIPT = "convert_hf_to_gguf.py"
FILE = "student.gguf"
OUT_TYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "q8_0": "q8_0"}
CONVERTER_TIMEOUT_S = 3600
_UNKNOWN = "pre-tokenizer was not recognized"


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> Outcome:
    """Merge in float32, let the converter write student.gguf, and read it back where llama-cpp-python is installed.

    Raises:
        UsageError: the student is no causal language model, there is no converter, it failed, or llama.cpp would
            not stop where the student's answers end.
        StoreError: the student is damaged.
    """
    if read_manifest(source).kind != "causal_lm":
        raise UsageError("--format gguf is for causal_lm students; use merged or onnx for this one")
    converter = find_converter()
    merged = open_merged(source, runtime)
    convert(converter, merged, target / FILE, OUT_TYPES[dtype])
    probe = read_probe(source)
    llama = open_gguf(target / FILE, probe.questions)
    if llama is None:
        return Outcome(unmeasured="llama-cpp-python is not installed, so nothing here reads GGUF back")
    end = open_chat(merged.tokenizer).end_id
    if not llama.ends_at(end):
        name = merged.tokenizer.convert_ids_to_tokens(end)
        raise UsageError(f"llama.cpp would not stop at {name!r}, which ends the student's answers; use --format merged")
    parity = compare(probe, llama.read, "gguf", dtype)
    return Outcome([replace(parity, misread_prompts=count_misread(probe, merged.tokenizer, llama))])


def convert(converter: list[str], merged: Merged, file: Path, out_type: str) -> None:
    """Let the converter write `file`, told how the tokenizer splits text where its vocabulary is foreign to it.

    Raises:
        UsageError: it failed.
    """
    splitter = name_splitter(merged.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        write_merged(merged, Path(folder), "float32")
        command = [*converter, folder, "--outfile", str(file), "--outtype", out_type]
        if splitter is not None and command[0] == sys.executable:
            command = [sys.executable, gguf_converter.__file__, splitter, *command[1:]]
        done = subprocess.run(  # noqa: S603 the user's own converter
            command, capture_output=True, text=True, check=False, timeout=CONVERTER_TIMEOUT_S
        )
    if done.returncode == 0 and file.is_file():
        return
    if _UNKNOWN in done.stderr:
        raise UsageError(
            "llama.cpp's converter does not know how this tokenizer splits text before it merges, and it is none of "
            f"{', '.join(SPLITTERS)}; use --format merged, or teach the converter (its convert_hf_to_gguf_update.py)"
        )
    last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    raise UsageError(f"the GGUF converter failed with code {done.returncode}: {last}")


def count_misread(probe: Probe, tokenizer: PreTrainedTokenizerBase, llama: Llama) -> int:
    """Return how many of the probe's prompts llama.cpp's tokenizer reads otherwise than the student's own does."""

    def is_misread(ids: list[int]) -> bool:
        text = cast("str", tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        own = cast("list[int]", tokenizer(text, add_special_tokens=False)["input_ids"])
        return llama.ids(text) != own

    return sum(is_misread(question.ids) for question in probe.questions)


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

"""The adapter as vLLM loads it beside its base: adapter_config.json, adapter_model.safetensors, the tokenizer.

What vLLM refuses (its PEFTHelper: DoRA, modules_to_save; ranks above its table) is refused here, where something
can be done about it.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import get_args

import peft

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.students.chat import open_chat
from distill.students.exporting.protocol import Outcome, compare_as_served
from distill.students.foundation import TINY_BASE_FOLDER, load_weights, reload_foundation
from distill.students.manifest import StudentManifest, read_manifest
from distill.students.parity import read_probe
from distill.students.reading import NumberType, cast_to, read_causal

MAX_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's --max-lora-rank takes."""
GENERATION = "generation_config.json"
"""Where answers end, and that they are greedy: else vLLM goes by the base's file, and samples."""
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


def export(source: Path, target: Path, dtype: str, runtime: RuntimeConfig) -> Outcome:
    """Copy the adapter and its tokenizer, and write serve.sh with the command that serves it.

    Raises:
        UsageError: the student is no adapter on a causal language model, or vLLM cannot load it.
        StoreError: the student is damaged.
    """
    del runtime
    manifest = read_manifest(source)
    _refuse(source, manifest, dtype)
    tokenizer_files = [
        p.name for p in source.iterdir() if p.name.startswith(("tokenizer", "special_", "chat_template"))
    ]
    for name in (*ADAPTER, *tokenizer_files, "distill.json"):
        shutil.copyfile(source / name, target / name)
    if (source / TINY_BASE_FOLDER).is_dir():
        shutil.copytree(source / TINY_BASE_FOLDER, target / TINY_BASE_FOLDER)
    (target / "serve.sh").write_text(write_command(manifest, dtype), encoding="utf-8")
    foundation, probe = reload_foundation("causal_lm", target, manifest), read_probe(source)
    answers = {"eos_token_id": list(open_chat(foundation.tokenizer).stop_ids), "temperature": 0.0}
    (target / GENERATION).write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    adapted = load_weights(target, foundation, merge=False).eval()
    return compare_as_served(probe, "vllm adapter", dtype, lambda run_in: read_causal(cast_to(adapted, run_in)))


def write_command(manifest: StudentManifest, dtype: str) -> str:
    """Return a shell script that serves base and adapter with vLLM in `dtype`."""
    lora = manifest.config.lora
    rank = next(r for r in MAX_RANKS if lora is not None and r >= lora.rank)
    name, revision = str(manifest.base["name"]), manifest.base["revision"]
    base = f'"$HERE/{TINY_BASE_FOLDER}"' if name == "tiny" else shlex.quote(_from_anywhere(name))
    pin = "" if revision is None else shlex.quote(str(revision))
    at = pin and f" --revision {pin} --tokenizer-revision {pin}"
    return (
        "#!/usr/bin/env bash\n# Serves the student as model `student` behind an OpenAI-compatible endpoint.\n"
        'HERE="$(cd "$(dirname "$0")" && pwd)"\n'
        f"exec vllm serve {base}{at} --dtype {dtype} --enable-lora --max-lora-rank {rank} "
        '--lora-modules student="$HERE" --generation-config "$HERE" --chat-template "$HERE/chat_template.jinja" "$@"\n'
    )


def _from_anywhere(name: str) -> str:
    """Return a base's name, or its whole path where it is a directory of this machine: the script runs elsewhere."""
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def _refuse(source: Path, manifest: StudentManifest, dtype: str) -> None:
    lora = manifest.config.lora
    if manifest.kind != "causal_lm":
        raise UsageError(f"--format vllm is for causal_lm students, not {manifest.kind}; use merged or onnx")
    if lora is None or not (source / peft.utils.CONFIG_NAME).is_file():
        raise UsageError("everything was trained, so there is no adapter; vLLM serves --format merged as it is")
    if lora.variant == "qlora":
        raise UsageError("vLLM would put the adapter on the base's full weights, not the 4 bits; use --format merged")
    if lora.variant == "dora":
        raise UsageError("vLLM cannot load DoRA adapters; use --format merged")
    if lora.rank > MAX_RANKS[-1]:
        raise UsageError(f"vLLM takes ranks up to {MAX_RANKS[-1]}, this one has {lora.rank}; use --format merged")
    if dtype not in get_args(NumberType):
        raise UsageError(f"vLLM serves an adapter in {', '.join(get_args(NumberType))}, not {dtype}; use --format gguf")
    if json.loads((source / ADAPTER[0]).read_text(encoding="utf-8")).get("modules_to_save"):
        raise UsageError("vLLM cannot load modules saved beside an adapter; use --format merged")

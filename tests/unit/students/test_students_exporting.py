"""Each export is read back and says what the trained student said; what a server could not load is refused here."""

from __future__ import annotations

import json
import shlex
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.exporting import get_exporter
from distill.students.exporting.vllm import write_command
from distill.students.manifest import read_manifest
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("yes", "no"), user="{{ text }}")
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"is number {i} odd"), "yes" if i % 2 else "no") for i in range(8)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: train(kind, tmp_path_factory.mktemp(kind), LoraConfig(rank=4)) for kind in STUDENTS}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def train(kind: str, folder: Path, lora: LoraConfig | None) -> Path:
    config = StudentConfig(kind=kind, base=TinyModelConfig(), lora=lora, epochs=4, learning_rate=1e-2, max_new_tokens=8)
    get_student(kind).train(Lessons(ROWS, ROWS[:2]), TASK, config, RUNTIME, folder / "out", folder / "work")
    return folder / "out"


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_merged_weights_answer_as_the_adapter_did(kind: str, trained, target: Path):
    (parity,) = get_exporter("merged")(trained[kind], target, "float32", RUNTIME).forms
    assert parity.passes
    assert not list(target.glob("adapter_*"))
    prompts = [row.prompt for row in ROWS]
    before, after = (get_student(kind).load(path, RUNTIME).predict(prompts) for path in (trained[kind], target))
    assert [answer.text for answer in before] == [answer.text for answer in after]


def test_merging_is_done_in_fp32_and_then_cast(trained, target: Path, tmp_path: Path):
    exact = tmp_path / "exact"
    exact.mkdir()
    get_exporter("merged")(trained["causal_lm"], exact, "float32", RUNTIME)
    outcome = get_exporter("merged")(trained["causal_lm"], target, "bfloat16", RUNTIME)
    fine, coarse = load_file(exact / "model.safetensors"), load_file(target / "model.safetensors")
    assert all(torch.equal(fine[name].to(torch.bfloat16), coarse[name]) for name in coarse)
    assert [form.number_type for form in outcome.forms] == ["float32", "bfloat16"]
    assert all(0 < form.largest_logit_gap < 1 for form in outcome.forms)
    assert json.loads((target / "config.json").read_text())["dtype"] == "bfloat16"


def test_merged_model_ends_where_the_student_does_though_its_base_says_otherwise(tmp_path: Path, target: Path):
    base = train("causal_lm", tmp_path / "first", None)
    config = json.loads((base / "generation_config.json").read_text()) | {"eos_token_id": 5, "temperature": 0.7}
    (base / "generation_config.json").write_text(json.dumps(config | {"do_sample": True}))
    settings = StudentConfig(kind="causal_lm", base=str(base), lora=LoraConfig(rank=4), epochs=1, max_new_tokens=8)
    student = get_student("causal_lm")
    student.train(Lessons(ROWS, ROWS[:2]), TASK, settings, RUNTIME, tmp_path / "out", tmp_path / "work")
    get_exporter("merged")(tmp_path / "out", target, "float32", RUNTIME)
    written = json.loads((target / "generation_config.json").read_text())
    assert written["eos_token_id"] == list(student.load(target, RUNTIME).chat.stop_ids)
    assert "temperature" not in written


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_onnx_graph_says_what_the_trained_student_said(kind: str, trained, target: Path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    (parity,) = get_exporter("onnx")(trained[kind], target, "float32", RUNTIME).forms
    assert parity.passes
    assert parity.largest_logit_gap < 1e-4
    names = {path.name for path in target.glob("*.onnx")}
    assert names == ({"encoder.onnx", "decoder.onnx"} if kind == "seq2seq" else {"model.onnx"})


@pytest.mark.slow
def test_onnx_decoder_answers_a_padded_batch_from_its_cache_as_the_student_does(trained, target: Path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    get_exporter("onnx")(trained["causal_lm"], target, "float32", RUNTIME)
    student = get_student("causal_lm").load(trained["causal_lm"], RUNTIME)
    prompts = [ROWS[0].prompt, Prompt("long", "is number 5 odd, or is it even, what do you say")]
    rows = [student.chat.encode_prompt(prompt) for prompt in prompts]
    assert len(rows[0]) != len(rows[1])
    made = generate_with_cache(target / "model.onnx", rows, steps=8)
    for answer, ids in zip(student.predict(prompts), made, strict=True):
        stop = next((i for i, token in enumerate(ids) if token in student.chat.stop_ids), len(ids))
        assert student.chat.tokenizer.decode(ids[:stop], skip_special_tokens=True) == answer.text


def generate_with_cache(path: Path, rows: list[list[int]], steps: int) -> list[list[int]]:
    """As a server would: prompts padded on the left, then one token a row and step beside what `present` gave."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    cache = {
        given.name: np.zeros((len(rows), given.shape[1], 0, given.shape[3]), dtype=np.float32)
        for given in session.get_inputs()
        if given.name.startswith("past")
    }
    width = max(map(len, rows))
    ids = np.array([[0] * (width - len(row)) + row for row in rows], dtype=np.int64)
    mask = np.array([[0] * (width - len(row)) + [1] * len(row) for row in rows], dtype=np.int64)
    made = []
    for _ in range(steps):
        logits, *present = session.run(None, {"input_ids": ids, "attention_mask": mask, **cache})
        cache = dict(zip(cache, present, strict=True))
        ids = logits[:, -1].argmax(-1)[:, None]
        mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
        made.append(ids[:, 0].tolist())
    return [list(tokens) for tokens in zip(*made, strict=True)]


def test_vllm_layout_is_the_adapter_with_the_command_that_serves_it(trained, target: Path):
    (parity,) = get_exporter("vllm")(trained["causal_lm"], target, "float32", RUNTIME).forms
    assert parity.passes
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= {p.name for p in target.iterdir()}
    command = (target / "serve.sh").read_text()
    assert "--dtype float32 --enable-lora --max-lora-rank 8 --lora-modules student=" in command
    assert '--generation-config "$HERE" --chat-template "$HERE/chat_template.jinja"' in command
    assert (target / "chat_template.jinja").is_file()
    stops = get_student("causal_lm").load(trained["causal_lm"], RUNTIME).chat.stop_ids
    assert json.loads((target / "generation_config.json").read_text()) == {
        "eos_token_id": list(stops),
        "temperature": 0,
    }


def test_the_vllm_script_finds_a_base_of_this_machine_from_everywhere(trained, tmp_path: Path, monkeypatch):
    (tmp_path / "my base").mkdir()
    monkeypatch.chdir(tmp_path)
    manifest = read_manifest(trained["causal_lm"])
    commands = [
        shlex.split(write_command(replace(manifest, base=manifest.base | {"name": name}), "float32"), comments=True)
        for name in ("my base", "org/model", "org/model; rm x")
    ]
    found = [command[command.index("serve") + 1] for command in commands]
    assert found == [str(tmp_path / "my base"), "org/model", "org/model; rm x"]


@pytest.mark.parametrize(
    ("kind", "lora", "words"),
    [
        ("classifier", LoraConfig(rank=4), "for causal_lm students"),
        ("causal_lm", None, "there is no adapter"),
        ("causal_lm", LoraConfig(rank=4, variant="dora"), "cannot load DoRA"),
    ],
)
def test_what_vllm_cannot_load_is_refused(kind: str, lora, words: str, tmp_path: Path, target: Path):
    with pytest.raises(UsageError, match=words):
        get_exporter("vllm")(train(kind, tmp_path, lora), target, "float32", RUNTIME)


def test_gguf_without_a_converter_says_where_to_get_one(trained, target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("DISTILL_GGUF_CONVERTER", raising=False)
    with pytest.raises(UsageError, match=r"no GGUF converter: .* is not on PATH; get it from llama.cpp"):
        get_exporter("gguf")(trained["causal_lm"], target, "float32", RUNTIME)


def test_gguf_converter_is_given_the_merged_model(trained, target: Path, tmp_path: Path, monkeypatch):
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text(
        "import sys, pathlib\n"
        "def main():\n"
        "    folder, _, out, _, kind = sys.argv[1:]\n"
        "    assert (pathlib.Path(folder) / 'model.safetensors').is_file()\n"
        "    pathlib.Path(out).write_text(kind)\n"
    )
    monkeypatch.setenv("DISTILL_GGUF_CONVERTER", str(script))
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    outcome = get_exporter("gguf")(trained["causal_lm"], target, "float16", RUNTIME)
    assert (target / "student.gguf").read_text() == "f16"
    assert outcome.as_json() == {
        "passes": None,
        "reason": "llama-cpp-python is not installed, so nothing here reads GGUF back",
        "forms": [],
    }


def test_converter_that_fails_is_quoted(trained, target: Path, tmp_path: Path, monkeypatch):
    script = tmp_path / "convert"
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('model type qwen2 is unknown')\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("DISTILL_GGUF_CONVERTER", str(script))
    with pytest.raises(UsageError, match="failed with code 1: model type qwen2 is unknown"):
        get_exporter("gguf")(trained["causal_lm"], target, "float32", RUNTIME)

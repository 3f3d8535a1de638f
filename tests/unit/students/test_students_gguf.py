"""GGUF by llama.cpp's own converter, read back by llama.cpp: a tokenizer trained on the spot is told, not guessed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Tokenizer

from distill.errors import UsageError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.exporting import get_exporter, gguf_converter
from distill.students.exporting.gguf_splitters import name_splitter
from distill.students.protocol import Lessons
from distill.students.tiny import train_tokenizer
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("yes", "no"), user="{{ text }}")
QUESTIONS = [f"is number {i} odd, or: it's {i}{i}?" for i in range(8)]
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", QUESTIONS[i]), "yes" if i % 2 else "no") for i in range(8)]


def split_by(*steps: pre_tokenizers.PreTokenizer, ignore_merges: bool = False) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(list(steps))
    return PreTrainedTokenizerFast(tokenizer_object=core)


def by_regex(numbers: str) -> pre_tokenizers.PreTokenizer:
    regex = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + numbers + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+"
    )
    return pre_tokenizers.Split(Regex(regex), "isolated")


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
BYTES_ALONE = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        (Qwen2Tokenizer(), "qwen2"),
        (split_by(BYTES), "gpt-2"),
        (split_by(pre_tokenizers.Digits(individual_digits=True), BYTES), "smollm"),
        (split_by(by_regex(r"\p{N}{1,3}"), BYTES_ALONE, ignore_merges=True), "llama-bpe"),
        (split_by(by_regex(r"\p{N}{1,3}"), BYTES_ALONE), None),
        (split_by(pre_tokenizers.ByteLevel(add_prefix_space=True)), None),
        (split_by(pre_tokenizers.Whitespace(), BYTES), None),
    ],
)
def test_splitter_is_named_only_where_llama_cpp_has_the_very_same(tokenizer, name: str | None):
    assert name_splitter(tokenizer) == name


CONVERTER = """
import pathlib, sys
class Base: pass
class TextModel(Base):
    def get_vocab_base_pre(self, tokenizer):
        if tokenizer == "known":
            return "its own"
        raise NotImplementedError("BPE pre-tokenizer was not recognized - update get_vocab_base_pre()")
class Qwen2(TextModel): pass
def main():
    print([Qwen2().get_vocab_base_pre(one) for one in ("known", "foreign")], sys.argv[1:])
"""


def test_converter_is_told_only_what_it_does_not_know(tmp_path: Path):
    (tmp_path / "convert_hf_to_gguf.py").write_text(CONVERTER)
    command = [sys.executable, gguf_converter.__file__, "qwen2", str(tmp_path / "convert_hf_to_gguf.py"), "folder"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['its own', 'qwen2'] ['folder']"


def train(folder: Path, base: str | TinyModelConfig) -> Path:
    config = StudentConfig(
        kind="causal_lm", base=base, lora=LoraConfig(rank=4), epochs=6, learning_rate=1e-2, max_new_tokens=8
    )
    get_student("causal_lm").train(Lessons(ROWS, ROWS[:2]), TASK, config, RUNTIME, folder / "out", folder / "work")
    return folder / "out"


def make_llama(folder: Path) -> str:
    tokenizer = train_tokenizer("encoder", QUESTIONS, 400)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_tokenizer_that_llama_cpp_has_no_splitter_for_is_refused_by_name(tmp_path: Path, monkeypatch):
    base = Path(make_llama(tmp_path / "base"))
    saved = json.loads((base / "tokenizer.json").read_text())
    saved["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, saved["pre_tokenizer"]]}
    (base / "tokenizer.json").write_text(json.dumps(saved))
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text(CONVERTER + "if __name__ == '__main__':\n    Qwen2().get_vocab_base_pre('foreign')\n")
    monkeypatch.setenv("DISTILL_GGUF_CONVERTER", str(script))
    with pytest.raises(UsageError, match=r"none of gpt-2, smollm, qwen2, llama-bpe; use --format merged"):
        get_exporter("gguf")(train(tmp_path, str(base)), tmp_path, "float32", RUNTIME)


def has_llama_cpp() -> bool:
    found = os.environ.get("DISTILL_GGUF_CONVERTER") or shutil.which("convert_hf_to_gguf.py")
    return found is not None and importlib.util.find_spec("llama_cpp") is not None


@pytest.mark.slow
@pytest.mark.skipif(not has_llama_cpp(), reason="needs llama.cpp's convert_hf_to_gguf.py and llama-cpp-python")
@pytest.mark.parametrize("dtype", ["float32", "q8_0"])
@pytest.mark.parametrize("shape", ["qwen2", "llama"])
def test_llama_cpp_says_what_the_trained_student_said(shape: str, dtype: str, tmp_path: Path):
    base = TinyModelConfig(hidden_size=64) if shape == "qwen2" else make_llama(tmp_path / "base")
    source, target = train(tmp_path, base), tmp_path / "target"
    target.mkdir()
    (parity,) = get_exporter("gguf")(source, target, dtype, RUNTIME).forms
    assert parity.misread_prompts == 0
    assert (parity.form, parity.number_type) == ("gguf", dtype)
    if dtype == "float32":
        assert parity.passes
    assert 0 < parity.mean_logit_gap < (0.01 if dtype == "float32" else 0.3)
    answers = chat(target / "student.gguf", QUESTIONS)
    own = [answer.text for answer in get_student("causal_lm").load(source, RUNTIME).predict([r.prompt for r in ROWS])]
    if dtype == "float32":
        assert answers == own


def chat(path: Path, questions: list[str]) -> list[str]:
    """As a user of llama.cpp would ask: its own template, tokenizer and end of the answer, greedily."""
    import llama_cpp

    model = llama_cpp.Llama(str(path), n_ctx=256, verbose=False)
    return [
        model.create_chat_completion([{"role": "user", "content": one}], temperature=0.0, max_tokens=8)["choices"][0][
            "message"
        ]["content"]
        for one in questions
    ]

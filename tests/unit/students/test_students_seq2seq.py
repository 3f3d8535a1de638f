"""A seq2seq student: the source encoded once, answer and rationale decoded from it, each with its own mean loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
import torch
from transformers import PreTrainedTokenizerFast

from distill.config import load_config
from distill.errors import ConfigError, DataError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.adapters import silence_dropout
from distill.students.config import ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.students.generation import generate_from_source
from distill.students.protocol import Lessons
from distill.students.seq2seq import find_codes
from distill.students.seq2seq_model import Seq2SeqModel
from distill.students.seq2seq_rows import IGNORED, Codes, encode_seq2seq_rows
from distill.students.tiny import build_tiny
from distill.tasks.config import TaskConfig

TEXTS = ["why is ice cold", "because it gives up heat slowly", "fire is hot", "hot", "cold"]
TOKENIZER, MODEL = build_tiny("seq2seq", TinyModelConfig(), TEXTS, seed=1)
silence_dropout(MODEL)
MODEL.eval()
CODES = find_codes(MODEL, TOKENIZER)
TASK = TaskConfig(output="label", labels=("hot", "cold"), user="{{ text }}")


def make_config(rationale: float = 1.0, **changes: object) -> StudentConfig:
    base = {"kind": "seq2seq", "base": TinyModelConfig(), "lora": None, "max_new_tokens": 16}
    return StudentConfig(**{**base, "objective": ObjectiveConfig(rationale=rationale), **changes})


def make_row(rationale: str | None = "because it gives up heat slowly", weight: float = 1.0) -> TrainingRow:
    return TrainingRow("r", Prompt("r", "why is ice cold"), "cold", weight, rationale=rationale)


def stock_loss(row: TrainingRow, target: str, skip: int = 0) -> torch.Tensor:
    """The same loss from the model's own label shifting."""
    ids = torch.tensor([TOKENIZER(row.prompt.user)["input_ids"]])
    labels = torch.tensor([[*TOKENIZER(target, add_special_tokens=False)["input_ids"], CODES.end]])
    labels[:, :skip] = IGNORED
    start = torch.tensor([[CODES.start, *TOKENIZER(target, add_special_tokens=False)["input_ids"]]])
    return MODEL(input_ids=ids, labels=labels, decoder_input_ids=start).loss


def test_answer_and_rationale_both_end_and_the_prefix_is_not_taught():
    encoded = encode_seq2seq_rows([make_row()], TOKENIZER, CODES, make_config())
    batch = encoded.collate([0])
    for task in ("answer", "rationale"):
        supervised = batch[f"{task}_targets"][0][batch[f"{task}_targets"][0] != IGNORED]
        assert supervised[-1] == CODES.end
        assert batch[f"{task}_ids"][0, 0] == CODES.start
    given = len(encoded.explain)
    assert given > 0
    assert batch["rationale_ids"][0, 1 : 1 + given].tolist() == encoded.explain
    assert (batch["rationale_targets"][0, :given] == IGNORED).all()


def test_end_is_taught_where_padding_uses_the_same_token():
    codes = Codes(CODES.start, CODES.end, CODES.end)
    batch = encode_seq2seq_rows([make_row(), make_row(None)], TOKENIZER, codes, make_config()).collate([0, 1])
    assert ((batch["answer_targets"] == CODES.end).sum(1) == 1).all()
    assert (batch["rationale_targets"][1] == IGNORED).all()


def test_loss_is_that_of_the_stock_model_for_both_tasks():
    row, weight = make_row(), 0.5
    batch = encode_seq2seq_rows([row], TOKENIZER, CODES, make_config()).collate([0])
    summed = Seq2SeqModel(MODEL, ObjectiveConfig(hard=2.0, rationale=weight))(batch)
    explain = "explain: "
    skip = len(TOKENIZER(explain, add_special_tokens=False)["input_ids"])
    expected = 2.0 * stock_loss(row, "cold") + weight * stock_loss(row, explain + str(row.rationale), skip)
    torch.testing.assert_close(summed.loss / summed.weight, expected)


def test_rows_without_a_rationale_learn_from_their_answer_in_the_same_batch():
    rows = [make_row(weight=2.0), make_row(None, weight=3.0)]
    encoded = encode_seq2seq_rows(rows, TOKENIZER, CODES, make_config())
    model = Seq2SeqModel(MODEL, ObjectiveConfig(rationale=1.0))
    together, alone = model(encoded.collate([0, 1])), [model(encoded.collate([i])) for i in (0, 1)]
    torch.testing.assert_close(together.loss, alone[0].loss + alone[1].loss)
    assert together.weight.item() == 5.0
    assert encoded.rationale_left_out == {"none_given": ["r"]}


def test_source_is_encoded_once_and_decoded_twice():
    calls: list[str] = []
    hooks = [
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, part in (("encoder", MODEL.encoder), ("decoder", MODEL.decoder))
    ]
    batch = encode_seq2seq_rows([make_row()], TOKENIZER, CODES, make_config()).collate([0])
    Seq2SeqModel(MODEL, ObjectiveConfig(rationale=1.0))(batch)
    for hook in hooks:
        hook.remove()
    assert calls == ["encoder", "decoder", "decoder"]


def test_decoding_is_the_stock_model_s_greedy_decoding():
    sources = [TOKENIZER(text)["input_ids"] for text in TEXTS[:3]]
    made = generate_from_source(MODEL, sources, CODES.start, CODES.end, CODES.pad, 12)
    for source, one in zip(sources, made, strict=True):
        stock = MODEL.generate(torch.tensor([source]), max_new_tokens=12, do_sample=False)[0, 1:].tolist()
        assert one.ids == [token for token in stock if token != CODES.end][: len(one.ids)]
        assert one.stopped == (CODES.end in stock)


def test_answer_that_the_vocabulary_cannot_write_is_dropped_by_name():
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "</s>": 1, "hot": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    narrow = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="</s>", pad_token="</s>")
    encoded = encode_seq2seq_rows([make_row()], narrow, Codes(1, 1, 1), make_config())
    assert encoded.dropped == {"answer_not_in_vocabulary": ["r"]}


def test_long_rationale_is_left_out_by_name_and_its_row_stays():
    config = make_config(max_length_tokens=8, overlong="truncate")
    encoded = encode_seq2seq_rows([make_row("because " * 20)], TOKENIZER, CODES, config)
    assert encoded.rationale_left_out == {"overlong": ["r"]}
    assert len(encoded.rows) == 1


def test_rationales_that_are_wanted_and_missing_stop_the_training(tmp_path: Path):
    with pytest.raises(DataError, match=r"no row has a usable rationale \(1 none_given\)"):
        get_student("seq2seq").train(
            Lessons([make_row(None)], ()), TASK, make_config(), RuntimeConfig(device="cpu"), tmp_path / "o", tmp_path
        )


def test_rationale_term_teaches_the_rationale(tmp_path: Path):
    config = make_config(rationale=1.0, epochs=90, learning_rate=1e-2)
    runtime = RuntimeConfig(device="cpu")
    get_student("seq2seq").train(Lessons([make_row()], ()), TASK, config, runtime, tmp_path / "out", tmp_path / "work")
    loaded = get_student("seq2seq").load(tmp_path / "out", runtime)
    batch = encode_seq2seq_rows([make_row()], loaded.tokenizer, loaded.codes, config).collate([0])
    model = Seq2SeqModel(loaded.model, ObjectiveConfig(hard=0.0, rationale=1.0))
    assert model(batch).loss.item() < 0.1
    assert loaded.predict([make_row().prompt])[0].text == "cold"


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("student.objective={hard: 1.0, soft: 1.0}", "student.objective.soft"),
        ("student.objective={hard: 0.0, rationale: 1.0}", "student.objective.hard"),
    ],
)
def test_objective_without_effect_is_refused(repo_root: Path, override: str, path: str):
    with pytest.raises(ConfigError) as caught:
        load_config(repo_root / "configs" / "tiny.yaml", ["student.kind=seq2seq", override], {})
    assert path in {problem.path for problem in caught.value.problems}

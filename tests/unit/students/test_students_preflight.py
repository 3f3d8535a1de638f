"""A training that cannot come out right does not start, and says which rows are why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tokenizers
import torch
from transformers import PreTrainedTokenizerFast

from distill.errors import DataError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import causal_lm, get_student
from distill.students.chat import Chat, open_chat
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.lm_rows import LmRows, encode_lm_rows
from distill.students.preflight import (
    Inspected,
    check_asked_as_taught,
    check_counted,
    check_end_supervised,
    check_saved_tokenizer,
    check_vocabulary,
    list_trainable,
    look_at,
)
from distill.students.protocol import Lessons
from distill.students.tiny import build_tiny
from distill.tasks.config import TaskConfig

ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"is number {i} odd"), "yes" if i % 2 else "no") for i in range(6)]
TOKENIZER, MODEL = build_tiny("causal_lm", TinyModelConfig(), [row.prompt.user for row in ROWS], seed=1)
CONFIG = StudentConfig(kind="causal_lm", base=TinyModelConfig(), lora=None, epochs=1, max_new_tokens=8)
TASK = TaskConfig(output="label", labels=("yes", "no"), user="{{ text }}")


@pytest.fixture
def chat() -> Chat:
    return open_chat(TOKENIZER)


@pytest.fixture
def encoded(chat: Chat) -> LmRows:
    return encode_lm_rows(ROWS, chat, CONFIG)


def look(encoded: LmRows, chat: Chat) -> list[Inspected]:
    return [look_at(ROWS, encoded, chat.encode_prompt, chat.end_id)]


def test_sound_rows_pass_every_check(encoded: LmRows, chat: Chat, tmp_path: Path):
    seen = look(encoded, chat)
    checks = [check_counted(seen), check_asked_as_taught(seen), check_end_supervised(seen)]
    checks += [check_vocabulary(seen, TOKENIZER, MODEL), check_saved_tokenizer(seen, TOKENIZER, MODEL, tmp_path)]
    assert [(check.rows, check.failed) for check in checks] == [(6, ())] * 5


def test_row_that_never_learns_to_stop_is_named(encoded: LmRows, chat: Chat):
    encoded.rows[2] = encoded.rows[2]._replace(answer=encoded.rows[2].answer[:-1])
    assert check_end_supervised(look(encoded, chat)).failed == ("r2",)


def test_collator_that_masks_the_end_is_caught_for_every_row(encoded: LmRows, chat: Chat):
    class Masking(LmRows):
        def collate(self, index):
            batch = super().collate(index)
            return batch | {"targets": batch["targets"].masked_fill(batch["targets"] == chat.end_id, -100)}

    masking = Masking(encoded.pad_id, encoded.rows)
    assert len(check_end_supervised(look(masking, chat)).failed) == 6


def test_prompt_taught_in_other_tokens_than_asked_is_named(encoded: LmRows, chat: Chat):
    encoded.rows[4] = encoded.rows[4]._replace(prompt=[1, *encoded.rows[4].prompt])
    assert check_asked_as_taught(look(encoded, chat)).failed == ("r4",)


def test_cut_prompt_is_accepted_only_where_it_is_named(encoded: LmRows, chat: Chat):
    encoded.rows[0] = encoded.rows[0]._replace(prompt=encoded.rows[0].prompt[3:])
    assert check_asked_as_taught(look(encoded, chat)).failed == ("r0",)
    encoded.truncated.append("r0")
    assert check_asked_as_taught(look(encoded, chat)).failed == ()


def test_row_lost_without_a_word_is_named(encoded: LmRows, chat: Chat):
    lost = encoded.rows.pop()
    assert check_counted(look(encoded, chat)).failed == (lost.id,)
    encoded.dropped["overlong"] = [lost.id]
    assert check_counted(look(encoded, chat)).failed == ()


def test_token_outside_the_embedding_is_named(encoded: LmRows, chat: Chat):
    encoded.rows[3] = encoded.rows[3]._replace(answer=[99_999, chat.end_id])
    assert check_vocabulary(look(encoded, chat), TOKENIZER, MODEL).failed == ("r3",)


def test_tokenizer_larger_than_the_embedding_is_refused(encoded: LmRows, chat: Chat):
    _, narrow = build_tiny("causal_lm", TinyModelConfig(), ["a"], seed=1)
    narrow.set_input_embeddings(torch.nn.Embedding(10, 32))
    assert "the tokenizer itself" in check_vocabulary(look(encoded, chat), TOKENIZER, narrow).failed[0]


def test_template_that_does_not_survive_saving_is_caught(encoded: LmRows, chat: Chat, tmp_path: Path):
    class Forgetful:
        def __getattr__(self, name):
            return getattr(TOKENIZER, name)

        def __call__(self, *args, **kwargs):
            return TOKENIZER(*args, **kwargs)

        def save_pretrained(self, folder):
            TOKENIZER.save_pretrained(folder)
            (Path(folder) / "chat_template.jinja").write_text("{{ messages }}")

    wrong = check_saved_tokenizer(look(encoded, chat), Forgetful(), MODEL, tmp_path).failed
    assert wrong == ("the chat template", "the chat template (merged)")


def test_tokenizer_that_another_class_would_read_beside_the_config_is_caught(
    encoded: LmRows, chat: Chat, tmp_path: Path
):
    """Qwen's class splits every digit off, whatever the file says: 26% of SNIPS's prompts were once asked otherwise."""
    core = tokenizers.Tokenizer.from_str(TOKENIZER.backend_tokenizer.to_str())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.train_from_iterator(["number 10 10 10"] * 9, tokenizers.trainers.BpeTrainer(vocab_size=400))
    other = PreTrainedTokenizerFast(tokenizer_object=core, chat_template=TOKENIZER.chat_template)
    rows = [dataclasses.replace(row, prompt=Prompt(row.id, "number 10")) for row in ROWS]
    inspected = look(encoded, chat)[0]._replace(given=rows)
    wrong = check_saved_tokenizer([inspected], other, MODEL, tmp_path).failed
    assert wrong == tuple(f"r{i} (merged)" for i in range(6))


def lose_a_row(encoded: LmRows) -> None:
    del encoded.rows[0]


def forget_the_end(encoded: LmRows) -> None:
    encoded.rows[0] = encoded.rows[0]._replace(answer=encoded.rows[0].answer[:-1])


def ask_otherwise(encoded: LmRows) -> None:
    encoded.rows[0] = encoded.rows[0]._replace(prompt=[1, *encoded.rows[0].prompt])


def leave_the_vocabulary(encoded: LmRows) -> None:
    encoded.rows[0] = encoded.rows[0]._replace(answer=[99_999, *encoded.rows[0].answer])


SABOTAGE: dict[str, Callable[[LmRows], None]] = {
    "every row is kept, or dropped by name": lose_a_row,
    "the end token is supervised": forget_the_end,
    "the prompt is a true token prefix": ask_otherwise,
    "every token is among the [0-9]+ of the embedding": leave_the_vocabulary,
}


def assert_refused(folder: Path, words: str) -> None:
    steps: list[int] = []
    with pytest.raises(DataError, match=words):
        get_student("causal_lm").train(
            Lessons(ROWS, ROWS[:2]), TASK, CONFIG, RuntimeConfig(device="cpu"), folder / "o", folder / "w",
            lambda step, total, loss: steps.append(step),
        )  # fmt: skip
    assert steps == []


@pytest.mark.parametrize("which", [6, 2], ids=["training rows", "validation rows"])
@pytest.mark.parametrize("words", SABOTAGE)
def test_each_check_stops_the_training_before_any_step(
    words: str, which: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def encode_badly(rows: Sequence[TrainingRow], chat: Chat, config: StudentConfig) -> LmRows:
        encoded = encode_lm_rows(rows, chat, config)
        if len(rows) == which:
            SABOTAGE[words](encoded)
        return encoded

    monkeypatch.setattr(causal_lm, "encode_lm_rows", encode_badly)
    assert_refused(tmp_path, rf"preflight: not so: {words}; 1 of 8 rows fail \(r0\)$")


def test_spoilt_template_stops_the_training_before_any_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    save = PreTrainedTokenizerFast.save_pretrained

    def save_badly(self: PreTrainedTokenizerFast, folder: Path, **given: object) -> None:
        save(self, folder, **given)
        (Path(folder) / "chat_template.jinja").write_text(str(self.chat_template) + " ")

    monkeypatch.setattr(PreTrainedTokenizerFast, "save_pretrained", save_badly)
    assert_refused(tmp_path, r"the saved template .* rows fail \(the chat template, the chat template \(merged\)\)$")


def test_base_of_which_nothing_is_trained_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(causal_lm, "adapt", lambda model, lora, base: model.requires_grad_(False))
    assert_refused(tmp_path, "not so: some parameters are trained; .*no parameter takes a gradient")


def test_rows_that_are_too_long_are_counted_and_named(tmp_path: Path):
    long = TrainingRow("long", Prompt("long", "is a number odd " * 30), "yes")
    config = CONFIG.model_copy(update={"max_length_tokens": 64})
    lessons, runtime = Lessons([*ROWS, long], [long]), RuntimeConfig(device="cpu")
    dropped = get_student("causal_lm").train(lessons, TASK, config, runtime, tmp_path / "o", tmp_path / "w")
    assert (dropped.rows_dropped, dropped.validation_rows_dropped) == ({"overlong": ["long"]}, {"overlong": ["long"]})
    cut_config = config.model_copy(update={"overlong": "truncate"})
    cut = get_student("causal_lm").train(lessons, TASK, cut_config, runtime, tmp_path / "p", tmp_path / "x")
    assert (cut.rows_trained, cut.rows_dropped, cut.rows_truncated) == (7, {}, ["long"])


@pytest.mark.parametrize("kind", ["classifier", "causal_lm", "seq2seq"])
def test_report_lists_checks_trainable_parameters_and_estimates(kind: str, tmp_path: Path):
    config = StudentConfig(kind=kind, base=TinyModelConfig(), lora=LoraConfig(rank=4), epochs=1, max_new_tokens=8)
    runtime = RuntimeConfig(device="cpu")
    report = get_student(kind).train(Lessons(ROWS, ROWS[:2]), TASK, config, runtime, tmp_path / "o", tmp_path / "w")
    found = report.preflight
    assert [(check.rows, check.failed) for check in found.checks] == [(8, ())] * 6
    assert sum(found.trainable.values()) == report.trainable_parameters
    assert all("lora_" in name or name.startswith("head.") for name in found.trainable)
    assert 4 * report.total_parameters < found.memory_bytes < 1e9
    assert 0 < found.seconds < 3600
    assert dataclasses.asdict(report)["preflight"]["checks"]


def test_layers_of_one_kind_are_listed_once():
    names = list_trainable(MODEL)
    assert "model.layers.*.mlp.up_proj.weight" in names
    assert not any(part.isdigit() for name in names for part in name.split("."))

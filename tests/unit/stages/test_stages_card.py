"""The model card: metadata that the hub's own classes read back, and nothing in the text that the run does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from distill.engine.stage import Context
from distill.records.score import Score
from distill.stages.card import restate_terms, score_systems, write_card
from distill.stages.card_facts import CardFacts, read_card_facts
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.tasks.config import TaskConfig
from distill.teachers.config import TeacherConfig

TASK = TaskConfig(output="label", labels=("a", "b"), user="{{ text }}")
TEACHER = TeacherConfig.model_validate(
    {
        "provider": "replay",
        "model": "gpt-x",
        "terms": {"training_on_outputs": "allowed", "source": "https://example.org/t"},
    }
)
STUDENT = StudentConfig(kind="classifier", base="org/base", revision="f" * 40, lora=LoraConfig())
SCORES = {
    "student": {"accuracy": Score("accuracy", 0.91, 0.88, 0.94, 300, "fraction")},
    "teacher": {
        "accuracy": Score("accuracy", 0.97, 0.95, 0.99, 300, "fraction"),
        "macro_f1": Score("macro_f1", 0.96, 0.94, 0.98, 300, "fraction"),
    },
}
TRAINING: dict[str, Any] = {
    "rows_trained": 800,
    "validation_rows": 40,
    "rows_dropped": {"overlong": ["r1", "r2"]},
    "rows_truncated": ["r3"],
    "base": {"name": "org/base", "revision": "f" * 40, "licence": "mit", "hashes": {"model.safetensors": "ba5e"}},
}
FUNNEL = [{"filter": "not_refusal", "rows_in": 850, "rows_out": 842, "reasons": {"refused": 7, "apology": 1}}]


def make_facts(**changes: Any) -> CardFacts:
    known: dict[str, Any] = {
        "heldout_rows": 300,
        "heldout_digest": "d" * 64,
        "keys": {"train": "abcdef0123456789"},
        "audit": {"leaks_removed_from_train": 5},
        "funnel": FUNNEL,
        "training": TRAINING,
        "weights": {"head.safetensors": "11ea"},
    }
    return CardFacts(**known | changes)


def make_card(student: StudentConfig = STUDENT, **changes: Any) -> ModelCard:
    return ModelCard(write_card(student, TASK, [TEACHER], SCORES, make_facts(**changes), None))


def test_metadata_is_read_back_by_the_hubs_own_classes():
    data = make_card().data
    assert (data.base_model, data.library_name, data.pipeline_tag) == ("org/base", "peft", "text-classification")
    assert data.model_name == "student-abcdef012345"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", 0.91, "heldout")
    assert result.metric_name == "accuracy, 95% interval [0.8800, 0.9400], n=300"
    assert result.dataset_args == {"sha256": "d" * 64}


def test_own_scores_alone_are_in_the_index_and_all_systems_in_the_table():
    card = make_card()
    assert "| student | 0.9100 [0.8800, 0.9400] | unknown |" in card.text
    assert "| teacher | 0.9700 [0.9500, 0.9900] | 0.9600 [0.9400, 0.9800] |" in card.text
    assert len(card.data.eval_results) == 1


def test_filters_losses_terms_and_hashes_are_named():
    text = make_card().text
    for words in (
        "800 rows were trained on, 40 chose the checkpoint; left out in training: 2 overlong; cut to length: 1; "
        "taken out as near the held-out rows: 5.",
        "| not_refusal | 850 | 842 | apology 1, refused 7 |",
        f"- base: `org/base` at revision `{'f' * 40}`, licence mit",
        "- base file `model.safetensors`: sha256 `ba5e`",
        "- weights `head.safetensors`: sha256 `11ea`",
        "- teacher `gpt-x`: training with its outputs is stated as allowed (https://example.org/t)",
    ):
        assert words in text


def test_what_is_not_known_is_left_out():
    training = TRAINING | {"base": {"name": "tiny", "revision": None, "licence": None, "hashes": {}}}
    built = STUDENT.model_copy(update={"base": TinyModelConfig(), "lora": None})
    card = ModelCard(write_card(built, TASK, [TEACHER], {}, make_facts(training=training, funnel=[]), None))
    assert card.data.eval_results is None
    assert "base_model" not in card.data.to_dict()
    assert card.data.library_name == "transformers"
    assert "licence" not in card.text
    assert "| filter |" not in card.text


def stated(source: str, word: str = "allowed") -> TeacherConfig:
    return TeacherConfig.model_validate(
        TEACHER.model_dump() | {"terms": {"training_on_outputs": word, "source": source}}
    )


def test_terms_are_restated_and_nothing_else_changes():
    old, new = stated("https://old.example"), stated("https://new.example")
    other = new.model_copy(update={"model": "second"})
    card = write_card(STUDENT, TASK, [old, other], SCORES, make_facts(), None)
    assert restate_terms(card, [old, other]) == card
    assert restate_terms(card, [new, other]) == write_card(STUDENT, TASK, [new, other], SCORES, make_facts(), None)
    assert restate_terms("a card of another time", [new]) == "a card of another time"


def test_every_teacher_is_named_with_its_terms():
    other = TEACHER.model_copy(update={"model": "second"})
    text = write_card(STUDENT, TASK, [TEACHER, other], SCORES, make_facts(), None)
    assert "answers of `gpt-x` and `second`" in text
    assert text.count("training with its outputs is stated as allowed") == 2


def test_systems_that_did_not_answer_have_no_scores():
    assert score_systems([], ["accuracy"]) == {}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    written = {
        "train/student/head.safetensors": "weights",
        "train/student/probe.safetensors": "prompts",
        "train/training.json": json.dumps(TRAINING),
        "kept/funnel.json": json.dumps(FUNNEL),
        "split/audit.json": json.dumps({"heldout": 300}),
    }
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    inputs = {role: tmp_path / role for role in ("train", "kept", "split")}
    return Context("k" * 64, inputs, tmp_path, tmp_path, tmp_path, None, lambda *_: None)


def test_facts_hash_the_weights_and_not_the_prompts_of_the_parity_check(context: Context):
    facts = read_card_facts(context, 300, "d" * 64)
    assert list(facts.weights) == ["head.safetensors"]
    assert len(facts.weights["head.safetensors"]) == 64
    assert facts.keys == {"train": "train", "filter": "kept"}
    assert facts.base["licence"] == "mit"


def test_every_teacher_is_named_with_its_terms_and_the_reference_as_such():
    stated = {"training_on_outputs": "allowed", "source": "licence B"}
    second = TeacherConfig.model_validate({"model": "open-y", "terms": stated})
    text = write_card(STUDENT, TASK, [TEACHER, second], SCORES, make_facts(), None)
    assert "# A student of gpt-x and open-y\n" in text
    assert "- teacher `open-y`: training with its outputs is stated as allowed (licence B)" in text
    assert "the teacher elsewhere. `teacher` is gpt-x." in text


def test_terms_that_nobody_stated_are_called_so():
    text = write_card(STUDENT, TASK, [TeacherConfig(model="big")], SCORES, make_facts(), None)
    assert "teacher `big`: training with its outputs is stated as unstated\n" in text

"""The log-probability of a given answer: the same as a dense float64 computation, whatever the batch."""

from __future__ import annotations

import math

import pytest
import torch

from distill.records.training import Likelihood, Prompt
from distill.students.causal_lm import CausalPredictor
from distill.students.chat import open_chat
from distill.students.config import StudentConfig, TinyModelConfig
from distill.students.manifest import StudentManifest
from distill.students.protocol import Weigher
from distill.students.seq2seq import Seq2SeqPredictor
from distill.students.tiny import build_tiny
from distill.tasks.config import TaskConfig

TEXTS = ["why is ice cold", "because it gives up heat slowly", "fire is hot", "hot", "cold", "it is so"]
TASK = TaskConfig(output="text", user="{{ text }}")
PROMPTS = [Prompt(f"p{i}", text, "be brief" if i % 2 else None) for i, text in enumerate(TEXTS)]
ANSWERS = ["hot", "it is so because heat is slow", "", "ÄÖ 火", "cold cold cold cold", "no"]


def make(kind: str, max_length_tokens: int = 256) -> CausalPredictor | Seq2SeqPredictor:
    tokenizer, model = build_tiny(kind, TinyModelConfig(), TEXTS, seed=3)
    config = StudentConfig(kind=kind, base=TinyModelConfig(), lora=None, max_length_tokens=max_length_tokens)
    manifest = StudentManifest(kind, TASK, config, {"name": "tiny"}, ())
    if kind == "causal_lm":
        return CausalPredictor(model.eval(), open_chat(tokenizer), manifest)
    return Seq2SeqPredictor(model.eval(), tokenizer, manifest)


def dense(predictor, prompt: Prompt, answer: str) -> tuple[float, int]:
    """One row, whole logits, float64 weights, no padding, no batch."""
    model = predictor.model.double()
    if isinstance(predictor, CausalPredictor):
        ids, said = predictor.chat.encode_prompt(prompt), predictor.chat.encode_answer(answer)
        logits = model(input_ids=torch.tensor([ids + said])).logits[0, len(ids) - 1 : -1]
    else:
        tokenizer, codes = predictor.tokenizer, predictor.codes
        text = prompt.user if prompt.system is None else f"{prompt.system}\n\n{prompt.user}"
        said = [*tokenizer(answer, add_special_tokens=False)["input_ids"], codes.end]
        start = torch.tensor([[codes.start, *said[:-1]]])
        logits = model(input_ids=torch.tensor([tokenizer(text)["input_ids"]]), decoder_input_ids=start).logits[0]
    chosen = logits.log_softmax(-1)[torch.arange(len(said)), torch.tensor(said)]
    return float(chosen.detach().sum()), len(said)


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_a_batch_gives_what_a_dense_float64_computation_gives(kind) -> None:
    found = make(kind).weigh(PROMPTS, ANSWERS)
    expected = [dense(make(kind), prompt, answer) for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)]
    assert [one.tokens for one in found] == [tokens for _, tokens in expected]
    assert [one.logprob for one in found] == pytest.approx([logprob for logprob, _ in expected], rel=1e-5)
    assert all(one.logprob < -0.1 for one in found), "nothing is certain for random weights"


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_the_batch_size_and_the_order_do_not_matter(kind, monkeypatch) -> None:
    together = make(kind).weigh(PROMPTS, ANSWERS)
    monkeypatch.setattr("distill.students.likelihood.BATCH_TOKENS", 1)
    alone = make(kind).weigh(PROMPTS[::-1], ANSWERS[::-1])[::-1]
    assert [a.logprob for a in together] == pytest.approx([b.logprob for b in alone], rel=1e-5)


def test_the_head_in_chunks_gives_the_same(monkeypatch) -> None:
    whole = make("causal_lm").weigh(PROMPTS, ANSWERS)
    monkeypatch.setattr("distill.students.head_loss.CHUNK_BYTES", 1)
    assert [one.logprob for one in make("causal_lm").weigh(PROMPTS, ANSWERS)] == pytest.approx(
        [one.logprob for one in whole], rel=1e-6
    )


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_its_own_greedy_answer_is_as_likely_as_its_confidence_says(kind) -> None:
    """Decoding with a cache, and weighing what was decoded, are two ways to one number."""
    predictor = make(kind)
    answers = [a for a in predictor.predict(PROMPTS) if a.error_kind is None]
    prompts = {prompt.id: prompt for prompt in PROMPTS}
    for answer in answers:
        (found,) = predictor.weigh([prompts[answer.id]], [answer.text])
        if found.tokens == answer.output_tokens:  # text that its tokenizer reads back as it was written
            assert math.exp(found.logprob / found.tokens) == pytest.approx(answer.confidence, rel=1e-3)


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_a_prompt_that_does_not_fit_is_unknown_and_harms_no_other(kind) -> None:
    predictor = make(kind, max_length_tokens=40)
    long = Prompt("long", "word " * 200)
    found = predictor.weigh([PROMPTS[0], long, PROMPTS[2]], ["hot", "hot", "cold"])
    assert found[1] == Likelihood(None, found[0].tokens)
    assert found[0].logprob is not None
    assert found[2].logprob is not None


def test_an_answer_beyond_what_the_base_can_read_is_unknown() -> None:
    (found,) = make("causal_lm").weigh(PROMPTS[:1], ["ÄÖ火" * 400])
    assert found.logprob is None


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_language_models_can_be_asked_and_nothing_is_no_question(kind) -> None:
    predictor = make(kind)
    assert isinstance(predictor, Weigher)
    assert predictor.weigh([], []) == []

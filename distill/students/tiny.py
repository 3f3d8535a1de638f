"""A model with random weights and a byte-level BPE tokenizer trained on the rows: nothing to download, for CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, cast

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    T5Config,
    T5ForConditionalGeneration,
    set_seed,
)

from distill.students.config import TinyModelConfig

Family = Literal["encoder", "causal_lm", "seq2seq"]
PAD, START, END, EOS = "<|pad|>", "<|im_start|>", "<|im_end|>", "<|end|>"
MAX_POSITIONS = 1024
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def train_tokenizer(family: Family, texts: Sequence[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on `texts`; every byte has a token, so nothing is unknown.

    It is of the class that `AutoTokenizer` makes of it beside the model's config. For a Qwen2 that is Qwen's own, which
    keeps vocabulary and merges and splits words in its own way, whatever the saved file says.
    """
    core = tokenizers.Tokenizer(models.BPE())
    if family == "causal_lm":
        core.normalizer, core.pre_tokenizer = _split_as_qwen()
    else:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    specials = [PAD, START, END, EOS]
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocab_size, 256 + len(specials)),
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer = _wrap(family, core)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _split_as_qwen() -> tuple[Normalizer, PreTokenizer]:
    whole = Qwen2Tokenizer().backend_tokenizer
    return whole.normalizer, whole.pre_tokenizer


def _wrap(family: Family, core: tokenizers.Tokenizer) -> PreTrainedTokenizerFast:
    if family != "causal_lm":
        return PreTrainedTokenizerFast(tokenizer_object=core, pad_token=PAD, eos_token=END, bos_token=START)
    learned = json.loads(core.to_str())["model"]
    merges = cast("list[str]", [tuple(pair) for pair in learned["merges"]])  # the type that it declares is outdated
    return Qwen2Tokenizer(learned["vocab"], merges, unk_token=EOS, bos_token=START, eos_token=END, pad_token=PAD)


def build_tiny(
    family: Family, shape: TinyModelConfig, texts: Sequence[str], seed: int
) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """Return a tokenizer trained on `texts` and a model of `shape` with weights drawn from `seed`."""
    tokenizer = train_tokenizer(family, texts, shape.vocab_size)
    set_seed(seed)
    return tokenizer, _build_model(family, shape, tokenizer)


def _build_model(family: Family, shape: TinyModelConfig, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    vocab = len(tokenizer)
    pad, eos, bos = (
        cast("int", token) for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    )
    if family == "encoder":
        config = BertConfig(
            vocab_size=vocab,
            hidden_size=shape.hidden_size,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.hidden_size,
            max_position_embeddings=MAX_POSITIONS,
            pad_token_id=pad,
        )
        return BertModel(config)
    if family == "causal_lm":
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=vocab,
                hidden_size=shape.hidden_size,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.heads,
                intermediate_size=4 * shape.hidden_size,
                max_position_embeddings=MAX_POSITIONS,
                tie_word_embeddings=True,
                pad_token_id=pad,
                eos_token_id=eos,
                bos_token_id=bos,
            )
        )
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocab,
            d_model=shape.hidden_size,
            num_layers=shape.layers,
            num_heads=shape.heads,
            d_kv=shape.hidden_size // shape.heads,
            d_ff=4 * shape.hidden_size,
            pad_token_id=pad,
            eos_token_id=eos,
            decoder_start_token_id=pad,  # pyright: ignore[reportCallIssue] every config takes it
        )
    )

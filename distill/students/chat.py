"""The chat template of the base: how a prompt is rendered, and which token ends an answer.

Training and serving both build ids here, so the student is asked exactly as it was taught.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import cast

import jinja2
from transformers import PreTrainedTokenizerBase

from distill.errors import ConfigError, Problem
from distill.records.training import Prompt
from distill.students.long_texts import encode_tail

FALLBACK_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
_MARK = "ANSWER-0451-MARK"


@dataclass(frozen=True, slots=True)
class Chat:
    """A tokenizer with its template. `end_id` closes every answer; generation stops at any of `stop_ids`."""

    tokenizer: PreTrainedTokenizerBase
    end_id: int
    stop_ids: tuple[int, ...]
    folds_system: bool
    template_sha256: str

    def render(self, prompt: Prompt) -> str:
        """Return the text the model reads, up to where its answer begins."""
        return _render(self.tokenizer, _messages(prompt, fold=self.folds_system), ask=True)

    def render_full(self, prompt: Prompt, answer: str) -> str:
        """Return the whole conversation as the template writes it."""
        turns = [*_messages(prompt, fold=self.folds_system), {"role": "assistant", "content": answer}]
        return _render(self.tokenizer, turns, ask=False)

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Return the ids of `render`; the template has already written every special token."""
        return self.encode(self.render(prompt))

    def encode_prompt_end(self, prompt: Prompt, limit: int) -> list[int]:
        """Return the ids of a prompt; of one that has more than `limit`, more than that many of its last ones."""
        return encode_tail(self.tokenizer, self.render(prompt), limit, self.encode)

    def encode_answer(self, answer: str) -> list[int]:
        """Return the ids of an answer, ended by `end_id`."""
        return [*self.encode(answer), self.end_id]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text without adding special tokens."""
        encoded = self.tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)
        return cast("list[int]", encoded["input_ids"])


def open_chat(tokenizer: PreTrainedTokenizerBase) -> Chat:
    """Bind a tokenizer to its template; one without a template gets a plain one, saved with the student.

    Raises:
        ConfigError: the tokenizer has no end-of-sequence token, or its template cannot render a conversation.
    """
    if tokenizer.chat_template is None:
        tokenizer.chat_template = FALLBACK_TEMPLATE
    if tokenizer.eos_token_id is None:
        raise ConfigError([Problem("", "student.base", "the tokenizer has no end-of-sequence token")])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    end_id = _find_end(tokenizer)
    template = str(tokenizer.chat_template)
    return Chat(
        tokenizer=tokenizer,
        end_id=end_id,
        stop_ids=tuple(sorted({end_id, int(cast("int", tokenizer.eos_token_id))})),
        folds_system=not _takes_system(tokenizer),
        template_sha256=hashlib.sha256(template.encode()).hexdigest(),
    )


def _messages(prompt: Prompt, *, fold: bool) -> list[dict[str, str]]:
    if prompt.system is None:
        return [{"role": "user", "content": prompt.user}]
    if fold:
        return [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, ask: bool) -> str:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
    return cast("str", text)


def _takes_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    try:
        return _MARK in _render(tokenizer, _messages(Prompt("", "u", _MARK), fold=False), ask=True)
    except jinja2.TemplateError:
        return False


def _find_end(tokenizer: PreTrainedTokenizerBase) -> int:
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": _MARK}]
    try:
        tail = _render(tokenizer, turns, ask=False).rpartition(_MARK)[2]
    except jinja2.TemplateError as error:
        raise ConfigError([Problem("", "student.base", f"the chat template cannot be used: {error}")]) from error
    ids = cast("list[int]", tokenizer(tail, add_special_tokens=False)["input_ids"])
    special = [i for i in ids if i in tokenizer.all_special_ids]
    return special[0] if special else int(cast("int", tokenizer.eos_token_id))

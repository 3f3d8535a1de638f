"""Models behind an API on the held-out set: the teacher, cheaper rivals, and the judge. All through the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distill.engine.stage import Context
from distill.metrics.config import JudgeConfig, ModelConfig, RivalConfig
from distill.metrics.win_rate import Choice, score_verdicts
from distill.metrics.words import as_text
from distill.records.amounts import add_usd
from distill.records.completion import Completion, Message
from distill.records.example import Example
from distill.records.prediction import Prediction
from distill.stages.generate import make_orders, write_ledger
from distill.stages.surroundings import Surroundings, surroundings_of
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_teacher
from distill.teachers import Order, build_requests, open_teacher
from distill.teachers.config import PriceConfig, TeacherConfig

JUDGE = "judge"
"""The judge's name among those who were asked; no rival may bear it."""
JUDGE_SYSTEM = (
    "You compare two answers to one request. Judge by: {criteria}. "
    "Reply with one word and nothing else: A if answer A is better, B if answer B is better, TIE if neither is."
)
_VERDICT = re.compile(r"\b(A|B|TIE)\b")
_CHOICES: Mapping[str, Choice] = {"A": "first", "B": "second", "TIE": "tie"}


@dataclass(frozen=True, slots=True)
class Bought:
    """Answers, the dollars spent on them now, and the ledger."""

    completions: list[Completion]
    usd: float
    ledger: Mapping[str, Any]


def ask_teacher(heldout: Sequence[Example], task: TaskConfig, repeats: int, context: Context) -> Bought:
    """Buy the teacher's answers on the held-out set, `repeats` times or as often as it is sampled; write ledger.json.

    Raises:
        TeacherError: the teacher cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    surroundings = surroundings_of(context)
    samples = max(surroundings.teacher.samples, repeats)
    teacher = surroundings.teacher.model_copy(update={"samples": samples})
    orders = make_orders(heldout, task, teacher)
    return _buy(orders, teacher, surroundings, context, "the teacher answers the held-out set", task, keep_ledger=True)


def ask_rival(heldout: Sequence[Example], task: TaskConfig, model: RivalConfig, context: Context) -> Bought:
    """Buy a rival's answers to the teacher's own prompt; recorded teacher answers are not its own.

    Raises:
        TeacherError: the model cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    surroundings = surroundings_of(context)
    config = as_teacher(model, surroundings.teacher)
    asked = [replace(example, teacher_output=None) for example in heldout]
    orders = make_orders(asked, task, config)
    return _buy(orders, config, surroundings, context, f"{model.name} answers the held-out set", task)


def as_teacher(model: ModelConfig, teacher: TeacherConfig) -> TeacherConfig:
    """Return the model as a teacher section: its own name, endpoint, key and price, the teacher's limits."""
    price: Any = "auto"
    if model.input_usd is not None and model.output_usd is not None:
        price = PriceConfig(input=model.input_usd, output=model.output_usd)
    return teacher.model_copy(
        update={
            "provider": "openai" if model.base_url is not None or teacher.provider == "replay" else teacher.provider,
            "model": model.model,
            "base_url": model.base_url if model.base_url is not None else teacher.base_url,
            "api_key_env": model.api_key_env,
            "temperature": model.temperature,
            "max_output_tokens": model.max_output_tokens,
            "price": price,
            "samples": 1,
            "top_logprobs": 0,
            "sunset": None,
        }
    )


def judge_answers(
    student: Sequence[Prediction],
    teacher: Sequence[Prediction],
    heldout: Sequence[Example],
    task: TaskConfig,
    judge: JudgeConfig,
    context: Context,
) -> tuple[list[Prediction], Bought]:
    """Return the student's predictions with `judged` filled in: each pair is asked in both orders.

    A student's failure loses, a teacher's alone is won, and equal answers tie without a question. What the judge does
    not answer stays unjudged.

    Raises:
        TeacherError: the judge cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    surroundings = surroundings_of(context)
    config = as_teacher(judge, surroundings.teacher).model_copy(update={"structured": "off"})
    other = {p.id: p for p in teacher if p.repeat == 0}
    columns = {example.id: example.columns for example in heldout}
    open_pairs = [p for p in student if p.repeat == 0 and settle(p, other[p.id]) is None]
    conversations: list[tuple[Message, ...]] = []
    for own in open_pairs:
        mine, theirs = as_text(own.parsed), as_text(other[own.id].parsed)
        request = "\n\n".join(f"{m.role}: {m.content}" for m in render_teacher(task, columns[own.id]))
        conversations += [put(request, mine, theirs, judge.criteria), put(request, theirs, mine, judge.criteria)]
    requests = build_requests(conversations, config)
    orders = [Order(open_pairs[index // 2].id, index % 2, request) for index, request in enumerate(requests)]
    bought = _buy(orders, config, surroundings, context, "the judge compares answers", task)
    said: dict[tuple[str, int], Choice | None] = {
        (c.id, c.sample): read_verdict(c.text) if c.error_kind is None else None for c in bought.completions
    }
    return [replace(p, judged=_judged(p, other[p.id], said)) for p in student], bought


def settle(own: Prediction, other: Prediction) -> float | None:
    """Return what needs no judge: failures and equal answers; None where one must be asked."""
    if own.error_kind is not None:
        return 0.5 if other.error_kind is not None else 0.0
    if other.error_kind is not None:
        return 1.0
    return 0.5 if own.parsed == other.parsed else None


def put(request: str, first: str, second: str, criteria: str) -> tuple[Message, ...]:
    """Write the question to the judge."""
    user = (
        f"The request:\n\n{request}\n\nAnswer A:\n\n{first}\n\nAnswer B:\n\n{second}\n\nWhich is better: A, B or TIE?"
    )
    return Message("system", JUDGE_SYSTEM.format(criteria=criteria)), Message("user", user)


def read_verdict(text: str) -> Choice | None:
    """Return the last verdict in the judge's reply: the answer shown first, second, or a tie."""
    found = _VERDICT.findall(text.upper())
    return _CHOICES[found[-1]] if found else None


def _judged(own: Prediction, other: Prediction, said: Mapping[tuple[str, int], Choice | None]) -> float | None:
    settled = settle(own, other)
    if settled is not None or own.repeat > 0:
        return settled
    first, second = said.get((own.id, 0)), said.get((own.id, 1))
    return None if first is None or second is None else score_verdicts(first, second)


def _buy(
    orders: Sequence[Order],
    config: TeacherConfig,
    surroundings: Surroundings,
    context: Context,
    note: str,
    task: TaskConfig,
    *,
    keep_ledger: bool = False,
) -> Bought:
    with open_teacher(config, surroundings.runtime, task_labels=task.labels, resolve=surroundings.base_dir) as seller:
        standing = seller.check(training=False)
        completions = seller.buy(
            orders,
            budget=surroundings.budget,
            on_progress=lambda p: context.progress(p.done, p.total, note),
        )
        if keep_ledger:
            write_ledger(context, [seller], [standing])
        return Bought(completions, seller.ledger.usd, seller.ledger.to_json())


def _tell(found: Bought) -> dict[str, Any]:
    costs = [c.cost_usd for c in found.completions if c.error_kind is None]
    return {**found.ledger, "answers": len(found.completions), "answers_usd": add_usd(costs)}


def write_rival_ledgers(bought: Mapping[str, Bought], context: Context) -> None:
    """Write what rivals and the judge cost to rivals.json: their ledgers, and what the answers cost whenever bought."""
    text = json.dumps({name: _tell(found) for name, found in bought.items()}, indent=1, sort_keys=True, default=str)
    (context.output_dir / "rivals.json").write_text(text, encoding="utf-8")

"""The services that filters are handed: a judge asked through the journal, embeddings, the student base's surprise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distill.errors import UsageError
from distill.filters import EmbeddingModel, FilterSpec, Losses, Question, RegenerateConfig, Reply, Services
from distill.filters.judge import JudgeConfig, refuse_kin
from distill.filters.teachers_agree import TeachersAgreeConfig
from distill.records.completion import Completion
from distill.records.frozen import Frozen
from distill.records.json import Json
from distill.stages.surroundings import Surroundings
from distill.students.config import StudentConfig
from distill.teachers import Budget, Order, Standing, build_requests, open_teacher
from distill.teachers.config import PriceConfig, TeacherConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def check_chain(specs: Sequence[FilterSpec], panel: Sequence[TeacherConfig], student: StudentConfig) -> None:
    """Refuse, before anything is spent, a chain that this run cannot serve.

    Raises:
        UsageError: a judge is of a teacher's family or has no endpoint, a vote wants more teachers than there are, or a
            difficulty has no causal_lm to measure.
    """
    for spec in specs:
        if isinstance(spec.config, JudgeConfig):
            refuse_kin(spec.config, {teacher.model for teacher in panel})
            judge_teacher(spec.config, panel[0])
        if isinstance(spec.config, TeachersAgreeConfig):
            _check_vote(spec.config, len(panel))
        if "losses" in spec.needs and student.kind != "causal_lm":
            raise UsageError(f"filter {spec.name} measures the loss of a causal_lm student, not of a {student.kind}")


def _check_vote(vote: TeachersAgreeConfig, teachers: int) -> None:
    """Refuse a vote that no example can take part in; with one teacher and nothing required it passes all.

    Raises:
        UsageError: there are fewer teachers than it wants.
    """
    if teachers < vote.min_teachers and (vote.required or teachers > 1):
        raise UsageError(
            f"filter teachers_agree wants {vote.min_teachers} teachers and the config names {teachers}: add some under "
            f"`teachers`, or lower min_teachers"
        )


def check_regenerate(
    config: RegenerateConfig | None, specs: Sequence[FilterSpec], panel: Sequence[TeacherConfig]
) -> None:
    """Refuse, before anything is spent, to ask again where that can bring nothing.

    Raises:
        UsageError: nobody would answer, or no filter of the chain blames the answer.
    """
    if config is None:
        return
    if all(teacher.provider == "replay" for teacher in panel):
        raise UsageError("regenerate: a teacher of provider 'replay' answers nothing; leave regenerate out")
    if not any(spec.member.asks_again for spec in specs):
        raise UsageError("regenerate: no filter of this chain blames the answer, so nothing would be asked again")


def judge_teacher(judge: JudgeConfig, teacher: TeacherConfig) -> TeacherConfig:
    """Return the judge's section as a teacher's: the same journal, limits and price book.

    Raises:
        UsageError: there is no endpoint to ask.
    """
    if teacher.provider != "openai" and judge.base_url is None:
        raise UsageError(
            f"filter judge: give base_url; a teacher of provider {teacher.provider!r} lends it no endpoint"
        )
    price = judge.price
    return TeacherConfig(
        provider="openai",
        model=judge.model,
        base_url=judge.base_url or teacher.base_url,
        api_key_env=judge.api_key_env or teacher.api_key_env,
        temperature=judge.temperature,
        max_output_tokens=judge.max_output_tokens,
        structured="json_object",
        price="auto" if price == "auto" else PriceConfig(input=price.input, output=price.output),
        limits=teacher.limits,
        allow_model_mismatch=teacher.allow_model_mismatch,
    )


@dataclass(slots=True)
class Spending:
    """What the chain's own calls have cost in this run."""

    budget: Budget
    usd: float = 0.0
    ledgers: dict[str, dict[str, Json]] = field(default_factory=dict[str, dict[str, Json]])


@dataclass(frozen=True, slots=True)
class JournalAsker:
    """Asks judges through the teacher's journal and budget; one question asked twice is bought once."""

    surroundings: Surroundings
    spending: Spending

    def __call__(self, judge: Frozen, questions: Sequence[Question]) -> list[Reply]:
        config = judge_teacher(cast("JudgeConfig", judge), self.surroundings.teacher)
        requests = build_requests([question.messages for question in questions], config)
        orders = {request.key(): Order(request.key(), 0, request) for request in requests}
        with open_teacher(config, self.surroundings.runtime) as teacher:
            _: Standing = teacher.check(training=False)
            bought = teacher.buy(list(orders.values()), budget=self.spending.budget)
            self.spending.usd += teacher.ledger.usd
            self.spending.ledgers[config.model] = teacher.ledger.to_json()
        replies = dict(zip(orders, map(_reply, bought), strict=True))
        return [replies[request.key()] for request in requests]


def _reply(completion: Completion) -> Reply:
    return Reply(completion.text, completion.error_kind, completion.cost_usd)


@dataclass(frozen=True, slots=True)
class StudentServices:
    """Embeddings and losses by models of the students' package, which loads torch only when it is called."""

    device: str
    work_dir: Path
    student: StudentConfig | None

    def embed(self, texts: Sequence[str], model: EmbeddingModel) -> NDArray[np.float32]:
        """Return unit vectors."""
        from distill.students.embeddings import embed_texts  # noqa: PLC0415  (torch)

        return embed_texts(texts, model.name, model.revision, self.device)

    def losses(self, pairs: Sequence[tuple[str, str]]) -> list[Losses]:
        """Return the base's losses.

        Raises:
            UsageError: the student is no causal_lm.
        """
        from distill.students.surprise import measure_surprise  # noqa: PLC0415  (torch)

        if self.student is None or self.student.kind != "causal_lm":
            raise UsageError("a difficulty filter needs a causal_lm student")
        found = measure_surprise(pairs, self.student, self.work_dir, self.device)
        return [Losses(surprise.given_prompt, surprise.alone) for surprise in found]


def make_services(
    surroundings: Surroundings, spending: Spending, work_dir: Path, student: StudentConfig | None
) -> Services:
    """Return the services of a run."""
    students = StudentServices(surroundings.runtime.device, work_dir, student)
    return Services(JournalAsker(surroundings, spending), students.embed, students.losses)

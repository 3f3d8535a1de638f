"""The filter stage: judges asked through the journal within the budget, services joined, artifacts the same twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes.filter_context import make_filter_context
from fakes.judge_server import chat_server
from fakes.services import score_by_length

from distill.engine.parquet import read_table, write_rows
from distill.engine.stage import Summary
from distill.errors import BudgetExceededError, UsageError
from distill.filters import EmbeddingModel, FilterSpec
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.records.runtime import RuntimeConfig
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import completion_row
from distill.stages.chain_services import check_chain
from distill.stages.examples_table import write_examples
from distill.stages.filter import FilterStageConfig, run_filter
from distill.stages.heldout_traces import write_traces
from distill.students.config import StudentConfig, TinyModelConfig
from distill.tasks.config import TaskConfig
from distill.teachers import open_journal
from distill.teachers.config import TeacherConfig
from distill.teachers.journal.protocol import Spend

TASK = TaskConfig(output="label", labels=("refund", "card"), user="{{ text }}")
TEACHER = TeacherConfig(provider="openai", model="gpt-5", base_url="http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")
STUDENT = StudentConfig(kind="causal_lm", base=TinyModelConfig())


def completion(identity: str, text: str) -> Completion:
    return Completion(identity, 0, f"key-{identity}", text, "stop", "gpt-5", "gpt-5", Usage(9, 0, 1), 0.01, 1.0)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[Summary, Path]]:
    for name in ("split", "generate", "output", "work"):
        (tmp_path / name).mkdir()
    examples = [Example(f"e{i}", f"question number {i}", {"text": f"question number {i}"}) for i in range(6)]
    write_examples(examples[:5], tmp_path / "split" / "train.parquet")
    write_examples(examples[5:], tmp_path / "split" / "validation.parquet")
    write_traces(["a sealed row"], tmp_path / "split")
    rows = [completion_row(completion(e.id, "refund" if i % 2 else "card")) for i, e in enumerate(examples)]
    write_rows(rows, COMPLETIONS, tmp_path / "generate" / "completions.parquet")

    def start(*filters: object, budget_usd: float | None = None) -> tuple[Summary, Path]:
        runtime = RuntimeConfig(journal=f"sqlite:///{tmp_path}/journal.db", device="cpu")
        context = make_filter_context(tmp_path, TEACHER, runtime, budget_usd, purse="run")
        specs = tuple(FilterSpec.model_validate(value) for value in filters)
        return run_filter(FilterStageConfig(TASK, specs, STUDENT), context), tmp_path / "output"

    return start


def judge(url: str, **options: object) -> dict[str, object]:
    price = {"input": 10, "output": 10}
    return {"judge": {"model": "judge-1", "rubric": "Money back?", "base_url": url, "price": price, **options}}


def test_judge_is_asked_over_http_paid_once_and_shown_in_the_funnel(run: Callable[..., tuple[Summary, Path]]) -> None:
    with chat_server(score_by_length) as served:
        summary, output = run(judge(served.url))
        again, _ = run(judge(served.url))
    assert (len(served.bodies), summary.rows_out) == (6, 3)
    assert summary.cost_usd == pytest.approx(6 * 110 * 10 / 1e6)
    assert again.cost_usd == 0
    (step,) = json.loads((output / "funnel.json").read_text(encoding="utf-8"))
    assert step["reasons"] == {"judged_low": 3}
    assert step["usd_judging"] == pytest.approx(0.0066)
    assert step["usd_per_kept"] == pytest.approx((0.06 + 0.0066) / 3)
    assert read_table(output / "kept.parquet").column("answer").to_pylist() == ["refund"] * 3


def test_judge_shares_the_budget_with_what_was_spent_before(
    run: Callable[..., tuple[Summary, Path]], tmp_path: Path
) -> None:
    with closing(open_journal(f"sqlite:///{tmp_path}/journal.db")) as journal:
        journal.apply([Spend("run", 0.5)])
    with chat_server(score_by_length) as served, pytest.raises(BudgetExceededError):
        run(judge(served.url), budget_usd=0.5)
    assert served.bodies == []


def test_losses_and_embeddings_come_from_real_models(run: Callable[..., tuple[Summary, Path]]) -> None:
    summary, output = run({"difficulty": {"size": 4, "max_ifd": None}}, {"semantic_duplicate": {"threshold": 0.999}})
    assert summary.rows_out == 4
    evidence = read_table(output / "rejected.parquet").column("evidence").to_pylist()
    assert all(text.startswith("IFD ") for text in evidence)


@pytest.mark.parametrize(
    ("spec", "teacher", "kind", "words"),
    [
        ({"judge": {"model": "gpt-5-mini", "rubric": "r"}}, TEACHER, "classifier", "family"),
        (
            {"judge": {"model": "m", "rubric": "r"}},
            TeacherConfig(provider="replay", model="t"),
            "classifier",
            "base_url",
        ),
        ("difficulty", TEACHER, "classifier", "causal_lm"),
    ],
)
def test_chains_that_cannot_be_served_are_refused_before_any_spend(
    spec: object, teacher: TeacherConfig, kind: str, words: str
) -> None:
    student = STUDENT.model_copy(update={"kind": kind})
    with pytest.raises(UsageError, match=words):
        check_chain([FilterSpec.model_validate(spec)], (teacher,), student)


def test_paraphrases_are_nearer_than_strangers_to_a_real_encoder() -> None:
    from distill.students.embeddings import embed_texts

    model = EmbeddingModel()
    texts = ["Where is my parcel?", "My package has not arrived, where is it?", "Please delete my account."]
    near, far = (
        embed_texts(texts, model.name, model.revision, "cpu")
        @ embed_texts(texts[:1], model.name, model.revision, "cpu").T
    )[1:, 0]
    assert near > far + 0.2


def test_a_vote_that_wants_more_teachers_than_there_are_is_refused() -> None:
    def check(options: dict[str, object], teachers: int) -> None:
        check_chain([FilterSpec.model_validate({"teachers_agree": options})], (TEACHER,) * teachers, STUDENT)

    for options, teachers in (({"min_teachers": 3}, 2), ({"required": True}, 1)):
        with pytest.raises(UsageError, match=f"the config names {teachers}"):
            check(options, teachers)
    check({}, 1)
    check({"required": True}, 2)

"""Planted defects for the filters that ask a model: a judge over HTTP, and sentence embeddings by the real encoder.

The judge is a server of our own that knows each message's intent and scores by the rubric; what is measured is the way
of its word, through requests, journal, replies in several dresses and the score, not how clever a judge is.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fakes import planted
from fakes.judge_server import chat_server
from numpy.typing import NDArray

from distill.filters import EmbeddingModel, FilterContext, Services
from distill.records.runtime import RuntimeConfig
from distill.stages.chain_services import Spending, make_services
from distill.stages.surroundings import Surroundings
from distill.students.embeddings import embed_texts
from distill.teachers.config import TeacherConfig

RUBRIC = "The answer is the intent of the message, spelled as in the list."
ELSEWHERE = {
    "difficulty": "a selection to a size: which rows stay is proved in test_filters_selection.py and test_students_*",
    "diversity": "a selection to a size: its cover, balance and order are proved in test_filters_selection.py",
    "distribution": "drops nothing: its warnings and stops are proved in test_filters_selection.py",
}
"""Filters without a planted defect, and why."""
_DRESSES = (
    '{{"reason": "as the rubric says", "score": {0}}}',
    '```json\n{{"score": {0}, "reason": "r"}}\n```',
    'Here is my verdict: {{"score": "{0}"}}',
    '{{"score": {0}.0}}',
)
_UNSURE = 1e-4


def measure_judge(rows: int = 2000, seed: int = 4) -> planted.Found:
    """Give 1% of the messages another intent, and have a judge that knows the right one score every answer."""
    draw = random.Random(seed)
    table = planted.make_clean(rows, "label", seed)
    known = {row["text"]: row["target"] for row in table}
    wrong = set(draw.sample(range(rows), rows // 100))
    for place in wrong:
        other = draw.choice([label for label in planted.LABELS if label != table[place]["target"]])
        table[place] = {**table[place], "answer": other, "target": other, "value_json": json.dumps(other)}

    def reply(asked: str) -> str:
        found = re.search(r"INPUT\n(.*)\n\nANSWER\n(.*)\n\nReply as", asked, re.DOTALL)
        assert found is not None and RUBRIC in asked
        return _DRESSES[len(asked) % len(_DRESSES)].format(5 if known[found[1]] == found[2] else 2)

    with tempfile.TemporaryDirectory() as folder, chat_server(reply) as served:
        runtime = RuntimeConfig(journal=f"sqlite:///{folder}/journal.db", device="cpu", concurrency=8)
        teacher = TeacherConfig(provider="openai", model="m", base_url=served.url, api_key_env="NO_SUCH_KEY")
        surroundings = Surroundings(runtime, Path(folder), (teacher,))
        services = make_services(surroundings, Spending(surroundings.budget), Path(folder), None)
        price = {"input": 1.0, "output": 1.0}
        options = {"model": "judge-1", "rubric": RUBRIC, "base_url": served.url, "price": price}
        verdicts = planted.judge("judge", table, FilterContext(planted.TASKS["label"], services=services), options)
    return planted.count("judge", verdicts, wrong, "a judge over HTTP that knows the intents")


def measure_meanings(rows: int = 1000, threshold: float = 0.95, seed: int = 4) -> planted.Found:
    """Append reworded copies of 4% of the rows; a copy counts where the cosine of the two reaches the threshold."""
    draw = random.Random(seed)
    table = planted.make_clean(rows, "label", seed)
    places = draw.sample(range(rows), rows // 25)
    said = [reword(table[place]["text"], draw) for place in places]
    alike = find_cosines(said, [table[place]["text"] for place in places])
    copies = {rows + number for number, cosine in enumerate(alike) if cosine >= threshold + _UNSURE}
    table += [{**table[place], "id": f"p{place:07}", "text": text} for place, text in zip(places, said, strict=True)]
    context = FilterContext(planted.TASKS["label"], services=Services(embed=embed))
    verdicts = planted.judge("semantic_duplicate", table, context, {"threshold": threshold})
    texts = {row["id"]: row["text"] for row in table}
    dropped = [place for place, verdict in enumerate(verdicts) if not verdict.keep]
    owners = [texts[verdicts[place].evidence.split()[1]] for place in dropped]
    alike = find_cosines(owners, [table[place]["text"] for place in dropped])
    below = sum(cosine < threshold - _UNSURE for cosine in alike)
    found = planted.count("semantic_duplicate", verdicts, copies)
    near = len(dropped) - round(found.recall * found.planted) - below
    note = f"dropped below {threshold}: {below}; other rows that truly are as near: {near}"
    return planted.Found("semantic_duplicate", found.planted, found.recall, found.clean, below / found.clean, note)


def reword(text: str, draw: random.Random) -> str:
    """Say the same with other punctuation, order and courtesies."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    draw.shuffle(sentences)
    return draw.choice(["Hi, ", "Hello, ", ""]) + " ".join(sentences).replace("!", ".") + draw.choice([" Thanks!", ""])


def find_cosines(some: Sequence[str], others: Sequence[str]) -> list[float]:
    """Return the cosine of each pair, one by one and without the filter's own search."""
    first, second = (embed(texts, EmbeddingModel()).astype(np.float64) for texts in (some, others))
    return [float(np.dot(left, right)) for left, right in zip(first, second, strict=True)]


def embed(texts: Sequence[str], model: EmbeddingModel) -> NDArray[np.float32]:
    return embed_texts(texts, model.name, model.revision, "cpu")

"""Clean candidate rows made from the bundled tickets, and defects planted into them with the truth kept.

Sentences of tickets of one language are recombined, so every row is text that somebody could have sent; answers are the
recorded ones, as JSON, as a label, or told in prose. Everything follows from the seed.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.candidates import make_candidates

from distill.filters import FILTERS, FilterContext, Heldout, Rows, hash_runs
from distill.records.json import dump_canonical
from distill.records.tables import CANDIDATES
from distill.records.verdict import Verdict
from distill.similarity import jaccard, share_runs, shingles
from distill.stages.chain_context import make_context
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

Row = dict[str, Any]
TICKETS = Path(__file__).resolve().parents[2] / "examples" / "tickets"
SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"type": "string"},
        "order_number": {"type": ["string", "null"]},
        "product": {"type": ["string", "null"]},
        "urgency": {"enum": ["low", "normal", "high"]},
    },
    "required": ["intent", "order_number", "product", "urgency"],
    "additionalProperties": False,
}
LABELS = tuple((TICKETS / "labels.txt").read_text(encoding="utf-8").split())
TASKS = {
    "json": TaskConfig(output="json", schema=SCHEMA, user="{{ text }}"),
    "label": TaskConfig(output="label", labels=LABELS, user="{{ text }}"),
    "text": TaskConfig(output="text", user="{{ text }}"),
}
TOLD = {
    "en": [
        "The customer writes about {p} and the matter is {i}, which we handle today.",
        "This message concerns {p}; the team for {i} should answer it this week.",
    ],
    "de": [
        "Die Nachricht betrifft {p}, es geht um {i}, und wir kümmern uns heute darum.",
        "Der Kunde schreibt uns wegen {p}; zuständig ist die Gruppe für {i}.",
    ],
    "fr": [
        "Le client nous écrit au sujet de {p} et l'affaire concerne {i}, que nous traitons aujourd'hui.",
        "Ce message concerne {p} ; l'équipe chargée de {i} doit y répondre cette semaine.",
    ],
    "es": [
        "El cliente escribe sobre {p} y el asunto es {i}, que atendemos hoy mismo.",
        "Este mensaje trata de {p}; el equipo de {i} debe responder esta semana.",
    ],
    "it": [
        "Il cliente scrive a proposito di {p} e la questione riguarda {i}, che trattiamo oggi.",
        "Questo messaggio riguarda {p}; la squadra di {i} deve rispondere questa settimana.",
    ],
}
THING = {"en": "an appliance", "de": "ein Gerät", "fr": "un appareil", "es": "un aparato", "it": "un apparecchio"}


@dataclass(frozen=True)
class Ticket:
    text: str
    language: str
    answer: Row


def read_tickets() -> list[Ticket]:
    answers = {row["id"]: row for row in _lines("teacher.jsonl")}
    fields = ("intent", "order_number", "product", "urgency")
    return [
        Ticket(row["text"], row["language"], {name: answers[row["id"]][name] for name in fields})
        for name in ("train.jsonl", "heldout.jsonl")
        for row in _lines(name)
    ]


def _lines(name: str) -> list[Row]:
    return [json.loads(line) for line in (TICKETS / name).read_text(encoding="utf-8").splitlines()]


def make_texts(count: int, seed: int) -> list[tuple[str, Ticket]]:
    """Recombine sentences: one ticket's own, followed by one to three of others in its language."""
    draw = random.Random(seed)
    tickets = read_tickets()
    pool: dict[str, list[str]] = {}
    for ticket in tickets:
        parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+", ticket.text) if len(part.split()) > 3]
        pool.setdefault(ticket.language, []).extend(parts or [ticket.text])
    found: list[tuple[str, Ticket]] = []
    for index in range(count):
        ticket = tickets[index % len(tickets)]
        first = ticket.text if index < len(tickets) else draw.choice(pool[ticket.language])
        others = draw.sample(pool[ticket.language], draw.randint(1, 3))
        found.append((" ".join([first, *others]), ticket))
    return found


def make_short_texts(count: int, seed: int) -> Iterator[str]:
    """Yield short rows: two sentences of one language, and a number that tells otherwise equal rows apart."""
    draw = random.Random(seed)
    sentences: dict[str, list[str]] = {}
    for ticket in read_tickets():
        parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+", ticket.text) if len(part.split()) > 3]
        sentences.setdefault(ticket.language, []).extend(parts)
    languages = [language for language in sorted(sentences) if len(sentences[language]) > 50]
    weights = [len(sentences[language]) for language in languages]
    for _ in range(count):
        pool = sentences[draw.choices(languages, weights)[0]]
        yield f"{draw.choice(pool)} {draw.choice(pool)} {draw.randrange(10**6)}"


def make_clean(count: int, kind: str, seed: int = 4) -> list[Row]:
    """Return clean rows of the CANDIDATES schema."""
    draw = random.Random(seed + 1)
    task = make_task(TASKS[kind])
    rows: list[Row] = []
    for index, (text, ticket) in enumerate(make_texts(count, seed)):
        answer = tell(ticket, kind, draw)
        rows.append(finish({"id": f"c{index:07}", "text": text, "answer": answer, "language": ticket.language}, task))
    return rows


def tell(ticket: Ticket, kind: str, draw: random.Random) -> str:
    if kind == "json":
        return json.dumps(ticket.answer, ensure_ascii=False)
    if kind == "label":
        return ticket.answer["intent"]
    words = TOLD.get(ticket.language, TOLD["en"])
    thing = ticket.answer["product"] or THING.get(ticket.language, THING["en"])
    return draw.choice(words).format(p=thing, i=ticket.answer["intent"].replace("_", " "))


def finish(row: Row, task: Any) -> Row:
    """Parse the answer as the stage does and fill in the rest of the schema."""
    parsed = task.parse(row["answer"])
    good = parsed.error_kind is None
    base: Row = dict.fromkeys(CANDIDATES.names)
    base |= {
        "teacher": 0,
        "sample": 0,
        "slices": [],
        "finish_reason": "stop",
        "model": "m",
        "cost_usd": 0.0001,
        "key": row["id"],
        "output_tokens": len(row["answer"].split()),
        "columns_json": json.dumps({"text": row["text"]}),
        "value_json": dump_canonical(parsed.value) if good else None,
        "target": task.render(parsed.value) if good else None,
        "parse_error": parsed.error_kind,
        "repaired": parsed.repaired,
    }
    return {**base, "id": row["id"], "text": row["text"], "answer": row["answer"]}


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "I am unable to provide that information.",
    "As an AI language model, I can't do this.",
    "Unfortunately, I cannot process that message.",
    "Sorry, I can't comply with that.",
    "I apologize, but I cannot fulfil this request.",
    "I won't help with that.",
    "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
    "Leider kann ich diese Anfrage nicht beantworten.",
    "Je suis désolé, mais je ne peux pas répondre.",
    "Je ne peux pas vous aider avec cette demande.",
    "Lo siento, pero no puedo ayudar con eso.",
    "No puedo responder a esa solicitud.",
    "Mi dispiace, ma non posso aiutarti.",
    "Non posso fornire queste informazioni.",
    "Desculpe, mas não posso ajudar com isso.",
    "Het spijt me, maar ik kan daar niet mee helpen.",
    "Niestety nie mogę odpowiedzieć.",
    "К сожалению, я не могу помочь с этим.",
    "抱歉，我无法回答这个问题。",
    "申し訳ありませんが、お答えできません。",
    "죄송하지만 도와드릴 수 없습니다.",
    "Üzgünüm, bu konuda yardımcı olamam.",
]
HEDGES = [
    "I'm not sure what the customer wants.",
    "It is hard to tell from this message alone.",
    "It depends on several things that are not stated.",
    "I don't have enough information to decide.",
    "Without more context I cannot name the intent.",
    "As of my last update, this was not covered.",
    "Ich bin nicht sicher, worum es geht.",
    "Es kommt darauf an, was gemeint ist.",
    "Je ne suis pas sûr de ce que veut le client.",
    "Il est difficile de dire ce qui est demandé.",
    "No estoy seguro de lo que pide.",
    "Es difícil saber qué quiere.",
    "Non sono sicuro di che cosa chieda.",
]
ERRORS = [
    '{"error": {"message": "Rate limit reached", "type": "requests"}}',
    "<!DOCTYPE html><html><head></head></html>",
    "<html>\n<head><title>502 Bad Gateway</title></head></html>",
    'Traceback (most recent call last):\n  File "a.py"',
    "Error code: 429 - {'error': {}}",
    "503 Service Unavailable",
    "HTTP 500 Internal Server Error",
    "upstream connect error or disconnect/reset before headers",
    "openai.APIConnectionError: Connection error.",
    'Exception in thread "main" java.lang.IllegalStateException',
    "TypeError: a is not a function\n    at b (c.js:1:2)",
    "panic: runtime error: invalid memory address",
    "You exceeded your current quota, please check your plan.",
    '{"type":"error","error":{"type":"overloaded_error"}}',
    "Request timed out.",
    "Gateway Timeout",
    "This model's maximum context length is 8192 tokens.",
    '{"message": "Internal server error"}',
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "429 Too Many Requests",
]


def with_luhn(body: str) -> str:
    for digit in "0123456789":
        number = body + digit
        total = sum(sum(divmod(int(c) * (1 + i % 2), 10)) for i, c in enumerate(reversed(number)))
        if total % 10 == 0:
            return number
    raise AssertionError(body)


def make_pii(draw: random.Random) -> str:
    digits = "".join(draw.choice("0123456789") for _ in range(18))
    card = with_luhn("4" + digits[:14])
    account = "37040044" + digits[:10]
    check = 98 - int(account + "131400") % 97
    word = "".join(draw.choice("abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789") for _ in range(36))
    return draw.choice(
        [
            card,
            " ".join(card[i : i + 4] for i in range(0, 16, 4)),
            f"DE{check:02}{account}",
            f"jo.{word[:5]}@example.org",
            f"+49 30 {digits[:7]}",
            f"(555) {digits[1:4]}-{digits[4:8]}",
            f"+1 212 {digits[:3]} {digits[3:7]}",
            f"sk-{word}",
            f"ghp_{word}",
            f"AKIA{word[:16].upper()}",
        ]
    )


def loop(row: Row, draw: random.Random) -> str:
    words = row["answer"].split() or ["yes"]
    phrase = " ".join(words[: draw.randint(1, 6)])
    return f"{row['answer']} {' '.join([phrase] * draw.randint(7, 40))}"


def near_copy(text: str, draw: random.Random) -> str:
    """Edit a few words and maybe move some; the true Jaccard decides whether it counts."""
    words = text.split()
    for _ in range(draw.randint(0, max(1, len(words) // 12))):
        words[draw.randrange(len(words))] = f"word{draw.randrange(1000)}"
    if draw.random() < 0.5:
        middle = draw.randrange(len(words))
        words = words[middle:] + words[:middle]
    return " ".join(words)


def break_json(row: Row, draw: random.Random) -> str:
    value = json.loads(row["answer"])
    how = draw.randrange(5)
    if how == 0:
        return row["answer"][: draw.randint(1, len(row["answer"]) - 1)]
    if how == 1:
        value.pop("urgency")
    elif how == 2:
        value["urgency"] = "someday"
    elif how == 3:
        value["extra"] = 1
    else:
        return "The intent is " + value["intent"]
    return json.dumps(value)


def bend_json(row: Row, draw: random.Random) -> str:
    value = json.loads(row["answer"])
    return draw.choice(
        [
            repr(value),
            json.dumps(value)[:-1] + ",}",
            json.dumps(value, indent=1)[:-2] + ", // the end\n}",
            f"```json\n{value!r}\n```",
            f"Here it is: {value!r}",
        ]
    )


def cut_off(row: Row, draw: random.Random) -> str:
    words = row["answer"].split()
    return " ".join(words[: draw.randint(9, len(words) - 1)]).rstrip(".,;:!?")


def elsewhere(row: Row, draw: random.Random) -> str:
    said = row["answer"]
    own = next((code for code, told in TOLD.items() if any(said.startswith(t.split("{")[0]) for t in told)), "en")
    other = draw.choice([code for code in TOLD if code != own])
    return draw.choice(TOLD[other]).format(p=THING[other], i="intent")


def wrong_sum(row: Row, draw: random.Random) -> str:
    a, b = draw.randint(10, 99), draw.randint(10, 99)
    return f"{row['answer']} In all {a} + {b} = {a + b + draw.randint(2, 30)}."


Plant = Callable[[Row, random.Random], Row]


def answer(make: Callable[[Row, random.Random], str]) -> Plant:
    return lambda row, draw: {**row, "answer": make(row, draw)}


def pick(values: Sequence[str]) -> Plant:
    return lambda row, draw: {**row, "answer": draw.choice(values)}


def _pii_row(row: Row, draw: random.Random) -> Row:
    column = draw.choice(["text", "answer"])
    words = row[column].split()
    place = draw.randint(0, len(words))
    return {**row, column: " ".join([*words[:place], make_pii(draw), *words[place:]])}


PLANTS: dict[str, tuple[str, Plant, dict[str, Any]]] = {
    "parseable": ("json", answer(break_json), {}),
    "schema_valid": ("json", answer(break_json), {}),
    "finished": ("text", lambda row, _: {**row, "finish_reason": "length"}, {}),
    "truncated": ("text", lambda row, draw: {**row, "answer": cut_off(row, draw)}, {}),
    "error_text": ("text", pick(ERRORS), {}),
    "not_refusal": ("text", pick(REFUSALS), {}),
    "hedge": ("text", pick(HEDGES), {}),
    "empty": ("text", pick(["", " ", "\n\t", "\u3000 "]), {}),
    "length": ("text", answer(lambda row, draw: " ".join([row["answer"]] * draw.randint(8, 20))), {"max_words": 60}),
    "repetition": ("text", answer(loop), {}),
    "language": ("text", answer(elsewhere), {}),
    "label_known": ("label", answer(lambda row, draw: row["answer"][:-1] + draw.choice("xzq")), {}),
    "verifier": ("text", answer(wrong_sum), {"equations": True}),
    "pii": ("text", _pii_row, {}),
    "generation": ("text", lambda row, _: {**row, "columns_json": '{"answered_by":"student"}'}, {}),
    "answer_agrees": ("label", lambda row, _: {**row, "gold_json": '"no_such_intent"'}, {}),
    "confidence": ("text", lambda row, draw: {**row, "sampled_logprobs": [-draw.uniform(1.5, 4)] * 3}, {}),
}
"""Filter -> kind of task, what is done to a row, options."""


@dataclass(frozen=True)
class Found:
    filter: str
    planted: int
    recall: float
    clean: int
    false_drops: float
    note: str = ""


def measure(name: str, rows: int, seed: int = 4) -> Found:
    """Plant one kind of defect into 1% of clean rows and judge all of them."""
    kind, _, options = PLANTS[name]
    table, planted = plant(name, rows, seed)
    return count(name, judge(name, table, make_context(TASKS[kind]), options), planted)


def plant(name: str, rows: int, seed: int = 4) -> tuple[list[Row], set[int]]:
    """Return clean rows with one kind of defect in 1% of them, and where."""
    kind, spoil, _ = PLANTS[name]
    draw = random.Random(seed + len(name))
    clean = make_clean(rows, kind, seed)
    for row in clean:
        row["gold_json"] = row["value_json"] if name == "answer_agrees" else None
        row["sampled_logprobs"] = [-0.05, -0.2] if name == "confidence" else None
        row["finish_reason"] = None if name == "truncated" else row["finish_reason"]
    planted = set(draw.sample(range(rows), rows // 100))
    task = make_task(TASKS[kind])
    for place in planted:
        changed = spoil(clean[place], draw)
        parsed = finish(changed, task)
        kept = ("gold_json", "sampled_logprobs", "finish_reason", "columns_json")
        clean[place] = {**parsed, **{column: changed[column] for column in kept}}
    return clean, planted


def judge(name: str, rows: list[Row], context: FilterContext, options: dict[str, Any]) -> Sequence[Verdict]:
    member = FILTERS[name]
    return member.judge(Rows(make_candidates(rows)), member.config_type(**options), context).verdicts


def count(name: str, verdicts: Sequence[Verdict], planted: set[int], note: str = "") -> Found:
    dropped = {place for place, verdict in enumerate(verdicts) if not verdict.keep}
    clean = len(verdicts) - len(planted)
    return Found(name, len(planted), len(dropped & planted) / len(planted), clean, len(dropped - planted) / clean, note)


def measure_repairs(rows: int, seed: int = 4) -> Found:
    """Bend JSON without loss: found means mended to exactly the value it had; clean rows must not change."""
    draw = random.Random(seed)
    clean = make_clean(rows, "json", seed)
    planted = set(draw.sample(range(rows), rows // 100))
    task = make_task(TASKS["json"])
    bent = [
        finish({**row, "answer": bend_json(row, draw)}, task) if i in planted else row for i, row in enumerate(clean)
    ]
    verdicts = judge("schema_repairable", bent, make_context(TASKS["json"]), {})
    right = sum(
        (verdicts[i].edits or {}).get("value_json", bent[i]["value_json"]) == clean[i]["value_json"] for i in planted
    )
    wrong = sum(verdict.edits is not None or not verdict.keep for i, verdict in enumerate(verdicts) if i not in planted)
    return Found(
        "schema_repairable",
        len(planted),
        right / len(planted),
        rows - len(planted),
        wrong / (rows - len(planted)),
        "recall: mended to the very value",
    )


def measure_votes(name: str, rows: int, seed: int = 4) -> Found:
    """Give every example three answers, one of them wrong in 1% of the examples."""
    draw = random.Random(seed)
    table: list[Row] = []
    planted: set[int] = set()
    for row in make_clean(rows // 3, "label", seed):
        odd = draw.randrange(3) if draw.random() < 0.03 else None
        for sample in range(3):
            other = draw.choice([label for label in LABELS if label != row["target"]])
            target = other if sample == odd else row["target"]
            if sample == odd:
                planted.add(len(table))
            teacher = sample if name == "teachers_agree" else 0
            table.append({**row, "teacher": teacher, "sample": sample, "target": target, "answer": target})
    return count(name, judge(name, table, make_context(TASKS["label"]), {}), planted)


def measure_copies(name: str, rows: int, threshold: float = 0.8, seed: int = 4) -> Found:
    """Append copies of 1% of the rows; a near copy counts where its true Jaccard reaches the threshold."""
    draw = random.Random(seed)
    clean = make_clean(rows, "label", seed)
    planted: set[int] = set()
    table = list(clean)
    for place in draw.sample(range(rows), rows // 100):
        text = clean[place]["text"]
        if name == "exact_duplicate":
            copy = draw.choice([text.upper(), f"  {text} !", text.replace(" ", "  "), text.replace(".", " .")])
            same = True
        else:
            copy = near_copy(text, draw)
            same = jaccard(shingles(copy), shingles(text)) >= threshold
        if same:
            planted.add(len(table))
            table.append({**clean[place], "id": f"p{place:07}", "text": copy})
    options = {"threshold": threshold} if name == "near_duplicate" else {}
    verdicts = judge(name, table, make_context(TASKS["label"]), options)
    found = count(name, verdicts, planted)
    if name != "near_duplicate":
        return found
    texts = {row["id"]: row["text"] for row in table}
    below = sum(
        jaccard(shingles(texts[verdict.evidence.split()[1]]), shingles(row["text"])) < threshold
        for row, verdict in zip(table, verdicts, strict=True)
        if not verdict.keep
    )
    true_pairs = sum(not v.keep for i, v in enumerate(verdicts) if i not in planted)
    return Found(
        name,
        found.planted,
        found.recall,
        found.clean,
        below / found.clean,
        f"dropped below {threshold}: {below}; clean rows that truly are near copies: {true_pairs}",
    )


def measure_contamination(rows: int, seed: int = 4) -> Found:
    """Put a run of 13 or more words of a held-out text into 1% of the rows."""
    draw = random.Random(seed)
    texts = [text.split() for text, _ in make_texts(2000, seed + 99)]
    heldout = [" ".join(draw.sample(words, len(words))) for words in texts if len(words) >= 20]
    clean = make_clean(rows, "label", seed)
    runs = frozenset(hash_runs(*heldout))
    own = share_runs([row["text"] for row in clean], runs).tolist()
    table = [row for row, shared in zip(clean, own, strict=True) if not shared]
    planted = set(draw.sample(range(len(table)), len(table) // 100))
    for place in planted:
        words = draw.choice(heldout).split()
        start = draw.randint(0, len(words) - 16)
        copied = " ".join(words[start : start + 16])
        table[place] = {**table[place], "text": f"{table[place]['text']} {copied} so."}
    context = FilterContext(TASKS["label"], Heldout(runs))
    return count("contamination", judge("contamination", table, context, {}), planted)


def measure_messages(name: str) -> float:
    """Return the share of customers' own messages, taken as answers, that a filter would drop."""
    rows = [
        finish({"id": f"m{i:05}", "text": "a question", "answer": ticket.text}, make_task(TASKS["text"]))
        for i, ticket in enumerate(read_tickets())
    ]
    verdicts = judge(name, rows, make_context(TASKS["text"]), {})
    return sum(not verdict.keep for verdict in verdicts) / len(verdicts)


MEASURED_APART: dict[str, Callable[[int], Found]] = {
    "schema_repairable": measure_repairs,
    "self_consistency": lambda rows: measure_votes("self_consistency", rows),
    "teachers_agree": lambda rows: measure_votes("teachers_agree", rows),
    "exact_duplicate": lambda rows: measure_copies("exact_duplicate", rows),
    "near_duplicate": lambda rows: measure_copies("near_duplicate", rows),
    "contamination": measure_contamination,
}
"""Filters whose defect is more than a change of one row."""


def measure_all(rows: int) -> list[Found]:
    """Measure every filter that needs no model."""
    return [*(measure(name, rows) for name in PLANTS), *(each(rows) for each in MEASURED_APART.values())]

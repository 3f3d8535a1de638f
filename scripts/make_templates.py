"""Write the data of `distill init`'s templates and of the recipes from examples/tickets and from sums; seeded."""

from __future__ import annotations

import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKETS = ROOT / "examples" / "tickets"
TEMPLATES = ROOT / "distill" / "app" / "scaffold" / "templates"
RECIPES = ROOT / "examples" / "recipes"
ROWS = 160
FIELDS = ("order_number", "product", "urgency")
ITEMS = ("kettle", "toaster", "blender", "iron", "fan", "heater", "mixer", "juicer")


def read_tickets() -> list[dict]:
    """Return English tickets with gold and the recorded answers, in a shuffled but fixed order."""
    answers = {row["id"]: row for row in read_lines(TICKETS / "teacher.jsonl")}
    rows = [row for row in read_lines(TICKETS / "heldout.jsonl") if row["language"] == "en"]
    random.Random(17).shuffle(rows)
    return [row | {"answer": answers[row["id"]]} for row in rows[:ROWS]]


def read_lines(path: Path) -> list[dict]:
    """Read a jsonl file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, rows: list[dict]) -> None:
    """Write a jsonl file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def make_sums() -> list[dict]:
    """Make small orders to add up, each with its total."""
    rng, rows = random.Random(23), []
    for number in range(ROWS):
        item, count, price, delivery = rng.choice(ITEMS), rng.randint(2, 4), rng.randint(1, 9), rng.randint(0, 1) * 4
        text = f"{count} {item}s at {price} euros each, delivery {delivery} euros. What is the total?"
        rows.append({"id": f"sum-{number:03d}", "text": text, "total": count * price + delivery})
    return rows


def make_chat(ticket: dict, answer: str) -> list[dict]:
    """Make a conversation whose last message is the recorded answer."""
    return [
        {"role": "system", "content": "You work at the support desk of a shop for home appliances."},
        {"role": "user", "content": ticket["text"]},
        {"role": "assistant", "content": answer},
    ]


def make_reply(ticket: dict) -> str:
    """Make the short acknowledgement that the chat template's recorded model gives."""
    told = ticket["answer"]
    topic = told["intent"].replace("_", " ")
    about = f" about your {told['product']}" if told["product"] else ""
    order = f" (order {told['order_number']})" if told["order_number"] else ""
    return f"Thank you for your message{about}{order}. We have passed it to our {topic} team."


def main() -> None:
    tickets = read_tickets()
    labelled = [{key: t[key] for key in ("id", "text", "channel", "intent")} for t in tickets]
    read = [{"id": t["id"], "text": t["text"], "fields": {key: t[key] for key in FIELDS}} for t in tickets]
    replies = [{"id": t["id"], "messages": make_chat(t, make_reply(t))} for t in tickets]
    logs = [{"id": t["id"], "messages": make_chat(t, t["answer"]["intent"])} for t in tickets]
    templates = {"classify": labelled, "extract": read, "answer": make_sums(), "chat": replies, "logs": logs}
    for name, rows in templates.items():
        write_lines(TEMPLATES / name / "rows.jsonl", rows)
    write_lines(RECIPES / "fields.jsonl", read)
    write_lines(RECIPES / "logs.jsonl", logs)
    labels = (TICKETS / "labels.txt").read_text(encoding="utf-8")
    for name in ("classify", "logs"):
        (TEMPLATES / name / "labels.txt").write_text(labels, encoding="utf-8")


if __name__ == "__main__":
    main()

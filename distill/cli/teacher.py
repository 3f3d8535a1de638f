"""`distill teacher`: the rehearsal teacher as a server of its own."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """The rehearsal teacher as a stand-alone OpenAI-compatible server."""


@command.command()
@click.option(
    "--knowledge",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="jsonl(.gz) file with known answers; several are merged by id, later ones win.  "
    "[default: the 160 messages of `distill init`, with their intents]",
)
@click.option("--input", "question", default="text", show_default=True, help="Column that is the input.")
@click.option("--answer", default="answer", show_default=True, help="Column that is the answer.")
@click.option("--model", default="rehearsal", show_default=True, help="Model name it goes by.")
@click.option(
    "--faults", default="", metavar="SPEC", help="Faults on demand, e.g. 429=0.1,500=0.05,timeout=0.01,seed=3."
)
@click.option("--latency-ms", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Time per answer.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; it asks for no key.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 takes a free one.  [default: 0]")
def serve(
    knowledge: tuple[Path, ...],
    question: str,
    answer: str,
    model: str,
    faults: str,
    latency_ms: float,
    host: str,
    port: int,
) -> int:
    """Serve until Ctrl-C; one line of JSON on stdout says where.

    \b
    distill teacher serve
    distill teacher serve --knowledge examples/tickets/teacher.jsonl --answer intent --port 9000
    """
    from distill.teachers.rehearsal.faults import parse_faults
    from distill.teachers.rehearsal.serve import serve as serve_teacher

    plan = parse_faults(faults)
    if not knowledge:
        from distill.app.scaffold import SAMPLE_ANSWER, SAMPLE_INPUT, sample_rows

        knowledge, question, answer = (sample_rows(),), SAMPLE_INPUT, SAMPLE_ANSWER
    serve_teacher(
        knowledge,
        question=question,
        answer=answer,
        model=model,
        faults=plan,
        latency_ms=latency_ms,
        host=host,
        port=port,
    )
    return 0

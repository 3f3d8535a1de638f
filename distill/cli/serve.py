"""`distill serve`: the OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import channels_option, place_options


@click.command()
@click.argument("target", metavar="CHANNEL_OR_RUN")
@click.option("--host", help="Address to listen on; off loopback API keys are needed.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: 8080]")
@click.option("--fallback", is_flag=True, help="Ask the run's teacher where the student is unsure or fails.")
@click.option("--student-url", metavar="URL", help="Ask a student served elsewhere, e.g. by vLLM; ends in /v1.")
@click.option("--student-model", metavar="NAME", help="The student's name there.  [default: student]")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with the gateway's settings (limits, fallback, log, shadow).",
)
@place_options
@channels_option
def command(
    target: str,
    host: str | None,
    port: int | None,
    student_url: str | None,
    student_model: str | None,
    config_file: Path | None,
    runs_dir: Path,
    state_dir: Path,
    channels: str | None,
    *,
    fallback: bool,
) -> int:
    """Serve a channel, following it as it moves, or one run's student: student first, teacher when unsure.

    \b
    distill serve production --fallback
    distill serve quickstart@latest --port 0
    distill serve production --student-url http://vllm:8000/v1
    """
    from distill.app.live import find_target, make_serve_config, read_section
    from distill.engine.logging import configure_logging
    from distill.errors import MissingExtraError

    try:
        from distill.serving.config import ServeConfig
        from distill.serving.server import run_server
    except ImportError as error:
        raise MissingExtraError(error.name or "uvicorn", "serve") from error

    found = find_target(target, state_dir, runs_dir, channels)
    given = read_section(config_file, ServeConfig)
    upstream = (student_url, student_model)
    config = make_serve_config(found, given, host=host, port=port, fallback=fallback, upstream=upstream)
    configure_logging()
    if found.system == "cascade" and config.fallback is None:
        click.echo(
            "warning: the gate promoted this student with its fallback, and there is none now: unsure answers will "
            "stand; add --fallback",
            err=True,
        )
    click.echo(f"loading {target}; then it listens on {config.host} (Ctrl-C stops)", err=True)
    run_server(
        config, state_dir=found.state_dir, channel=found.channel, student_dir=found.student_dir, place=found.place
    )
    return 0

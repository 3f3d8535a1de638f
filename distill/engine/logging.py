"""Logs: events with fields; console lines for people on stderr, JSON lines for machines in a file.

Never the text of examples, prompts or keys above DEBUG.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Literal

import structlog


def configure_logging(
    level: str = "info", file: Path | None = None, style: Literal["console", "json"] = "console"
) -> None:
    """Send structlog events to stderr and, as JSON lines, to `file` when given.

    Args:
        level: debug, info, warning or error.
        file: file to append JSON lines to.
        style: how stderr looks.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    root = logging.getLogger("distill")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    console: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if style == "console"
        else structlog.processors.JSONRenderer()
    )
    _add_handler(root, logging.StreamHandler(sys.stderr), console, shared, level if file is None else max_level(level))
    if file is not None:
        _add_handler(
            root, logging.FileHandler(file, encoding="utf-8"), structlog.processors.JSONRenderer(), shared, level
        )
    root.setLevel(level.upper())
    root.propagate = False
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def max_level(level: str) -> str:
    """Return the console's level when a file takes the details: warnings, unless debugging."""
    return "debug" if level == "debug" else "warning"


def _add_handler(
    root: logging.Logger,
    handler: logging.Handler,
    renderer: structlog.types.Processor,
    shared: list[structlog.types.Processor],
    level: str,
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(formatter)
    handler.setLevel(level.upper())
    root.addHandler(handler)

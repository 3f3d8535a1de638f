"""JSON files of an artifact, as the next stages and people read them."""

from __future__ import annotations

import json

from distill.engine.stage import Context


def write_json(context: Context, name: str, value: object) -> None:
    """Write a JSON file of the artifact; NaN is refused.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    (context.output_dir / name).write_text(text, encoding="utf-8")

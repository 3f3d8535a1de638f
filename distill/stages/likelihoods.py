"""How likely local systems find the reference answers: asked only where a metric needs it, and kept like answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from distill.engine.fingerprint import Plain, fingerprint
from distill.engine.stage import Context
from distill.records.training import Likelihood, Prompt
from distill.stages.kept_lines import KeptLines
from distill.stages.scoring import Reference
from distill.students.protocol import Predictor, Weigher
from distill.tasks.protocol import Task

LIKELIHOODS_VERSION = 1
"""Raised when the code that weighs answers changes what it says."""
BATCH_ROWS = 256
METRICS_OF_LIKELIHOOD = frozenset({"perplexity"})


def render_references(reference: Reference, task: Task) -> dict[str, str]:
    """Return id -> the reference as the text that a student is taught to write."""
    return {name: task.render(value) for name, value in reference.values.items()}


def weigh_references(
    predictor: Predictor,
    identity: Mapping[str, Plain],
    prompts: Sequence[Prompt],
    references: Mapping[str, str],
    context: Context,
    name: str,
) -> dict[str, Likelihood]:
    """Return id -> how likely the system finds the reference; empty for a system that gives no probabilities of texts.

    `identity` is that of the system's answers. Rows without a reference are left out.

    Raises:
        StoreError: what is kept cannot be written.
    """
    if not isinstance(predictor, Weigher):
        return {}
    asked = [prompt for prompt in prompts if prompt.id in references]
    key = fingerprint({"version": LIKELIHOODS_VERSION, **identity})
    kept = KeptLines(context.state_dir / "likelihoods" / f"{key}.jsonl", Likelihood)
    keys = [_key_of(prompt, references[prompt.id]) for prompt in asked]

    def weigh(places: Sequence[int]) -> Sequence[Likelihood]:
        chosen = [asked[place] for place in places]
        return predictor.weigh(chosen, [references[prompt.id] for prompt in chosen])

    found = kept.complete(
        keys,
        asked,
        weigh,
        batch_rows=BATCH_ROWS,
        on_progress=lambda done: context.progress(done, len(asked), f"{name} weighs the references"),
    )
    return dict(zip((prompt.id for prompt in asked), found, strict=True))


def _key_of(prompt: Prompt, reference: str) -> str:
    text = json.dumps([prompt.system, prompt.user, reference], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

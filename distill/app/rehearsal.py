"""A rehearsal of a config: the same pipeline with the offline stand-in as its teacher, under a name of its own."""

from __future__ import annotations

from distill.config import LoadedConfig
from distill.teachers.config import PriceConfig

REHEARSAL_MODEL = "rehearsal"
ASSUMED_PRICE = PriceConfig(input=0.0, output=0.0)


def rehearsed(loaded: LoadedConfig) -> LoadedConfig:
    """Return the config with the rehearsal teacher in place of the real one; a rehearsal config stays as it is.

    The stand-in knows the answers that the data itself carries (gold, recorded answers); to other inputs it gives
    the answer of the nearest one it knows.
    """
    teacher = loaded.pipeline.teacher
    if teacher.provider == "rehearsal":
        return loaded
    data = loaded.pipeline.data
    sources = [data.source] if data.heldout.source is None else [data.source, data.heldout.source]
    changed = teacher.model_copy(
        update={
            "provider": "rehearsal",
            "model": f"{REHEARSAL_MODEL}/{teacher.model}",
            "base_url": None,
            "knowledge": tuple(sources),
            "knowledge_answer": data.gold or data.teacher_output or teacher.knowledge_answer,
            "price": ASSUMED_PRICE,
            "price_is_assumption": True,
            "budget_usd": None,
            "mode": "realtime",
            "sunset": None,
        }
    )
    pipeline = loaded.pipeline.model_copy(update={"name": f"{loaded.pipeline.name}-rehearsal", "teacher": changed})
    return loaded.with_pipeline(pipeline)

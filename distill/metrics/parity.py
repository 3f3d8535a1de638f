"""Parity: the share of token choices that the student as it is served makes as the one that was trained did.

Measured by training on prompts that are not held out (`student/form_parity.json`), so no row carries it: only a rule
of the gate (`{metric: parity, min: 0.999}`) can ask for it.
"""

from __future__ import annotations

from distill.metrics.item_metric import ItemMetric

PARITY = ItemMetric("parity", lambda _: None)

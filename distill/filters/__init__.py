"""Filters: bad teacher answers never reach training, and every drop has a reason."""

from distill.filters.chain import ChainResult, DroppedRow, FunnelStep, run_chain
from distill.filters.duplicates import hash_runs
from distill.filters.protocol import Filter, FilterContext, NoOptions
from distill.filters.spec import FilterSpec, filter_versions
from distill.filters.table import FILTERS

__all__ = [
    "FILTERS",
    "ChainResult",
    "DroppedRow",
    "Filter",
    "FilterContext",
    "FilterSpec",
    "FunnelStep",
    "NoOptions",
    "filter_versions",
    "hash_runs",
    "run_chain",
]

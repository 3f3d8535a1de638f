"""Filters: bad teacher answers never reach training, and every drop has a reason."""

from distill.filters.batch import Judged, Mark, RowEngine, judge_batch, judge_locally
from distill.filters.chain import ChainResult, Sifted, run_chain, sift
from distill.filters.funnel import DroppedRow, FunnelStep
from distill.filters.protocol import Filter, FilterContext, Heldout, Judgement, NoOptions, Reread
from distill.filters.regenerate import RegenerateConfig, complain
from distill.filters.rows import Rows
from distill.filters.services import EmbeddingModel, Losses, Question, Reply, Services
from distill.filters.spec import FilterSpec, filter_versions
from distill.filters.table import FILTERS
from distill.similarity import hash_runs

__all__ = [
    "FILTERS",
    "ChainResult",
    "DroppedRow",
    "EmbeddingModel",
    "Filter",
    "FilterContext",
    "FilterSpec",
    "FunnelStep",
    "Heldout",
    "Judged",
    "Judgement",
    "Losses",
    "Mark",
    "NoOptions",
    "Question",
    "RegenerateConfig",
    "Reply",
    "Reread",
    "RowEngine",
    "Rows",
    "Services",
    "Sifted",
    "complain",
    "filter_versions",
    "hash_runs",
    "judge_batch",
    "judge_locally",
    "run_chain",
    "sift",
]

"""The config: a file, variables and flags in; a validated `PipelineConfig` and a `RuntimeConfig` out."""

from __future__ import annotations

from distill.config.forms import dump, json_schema
from distill.config.load import LoadedConfig, load_config
from distill.config.pipeline import PipelineConfig
from distill.errors import ConfigError, Problem
from distill.records.runtime import RuntimeConfig

__all__ = [
    "ConfigError",
    "LoadedConfig",
    "PipelineConfig",
    "Problem",
    "RuntimeConfig",
    "dump",
    "json_schema",
    "load_config",
]

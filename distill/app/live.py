"""What runs beside traffic: the gateway of a channel or a run, and the check of what it served."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, Field, ValidationError, create_model

from distill.app.runs import Run, find_run, resolve_run
from distill.config.tree import read_tree
from distill.config.wording import word_errors
from distill.engine.channels import Channels
from distill.errors import ConfigError, Problem, TeacherError, UsageError
from distill.monitoring.check import check
from distill.monitoring.config import MonitorConfig
from distill.monitoring.health import Health
from distill.records.live import CanaryRules
from distill.serving.config import FallbackConfig, ServeConfig, UpstreamConfig
from distill.serving.request_log import READING, RequestLog
from distill.teachers.config import TeacherConfig
from distill.teachers.prices import find_price

OPENAI_URL = "https://api.openai.com/v1"
Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Target:
    """What to serve: a channel (followed as it moves), or one student directory; and the run it came from."""

    state_dir: Path
    channel: str | None
    student_dir: Path | None
    run: Run | None
    system: str
    """student, or cascade where the gate's word holds only with the fallback."""
    place: Path | str | None = None
    """Where channels are kept; None: the state directory."""


def read_section(path: Path | None, section: type[Section]) -> Section:
    """Read a YAML file that holds one config object; None gives the defaults.

    Raises:
        ConfigError: with every problem found, each with `file:line:col`.
    """
    if path is None:
        return section()
    try:
        tree = read_tree(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error}")]) from error
    if tree.problems:
        raise ConfigError(tree.problems)
    try:
        return section.model_validate({} if tree.value is None else tree.value)
    except ValidationError as error:
        raise ConfigError(word_errors(error.errors(include_url=False), tree, section)) from error


def read_canary_rules(share: float | None, path: Path | None) -> CanaryRules | None:
    """Return the rules of a canary with this share; a file gives the others, or the share too. None: no canary.

    Raises:
        ConfigError: the file has mistakes, or names no share.
    """
    if path is None:
        return None if share is None else CanaryRules(share=share)
    rules = read_section(path, CanaryRules) if share is None else read_section(path, _rules_with(share))
    return CanaryRules(**rules.model_dump())


def _rules_with(share: float) -> type[CanaryRules]:
    """Return the rules with a default share, so that a file need not repeat the flag."""
    return create_model("CanaryRules", __base__=CanaryRules, share=(float, Field(default=share, gt=0, lt=1)))


def find_target(name: str, state_dir: Path, runs_dir: Path, place: Path | str | None = None) -> Target:
    """Find what CHANNEL_OR_RUN names: a channel of that name first, else a run.

    Raises:
        UsageError: there is neither, or the run has no student.
        StoreError: the channel's history is damaged.
    """
    channels = Channels(state_dir if place is None else place)
    if name in channels.names():
        entry = channels.read(name)
        metadata = entry.metadata if entry is not None else {}
        run, system = find_run(metadata, runs_dir), str(metadata.get("system", "student"))
        return Target(state_dir, name, None, run, system, place)
    try:
        run = resolve_run(name, runs_dir)
    except UsageError as error:
        known = ", ".join(channels.names()) or "none"
        raise UsageError(f"{name!r} is neither a channel of {state_dir} (there: {known}) nor a run: {error}") from error
    student_dir = run.directory / "student"
    if not student_dir.is_dir():
        raise UsageError(f"run {run.id} has no student; run its config again without --until")
    return Target(run.state_dir, None, student_dir, run, "student")


def make_fallback(target: Target) -> FallbackConfig:
    """Return the fallback to the teacher that the run was made with.

    Raises:
        UsageError: the run is gone, or its teacher is no server that can be asked.
    """
    if target.run is None:
        raise UsageError(
            "--fallback: the run behind the channel is not here (see --runs-dir); give `fallback:` with --config"
        )
    config = cast("Mapping[str, Any]", target.run.facts["config"])
    teacher = TeacherConfig.model_validate(config["teacher"])
    if teacher.provider != "openai":
        raise UsageError(
            f"--fallback: run {target.run.id} used a {teacher.provider} teacher, which nobody can ask; "
            "give `fallback: {base_url: .., model: ..}` with --config"
        )
    try:
        price = find_price(teacher)
    except TeacherError:
        price = None
    return FallbackConfig(
        base_url=teacher.base_url or OPENAI_URL,
        model=teacher.model,
        api_key_env=teacher.api_key_env,
        max_output_tokens=teacher.max_output_tokens,
        temperature=teacher.temperature,
        input_usd_per_million=None if price is None else price.input,
        output_usd_per_million=None if price is None else price.output,
    )


def make_serve_config(
    target: Target,
    config: ServeConfig,
    *,
    host: str | None,
    port: int | None,
    fallback: bool,
    upstream: tuple[str | None, str | None] = (None, None),
) -> ServeConfig:
    """Return the gateway's config with the flags over the file; `upstream` is the student's URL and name elsewhere.

    Raises:
        UsageError: a fallback is wanted and none can be made, or a student's name comes without its URL.
    """
    changes: dict[str, object] = {}
    if host is not None:
        changes["host"] = host
    if port is not None:
        changes["port"] = port
    if fallback and config.fallback is None:
        changes["fallback"] = make_fallback(target)
    url, model = upstream
    if url is not None:
        stated = config.upstream or UpstreamConfig(base_url=url)
        changes["upstream"] = stated.model_copy(update={"base_url": url, "model": model or stated.model})
    elif model is not None:
        raise UsageError("--student-model names a student at --student-url; give that too")
    return config.model_copy(update=changes)


def check_channel(channel: str, state_dir: Path, config: MonitorConfig, place: Path | str | None = None) -> Health:
    """Judge what a channel serves now, from its request log, and act as the config allows.

    Raises:
        UsageError: nothing was promoted to the channel.
        StoreError: the channel's history is damaged.
    """
    if Channels(state_dir if place is None else place).read(channel) is None:
        raise UsageError(f"channel {channel!r} of {state_dir} points at nothing; promote a run first")
    log = RequestLog(state_dir / "requests.db", READING)
    try:
        return check(channel, log, config, state_dir=state_dir, now=time.time(), place=place)
    finally:
        log.close()

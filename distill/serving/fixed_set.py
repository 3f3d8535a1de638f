"""The fixed inputs: once a day student and teacher answer them again, so that one can tell who of them changed.

Each is compared with its own first answer: a teacher that moved is not the student's fault, and the other way round.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import structlog

from distill.errors import DataError, TeacherError
from distill.records.json import Json, load_strict
from distill.records.live import Audit, AuditKind
from distill.serving.arms import Arm
from distill.serving.config import FixedSetConfig
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.wire import WireError
from distill.tasks.prompts import render_teacher

_logger = structlog.get_logger(__name__)
_LOOK_S = 60.0


def read_inputs(path: Path, max_rows: int) -> list[dict[str, Json]]:
    """Read the first rows of a JSON-lines file; each row's columns are an input.

    Raises:
        DataError: the file cannot be read, or a line is no object.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()][:max_rows]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"fixed_set.path: {path} cannot be read: {error}") from error
    rows: list[dict[str, Json]] = []
    for number, line in enumerate(lines, 1):
        try:
            value = load_strict(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from error
        if not isinstance(value, Mapping):
            raise DataError(f"{path}:{number}: not a JSON object of the task's columns")
        rows.append(dict(value))
    if not rows:
        raise DataError(f"fixed_set.path: {path} has no rows")
    return rows


class FixedSet:
    """Asks the fixed inputs when a pass is due; answers and times are kept beside the monitor's files."""

    def __init__(self, gateway: Gateway, log: RequestLog, config: FixedSetConfig, state_dir: Path) -> None:
        """Read the inputs.

        Raises:
            DataError: the file cannot be used.
        """
        self._gateway, self._log, self._config = gateway, log, config
        self._rows = read_inputs(Path(config.path), config.max_rows)
        self._path = state_dir / "monitor" / f"{gateway.name}.fixed.json"

    async def run(self) -> None:
        """Look for ever whether a pass is due."""
        while True:
            try:
                await self.step()
            except (OSError, ValueError, WireError, DataError) as error:
                _logger.error("fixed_set_failed", error=f"{type(error).__name__}: {error}")  # noqa: TRY400
            await asyncio.sleep(_LOOK_S)

    async def step(self) -> bool:
        """Make a pass if the last one of this version is `every_hours` old; say whether it was made.

        Raises:
            OSError: what is remembered cannot be written.
            WireError: the inputs do not fit the task.
        """
        gateway, memory = self._gateway, self._load()
        arm, now = gateway.arms.main, gateway.clock()
        if now - cast("float", memory["when"].get(arm.version, 0.0)) < self._config.every_hours * 3600:
            return False
        for number, columns in enumerate(self._rows):
            answer = await gateway.ask(arm, columns, f"fixed-{number}")
            self._compare(memory, arm, "canary_student", number, "" if answer.error_kind else answer.text, arm.version)
            if gateway.teacher is not None:
                await self._ask_teacher(memory, arm, number, columns)
        memory["when"] = {arm.version: now}
        self._save(memory)
        return True

    async def _ask_teacher(
        self, memory: dict[str, dict[str, object]], arm: Arm, number: int, columns: Mapping[str, Json]
    ) -> None:
        teacher = self._gateway.teacher
        assert teacher is not None
        try:
            reply = await teacher.complete(render_teacher(arm.student.task, columns))
        except TeacherError:
            return  # no answer says nothing about a change
        cost, model = teacher.cost_usd(reply.usage), reply.model or teacher.model
        self._compare(memory, arm, "canary_teacher", number, reply.text, "teacher", model, cost)

    def _compare(
        self,
        memory: dict[str, dict[str, object]],
        arm: Arm,
        kind: AuditKind,
        number: int,
        text: str,
        who: str,
        model: str = "",
        cost: float | None = 0.0,
    ) -> None:
        """Keep a first answer; log whether a later one means the same."""
        key = f"{who}\n{number}"
        if key not in memory["answers"]:
            memory["answers"][key] = text
            return
        before, now = arm.task.parse(str(memory["answers"][key])), arm.task.parse(text)
        if before.error_kind is not None or now.error_kind is not None:
            agreed = before.error_kind == now.error_kind
        else:
            agreed = arm.task.score(now.value, before.value) >= 1
        clock, name = self._gateway.clock(), self._gateway.name
        self._log.add(Audit(f"fixed-{number}", clock, name, arm.version, kind, agreed, text, model, cost))

    def _load(self) -> dict[str, dict[str, object]]:
        try:
            body = cast("dict[str, dict[str, object]]", json.loads(self._path.read_text(encoding="utf-8")))
            return {"answers": dict(body["answers"]), "when": dict(body["when"])}
        except FileNotFoundError:
            return {"answers": {}, "when": {}}

    def _save(self, memory: Mapping[str, object]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(memory, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self._path)

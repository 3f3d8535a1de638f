"""/v1/files and /v1/batches of the rehearsal teacher: kept in memory, answered when first looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from distill.records.json import Json
from distill.teachers.rehearsal.faults import BatchPlan

AnswerLine = Callable[[Mapping[str, Any]], tuple[int, dict[str, Json]]]


class BatchDesk:
    """Files and batches. `sent` counts the lines of all batches; `plan` says what befalls them."""

    def __init__(self, answer: AnswerLine, plan: BatchPlan) -> None:
        self._answer = answer
        self._plan = plan
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self.sent = 0

    def routes(self) -> list[Route]:
        """Return the routes to mount."""
        return [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}/content", self._content),
            Route("/v1/files/{id}", self._delete, methods=["DELETE"]),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches", self._list),
            Route("/v1/batches/{id}", self._poll),
            Route("/v1/batches/{id}/cancel", self._cancel, methods=["POST"]),
        ]

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            upload: Any = form.get("file")
            if upload is None or form.get("purpose") != "batch":
                return _missing("file")
            return JSONResponse(self._keep(await upload.read(), "batch"))

    async def _content(self, request: Request) -> Response:
        data = self._files.get(request.path_params["id"])
        return _missing("file") if data is None else Response(data, media_type="application/octet-stream")

    async def _delete(self, request: Request) -> Response:
        name = request.path_params["id"]
        return JSONResponse({"id": name, "object": "file", "deleted": self._files.pop(name, None) is not None})

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        data = self._files.get(str(body.get("input_file_id")))
        if data is None:
            return _missing("file")
        name = f"batch_{len(self._batches) + 1}"
        lines = data.decode().splitlines()
        self.sent += len(lines)
        self._batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body.get("endpoint"),
            "input_file_id": body["input_file_id"],
            "completion_window": body.get("completion_window"),
            "created_at": int(time.time()),
            "status": "in_progress",
            "metadata": body.get("metadata"),
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "polls": 0,
        }
        return JSONResponse(self._batches[name])

    async def _list(self, _: Request) -> Response:
        newest = list(reversed(self._batches.values()))[:100]
        return JSONResponse({"object": "list", "data": newest, "has_more": False})

    async def _poll(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _missing("batch")
        batch["polls"] += 1
        if batch["status"] == "in_progress" and batch["polls"] > self._plan.polls:
            self._finish(batch)
        return JSONResponse(batch)

    async def _cancel(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _missing("batch")
        batch["status"] = "cancelled"
        return JSONResponse(batch)

    def _finish(self, batch: dict[str, Any]) -> None:
        lines = [json.loads(line) for line in self._files[batch["input_file_id"]].decode().splitlines()]
        status, share = self._fate(batch)
        limit = round(share * len(lines))
        good: list[str] = []
        bad: list[str] = []
        for line in lines[:limit]:
            code, body = self._answer(line["body"])
            name = line["custom_id"]
            response = {"status_code": code, "request_id": f"req_{name[:8]}", "body": body}
            row = {"id": f"batch_req_{name}", "custom_id": name, "error": None, "response": response}
            (good if code == 200 else bad).append(json.dumps(row))
        batch["status"] = status
        batch["output_file_id"] = self._keep("\n".join(good).encode(), "batch_output")["id"] if good else None
        batch["error_file_id"] = self._keep("\n".join(bad).encode(), "batch_output")["id"] if bad else None
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}

    def _fate(self, batch: dict[str, Any]) -> tuple[str, float]:
        """Return how a batch ends, and the share of its lines that is answered before."""
        plan, number = self._plan, int(str(batch["id"]).removeprefix("batch_"))
        if batch["request_counts"]["total"] > plan.most or (plan.fail and number <= plan.first):
            batch["errors"] = {"object": "list", "data": [{"code": "invalid", "message": "the file was refused"}]}
            return "failed", 0.0
        for status, share in (("expired", plan.expire), ("cancelled", plan.cancel)):
            if share is not None and number <= plan.first:
                return status, share
        return "completed", 1.0

    def _keep(self, data: bytes, purpose: str) -> dict[str, Any]:
        name = f"file-{len(self._files) + 1}"
        self._files[name] = data
        return {"id": name, "object": "file", "bytes": len(data), "created_at": int(time.time()),
                "filename": f"{name}.jsonl", "purpose": purpose, "status": "processed"}  # fmt: skip


def _missing(what: str) -> Response:
    return JSONResponse({"error": {"message": f"no such {what}", "code": "not_found", "type": "not_found"}}, 404)

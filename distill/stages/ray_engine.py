"""Order-free filters on Ray Data: `map_batches` over shards, each a Parquet file that a worker reads by itself.

A worker runs the same `judge_batch` as this process would, and sends back only what it dropped or changed. One that
dies costs its shard, which Ray starts again. Ray is imported when it is asked for, and never otherwise.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from distill.engine.interrupts import take_again
from distill.engine.shards import DiskShards, Part, Shards, read_part
from distill.errors import DistillError, MissingExtraError, UsageError
from distill.filters import FilterContext, FilterSpec, Judged, Mark, judge_batch
from distill.filters.batch import columns_of
from distill.records.tables import CANDIDATES
from distill.records.verdict import Verdict
from distill.stages.chain_context import make_context
from distill.tasks.config import TaskConfig

CONNECT_TIMEOUT_S = 10.0


@contextmanager
def open_ray() -> Generator[Any]:
    """Give the module `ray`, connected: to what this process is connected to, to RAY_ADDRESS, or to a Ray of its own.

    A Ray that was started here listens on the loopback address alone, and ends here.

    Raises:
        MissingExtraError: ray is not installed.
        UsageError: it does not start, cannot be reached, or gives up.
    """
    address = os.environ.get("RAY_ADDRESS", "local")
    ray = _import_ray(address)
    began = not ray.is_initialized()
    try:
        if began:
            _connect(ray, address)
            take_again()  # Ray has put a handler of its own on SIGTERM
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    except (ray.exceptions.RayError, ConnectionError, TimeoutError, socket.gaierror) as error:
        if isinstance(error, DistillError):
            raise
        raise UsageError(
            f"runtime.engine is ray, and Ray at {address!r} failed: {_first_line(error)}; run again (nothing that was "
            "bought is lost), see RAY_ADDRESS, or set runtime.engine: local"
        ) from error
    finally:
        if began:
            ray.shutdown()


def _import_ray(address: str) -> Any:  # noqa: ANN401 a module without types
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's own word for: the loopback address
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    logging.getLogger("ray").setLevel(logging.WARNING)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401 a module without types
    """Connect, or start a Ray of our own.

    Raises:
        ConnectionError: nobody listens there, or it did not start twice.
    """
    if address == "local":
        _start(ray, attempts=2)
        return
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if place.hostname and place.port:
        socket.create_connection(
            (place.hostname, place.port), CONNECT_TIMEOUT_S
        ).close()  # Ray itself tries for minutes
    ray.init(address, log_to_driver=False, configure_logging=False)


def _start(ray: Any, attempts: int) -> None:  # noqa: ANN401 as above
    try:
        ray.init("local", include_dashboard=False, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises a bare Exception when a busy machine starts it too slowly
        ray.shutdown()
        if attempts == 1:
            raise ConnectionError(_first_line(error)) from error
        _start(ray, attempts - 1)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class RayJudge(NamedTuple):
    """Judges shards on Ray; `heldout` is a reference to what filters may know of the held-out set."""

    ray: Any
    task: TaskConfig
    heldout: Any

    def __call__(self, shards: Shards, specs: Sequence[FilterSpec], context: FilterContext) -> Iterable[Judged]:
        """Judge each shard by filters that need no service; a worker makes its own context.

        Raises:
            TypeError: the shards are not on a disk, where workers find them.
            UsageError: a worker cannot read a shard, or lacks what a filter needs.
        """
        del context
        if not isinstance(shards, DiskShards):
            raise TypeError("workers read shards from files; these are in memory")
        items = [_describe(number, part) for number, part in enumerate(shards.parts)]
        work = JudgeShard(tuple((spec.name, spec.options) for spec in specs), self.task, self.heldout)
        data = self.ray.data.from_items(items, override_num_blocks=len(items))
        mapped = data.map_batches(work, batch_size=1, batch_format="pyarrow")
        early: dict[int, str] = {}
        wanted = 0
        for batch in mapped.iter_batches(batch_size=None, batch_format="pyarrow"):
            for row in batch.to_pylist():
                if row["trouble"] is not None:
                    raise UsageError(f"runtime.engine is ray, and a worker stopped: {row['trouble']}")
                early[row["number"]] = row["judged"]
            while wanted in early:
                yield _load(early.pop(wanted))
                wanted += 1


def _describe(number: int, part: Part) -> dict[str, Any]:
    mask = None if part.mask is None else np.packbits(part.mask).tobytes()
    held = None if part.mask is None else len(part.mask)
    return {"number": number, "path": str(part.path.absolute()), "rows": part.rows, "held": held, "mask": mask}


class JudgeShard(NamedTuple):
    """What a worker does to a shard: one row comes out, with the shard's number and what was found, as JSON."""

    specs: tuple[tuple[str, dict[str, Any]], ...]
    task: TaskConfig
    heldout: Any

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Judge the shard; what is wrong with this machine is told, not raised: Ray would bury it in its own trace."""
        (item,) = batch.to_pylist()
        judged, trouble = None, None
        try:
            judged = _dump(self._judge(item))
        except OSError as error:
            trouble = f"{error}; the state directory must be on a disk that all machines of the cluster see"
        except DistillError as error:
            trouble = str(error)
        return pa.table(
            {
                "number": [item["number"]],
                "judged": pa.array([judged], pa.string()),
                "trouble": pa.array([trouble], pa.string()),
            }
        )

    def _judge(self, item: dict[str, Any]) -> Judged:
        heldout = import_module("ray").get(self.heldout)
        held, mask = item["held"], item["mask"]
        bits = None if held is None else np.unpackbits(np.frombuffer(mask, np.uint8), count=held).astype(bool)
        specs = [FilterSpec(name=name, options=options) for name, options in self.specs]
        rows = read_part(Part(Path(item["path"]), item["rows"], bits), CANDIDATES, columns_of(specs))
        return judge_batch(rows, specs, make_context(self.task, heldout))


def _dump(judged: Judged) -> str:
    return json.dumps([judged.rows, judged.marks, judged.seconds, judged.notes, judged.usd])


def _load(text: str) -> Judged:
    rows, marks, seconds, notes, usd = json.loads(text)
    found = [Mark(row, step, Verdict(*verdict)) for row, step, verdict in marks]
    return Judged(rows, found, seconds, [tuple(some) for some in notes], usd)

"""Whether a training fits: what the machine or the GPU has left, and what to change where that is too little."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

import structlog
import torch

from distill.errors import ConfigError, Problem
from distill.students.config import StudentConfig

CERTAIN = 1.3
"""An estimate is taken to be this much too high at most (tested): only what even so cannot fit is refused."""
HEAP_FACTOR = 4
"""glibc's heap may hold this many times what is in use (measured: 3.1 times after 24 batches of different lengths)."""
BLOCK_BYTES = 2**20
_M_MMAP_THRESHOLD = -3
_CGROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


class Room(NamedTuple):
    """Bytes of memory: all there is, and what is free now."""

    total: int
    free: int


def make_room(needed: int, held: int, device: torch.device, config: StudentConfig) -> None:
    """Refuse a training that cannot fit, warn of one that hardly does, and on a CPU keep a tight one to what it needs.

    `needed` bytes at once, of which `held` are taken already.

    Raises:
        ConfigError: it does not fit in all there is; the message says what to change.
    """
    room = find_room(device)
    if room is None:
        return
    advice = advise(config)
    if needed > room.total * CERTAIN:
        message = f"the training needs about {_gb(needed)} and {device.type} has {_gb(room.total)}; {advice}"
        raise ConfigError([Problem("", "student", message)])
    more = needed - held
    if more > room.free:
        structlog.get_logger(__name__).warning(
            "memory_short", needs=_gb(more), free=_gb(room.free), advice=advice, device=str(device)
        )
    if device.type == "cpu" and more * HEAP_FACTOR > room.free and return_freed_blocks():
        structlog.get_logger(__name__).info("freed_memory_is_returned", needs=_gb(more), free=_gb(room.free))


def advise(config: StudentConfig) -> str:
    """Say what would make a training smaller."""
    ways = [f"lower student.batch_tokens (now {config.batch_tokens})", "raise student.gradient_accumulation"]
    if not config.gradient_checkpointing:
        ways.append("set student.gradient_checkpointing: true")
    if config.lora is None:
        ways.append("train adapters (student.lora) instead of all weights")
    return ", ".join(ways[:-1]) + " or " + ways[-1]


def find_room(device: torch.device) -> Room | None:
    """Return what a device has; None where it does not say."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Room(total, free)
    return read_machine(Path("/proc/meminfo"), Path("/sys/fs/cgroup")) if device.type == "cpu" else None


def read_machine(meminfo: Path, cgroup: Path) -> Room | None:
    """Return what this process may have of the machine: the memory, or the container's limit where that is less."""
    if not meminfo.is_file():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    for limit_file, used_file in _CGROUPS:
        limit, used = _read_number(cgroup / limit_file), _read_number(cgroup / used_file)
        if limit is not None and used is not None and limit < total:
            total, free = limit, min(free, max(0, limit - used + _read_cache(cgroup / limit_file)))
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Room(total // processes, free // processes)


def return_freed_blocks() -> bool:
    """Have glibc give large freed blocks back at once; say whether it is there and will.

    By default it learns to keep blocks of up to 32 MB, and batches of different lengths fit into each other's gaps
    badly. Giving them back costs time (measured: a step takes half as long again), and changes no result.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, BLOCK_BYTES))


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _read_cache(limit_file: Path) -> int:
    """Return the bytes of files in a container's memory that would make room: they count as used."""
    path = limit_file.with_name("memory.stat")
    lines = path.read_text().splitlines() if path.is_file() else []
    stat = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"

"""Who holds a claim, and whether they are still there: a crash frees its claims at once, not after the lease."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

LEASE_S = 60.0
"""A claim of a process on another machine is free when its owner was silent this long."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One open journal. `host` names machine, boot and pid namespace; `born` tells reused pids apart."""

    name: str
    host: str
    pid: int
    born: str

    def is_alive(self, expires: float, now: float, here: str) -> bool:
        """Tell whether this owner may still be at work; only a neighbour's pid can be looked at."""
        if expires <= now:
            return False
        return self.host != here or _born(self.pid) == self.born != ""


def new_owner() -> Owner:
    """Return an owner for this process."""
    pid = os.getpid()
    return Owner(uuid.uuid4().hex, host_name(), pid, _born(pid) or "unknown")


def host_name() -> str:
    """Name the place in which pids mean the same thing."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("no-proc")
    return "/".join(parts)


def _born(pid: int) -> str:
    """Return the start time of a live process, "unknown" where the system does not tell, "" when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _signalled(pid)
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _signalled(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "unknown"
    return "unknown"

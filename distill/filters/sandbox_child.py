"""The process that runs a teacher's code: it limits itself first, then runs the file. Started by sandbox.py, alone."""

from __future__ import annotations

import ctypes
import platform
import resource
import runpy
import struct
import sys

_REFUSED = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill", "pty.",
    "ctypes.", "mmap.", "webbrowser.", "urllib.", "ftplib.", "smtplib.", "sqlite3.", "winreg.", "sys.setprofile",
)  # fmt: skip
_WRITES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "shutil.")
_DENIED_CALLS = {
    "x86_64": (0xC000003E, (41, 42, 49, 53, 425)),  # socket, connect, bind, socketpair, io_uring_setup
    "aarch64": (0xC00000B7, (198, 203, 200, 199, 425)),
}
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EACCES = 0x7FFF0000, 0x00050000 | 13


def deny_network() -> bool:
    """Let the kernel refuse sockets to this process for good; False where it cannot."""
    known = _DENIED_CALLS.get(platform.machine())
    if known is None or sys.platform != "linux":
        return False
    architecture, calls = known
    last = len(calls)
    program = [(_LOAD, 0, 0, 4), (_JUMP_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _EACCES), (_LOAD, 0, 0, 0)]
    program += [(_JUMP_EQUAL, last - place, 0, call) for place, call in enumerate(calls)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EACCES)]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    filters = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0:
        return False
    return libc.prctl(set_seccomp, mode_filter, ctypes.create_string_buffer(header, len(header)), 0, 0) == 0


def limit(time_s: float, memory_mb: int) -> None:
    """Bound processor time, memory, files and processes of this process."""
    seconds = max(1, int(time_s + 0.999))
    size = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # a softer limit first: its signal says why
    for what, most in (
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(what, (most, most))


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse network, processes, native code and writing to files.

    Raises:
        PermissionError: the event is one of these.
    """
    writes = event == "open" and isinstance(arguments[1], str) and any(sign in arguments[1] for sign in "wax+")
    if event.startswith(_REFUSED) or event.startswith(_WRITES) or writes:
        raise PermissionError(f"{event} is not allowed in a sandbox")


def main() -> None:
    """Run the file named by the first argument within the limits of the second (s) and third (MB)."""
    program, time_s, memory_mb = sys.argv[1:]
    deny_network()
    limit(float(time_s), int(memory_mb))
    sys.argv = [program]
    sys.addaudithook(refuse)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()

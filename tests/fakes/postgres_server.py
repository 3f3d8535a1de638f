"""A real PostgreSQL server from the system's packages: its own directory, a free loopback port, ended with the test.

`initdb` and `postgres` refuse root, so as root they run as the packages' own user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from fakes.free_port import find_port

PASSWORD = "pw-9f2c77aa1"


def find_binaries() -> Path | None:
    """Return the directory with initdb and postgres, the newest version first; None where there is none."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    found = [path for path in packaged if (path / "initdb").is_file()]
    on_path = shutil.which("initdb")
    return found[0] if found else (Path(on_path).resolve().parent if on_path else None)


@dataclass
class PostgresServer:
    """One server. Its data is thrown away with it."""

    binaries: Path
    directory: Path = field(init=False)
    port: int = field(init=False)
    schemas: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="distill-postgres-", dir="/tmp"))
        secret = self.directory / "password"
        secret.write_text(PASSWORD, encoding="ascii")
        if os.getuid() == 0:
            for path in (self.directory, secret):
                shutil.chown(path, _user(), pwd.getpwnam(_user()).pw_gid)
        self._do("initdb", "-D", self._data, "-U", "team", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8",
                 "--locale", "C", "--no-sync")  # fmt: skip
        self.port = find_port()
        self.start()

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def start(self) -> None:
        """Start it; call this in a thread that lives as long as the server is to."""
        with (self.directory / "log").open("ab") as log:
            places = ["-D", self._data, "-k", str(self.directory), "-h", "127.0.0.1", "-p", str(self.port)]
            command = [*_as_user(), str(self.binaries / "postgres"), *places, "-c", "fsync=off"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        until = time.monotonic() + 60
        while subprocess.run([self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {(self.directory / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts every connection and shuts down, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def new_schema(self) -> str:
        """Make an empty schema and return the URL of a journal in it."""
        self.schemas += 1
        name = f"journal_{self.schemas}"
        self.sql("public", f"CREATE SCHEMA {name}")
        return f"postgresql://team:{PASSWORD}@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"

    def sql(self, schema: str, text: str) -> str:
        done = subprocess.run(
            [self.binaries / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "team", "-d", "postgres", "-qAtX",
             "-v", "ON_ERROR_STOP=1", "-c", text],
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": f"-csearch_path={schema}"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _do(self, name: str, *arguments: str) -> None:
        command = [*_as_user(), str(self.binaries / name), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.directory)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")


def _user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _as_user() -> list[str]:
    """Drop root, and die with the test run however that ends."""
    dropped = ["--reuid", _user(), "--regid", str(pwd.getpwnam(_user()).pw_gid), "--clear-groups"]
    if shutil.which("setpriv") is None:
        return []
    return ["setpriv", *(dropped if os.getuid() == 0 else []), "--pdeathsig", "INT"]

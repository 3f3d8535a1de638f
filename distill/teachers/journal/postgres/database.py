"""The road to a PostgreSQL server: connections that survive a restart of it, and errors without the password."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from distill.errors import MissingExtraError, StoreError, UsageError

PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Waits between tries at a server that went away: 39 s in all, longer than a restart takes."""
_TRY_AGAIN = ("40001", "40P01")
"""SQLSTATE of a serialization failure and of a deadlock: the transaction was undone and may simply be repeated."""
_CONNECT: dict[str, object] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "application_name": "distill",
    "prepare_threshold": None,  # prepared statements break behind a pooler
}
T = TypeVar("T")


class Database:
    """One PostgreSQL database. `pauses_s` is how long to wait before each further try."""

    def __init__(self, url: str, *, read_only: bool = False, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        """Take a `postgresql://` URL apart; nothing is opened yet.

        Raises:
            UsageError: the URL cannot be read.
            MissingExtraError: psycopg is not installed.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:
            raise _refuse_url() from error
        if not parsed.host and not parsed.query:
            raise _refuse_url()
        self.shown = _show(parsed)
        self._pauses_s = pauses_s
        self._engine = _make_engine(parsed, read_only=read_only)

    def run(self, work: Callable[[Connection, int], T], *, patient: bool = True) -> T:
        """Do `work(connection, tries_before)` in one transaction; again when the server went away or undid it.

        `work` must be safe to repeat: the server may have kept what it did before the line broke. With `patient`
        False the first failure is final.

        Raises:
            StoreError: the server refuses, or did not come back in time.
        """
        pauses_s = self._pauses_s if patient else ()
        tries = 0
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection, tries)
            except SQLAlchemyError as error:
                if not _is_passing(error) or tries >= len(pauses_s):
                    raise self._refuse(error) from error
            time.sleep(pauses_s[tries])
            tries += 1

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _refuse(self, error: SQLAlchemyError) -> StoreError:
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())[:300]
        return StoreError(f"{self.shown}: the team journal cannot be used: {reason}; see that the server is up and "
                          "that this user may connect and create tables, then run again")  # fmt: skip


def _refuse_url() -> UsageError:
    return UsageError("runtime.journal: not a URL of the form postgresql://user@host:port/database")


def _make_engine(url: URL, *, read_only: bool) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=_CONNECT,
            isolation_level="READ COMMITTED",
            execution_options={"postgresql_readonly": read_only},
            pool_size=1,
            max_overflow=4,
            pool_pre_ping=True,
            hide_parameters=True,  # parameters hold prompts and answers: never in a message
        )
    except ImportError as error:
        raise MissingExtraError("psycopg", "postgres") from error


def _show(url: URL) -> str:
    """Name the database without user, password or options."""
    return URL.create("postgresql", host=url.host, port=url.port, database=url.database).render_as_string()


def _is_passing(error: SQLAlchemyError) -> bool:
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    # 57P0x: the server is shutting down or starting up; 08xxx and no state at all: the line broke
    return state is None or state in _TRY_AGAIN or state.startswith(("57P", "08"))

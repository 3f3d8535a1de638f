"""The teacher journal: intent is durable before a request is sent, the raw reply before it is parsed."""

from __future__ import annotations

from pathlib import Path

from distill.errors import MissingExtraError, UsageError
from distill.teachers.journal.protocol import Answer, Attempt, Entry, Failure, Intent, Journal, JournalStats, Record
from distill.teachers.journal.sqlite import SqliteJournal

_SERVERS = ("postgresql://", "postgres://", "postgresql+psycopg://")

__all__ = [
    "Answer",
    "Attempt",
    "Entry",
    "Failure",
    "Intent",
    "Journal",
    "JournalStats",
    "Record",
    "is_absent",
    "journal_path",
    "open_journal",
]


def open_journal(url: str, *, read_only: bool = False) -> Journal:
    """Open the journal at `sqlite:///PATH` (a bare path is one too) or `postgresql://...`.

    It is created where there is none, unless `read_only`.

    Raises:
        UsageError: the URL is of a kind this version has no journal for.
        MissingExtraError: the URL needs the `postgres` extra.
        StoreError: the journal is damaged, newer than this version, or cannot be opened.
    """
    if not is_shared(url):
        return SqliteJournal(journal_path(url), read_only=read_only)
    try:
        from distill.teachers.journal.postgres.journal import PostgresJournal  # noqa: PLC0415  (an extra, and 0.4 s)
    except ImportError as error:
        raise MissingExtraError("sqlalchemy", "postgres") from error
    return PostgresJournal(url, read_only=read_only)


def is_shared(url: str) -> bool:
    """Tell whether the journal is a server's, not a file of this machine."""
    return url.startswith(_SERVERS)


def journal_path(url: str) -> Path:
    """Return the file of an embedded journal's URL.

    Raises:
        UsageError: the URL names no file.
    """
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///"))
    if "://" in url:
        kind = url.split("://")[0]
        raise UsageError(f"runtime.journal: {kind!r} is not supported; use sqlite:///PATH or postgresql://...")
    return Path(url)


def is_absent(url: str) -> bool:
    """Tell whether there is certainly no journal yet, without opening one.

    Raises:
        UsageError: the URL is of a kind this version has no journal for.
    """
    return not is_shared(url) and not journal_path(url).is_file()

"""The teacher journal: intent is durable before a request is sent, the raw reply before it is parsed."""

from __future__ import annotations

from pathlib import Path

from distill.errors import UsageError
from distill.teachers.journal.protocol import Answer, Attempt, Entry, Failure, Intent, Journal, JournalStats
from distill.teachers.journal.sqlite import SqliteJournal

__all__ = ["Answer", "Attempt", "Entry", "Failure", "Intent", "Journal", "JournalStats", "journal_path", "open_journal"]


def open_journal(url: str, *, read_only: bool = False) -> Journal:
    """Open the journal at `sqlite:///PATH` (a bare path is one too), creating it unless `read_only`.

    Raises:
        UsageError: the URL is of a kind this version has no journal for.
        StoreError: the journal is damaged, newer than this version, or cannot be opened.
    """
    return SqliteJournal(journal_path(url), read_only=read_only)


def journal_path(url: str) -> Path:
    """Return the file of an embedded journal's URL.

    Raises:
        UsageError: the URL names no file.
    """
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///"))
    if "://" in url:
        raise UsageError(f"runtime.journal: {url.split('://')[0]!r} is not supported; use sqlite:///PATH")
    return Path(url)

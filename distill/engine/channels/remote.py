"""A channel's lines under any fsspec URL: one immutable object a version, made only if it is not there yet.

`<url>/channels/<name>/00000001.json` holds the same line as the file on a disk would. Compare-and-swap is the
store's own conditional create (S3 If-None-Match, GCS generation 0); a store without one has a gap of milliseconds,
so the object is read back.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from distill.engine.channels.lines import Lines
from distill.errors import MissingExtraError, StoreError

_DIGITS = 8


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it.

    Raises:
        MissingExtraError: fsspec or the store's own package is not installed.
        StoreError: the URL names no known kind of store.
    """
    try:
        import fsspec  # noqa: PLC0415 optional: only channels under a URL need it
    except ImportError as error:
        raise MissingExtraError("fsspec", "serve") from error
    try:
        found = cast("tuple[Any, str]", fsspec.url_to_fs(url))
    except ImportError as error:
        raise StoreError(f"{url}: {error}") from error
    except ValueError as error:
        raise StoreError(f"{url}: not a place that fsspec knows ({error})") from error
    return found[0], found[1].rstrip("/")


class ObjectLines:
    """Histories as objects. Lines once read are kept: they never change."""

    def __init__(self, url: str) -> None:
        """Open the store behind `url`."""
        self._fs, root = open_filesystem(url)
        self._url, self._root = url.rstrip("/"), f"{root}/channels"
        self._kept: dict[str, list[str]] = {}

    def names(self) -> list[str]:
        """List the channels that have a history, sorted."""
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in self._list(self._root))

    def where(self, name: str) -> str:
        """Say where a history is, for messages."""
        return f"{self._url}/channels/{name}"

    def read(self, name: str) -> Lines:
        """Return a history's lines; none for a new channel.

        Raises:
            StoreError: the store cannot be read.
        """
        present = [path for path in self._list(f"{self._root}/{name}") if path.endswith(".json")]
        kept = self._kept.setdefault(name, [])
        for path in sorted(present)[len(kept) :]:
            try:
                kept.append(cast("bytes", self._fs.cat_file(path)).decode("utf-8", "replace").rstrip("\n"))
            except OSError as error:
                raise StoreError(f"{self.where(name)}: cannot be read ({error})") from error
        return Lines(list(kept))

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold nothing: the conditional create decides."""
        del name
        yield

    def append(self, name: str, line: str, present: Lines) -> bool:
        """Make the next version's object; False when it is there already.

        Raises:
            StoreError: the store cannot be written.
        """
        path = f"{self._root}/{name}/{len(present.whole) + 1:0{_DIGITS}d}.json"
        data = f"{line}\n".encode()
        try:
            self._fs.makedirs(f"{self._root}/{name}", exist_ok=True)
            self._fs.pipe_file(path, data, mode="create")
            return bool(self._fs.cat_file(path) == data)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{self.where(name)}: cannot be written ({error})") from error

    def _list(self, path: str) -> list[str]:
        self._fs.invalidate_cache(path)
        try:
            return cast("list[str]", self._fs.ls(path, detail=False))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._url}: cannot be read ({error})") from error

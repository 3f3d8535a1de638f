"""What looks like a key: it is refused in a config, and never repeated in a message or a dump."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from distill.config.tree import Path, Tree, Value, show_path
from distill.errors import Problem

_KEY = re.compile(
    r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|AKIA[A-Z0-9]{16}|AIza[\w-]{30,}|xox[abprs]-[\w-]{10,}|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,})"
)
HIDDEN = "[secret removed]"


def hide_secrets(text: str) -> str:
    """Replace whatever looks like a key."""
    return _KEY.sub(HIDDEN, text)


def find_secrets(tree: Tree) -> list[Problem]:
    """Return a problem for each value that holds what looks like a key, without repeating it."""
    found: list[Problem] = []
    stack: list[tuple[Path, Value]] = [((), tree.value)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            stack.extend(((*path, index), inner) for index, inner in enumerate(value))
        elif isinstance(value, str) and _KEY.search(value):
            message = "looks like an API key; keep it in an environment variable and name that in api_key_env"
            found.append(Problem(tree.where(path), show_path(path), message))
    return found


def hide_in_url(url: str) -> str:
    """Take user, password and query out of a URL; what is no URL stays as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return hide_secrets(url)
    if not parts.scheme or not parts.netloc:
        return hide_secrets(url)
    return hide_secrets(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))

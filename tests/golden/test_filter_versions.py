"""A filter whose verdicts change must change its version: cached runs would otherwise keep the old ones.

After raising a version: PYTHONPATH=tests python tests/golden/test_filter_versions.py
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from fakes.mixed_candidates import CONTEXT, OPTIONS, make_mixed

from distill.filters import FILTERS, Filter, Rows
from distill.filters.empty import EMPTY
from distill.records.verdict import KEEP

LOCK = Path(__file__).with_name("versions.lock")


def digest(member: Filter) -> str:
    verdicts = member.judge(Rows(make_mixed()), member.config_type(**OPTIONS.get(member.name, {})), CONTEXT).verdicts
    return hashlib.sha256(json.dumps([list(verdict) for verdict in verdicts]).encode()).hexdigest()


def read_lock() -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in LOCK.read_text(encoding="utf-8").splitlines()}


def test_every_filter_is_locked_and_only_those() -> None:
    assert list(read_lock()) == sorted(FILTERS)


def test_verdicts_change_only_with_the_version() -> None:
    now = {name: [str(member.version), digest(member)] for name, member in FILTERS.items()}
    changed = {name: values for name, values in now.items() if values != read_lock()[name]}
    assert not changed, "raise the version, then write the lock again (see this file's docstring)"


def test_the_guard_sees_a_changed_verdict() -> None:
    changed = replace(EMPTY, verdict=lambda *_: KEEP)
    assert digest(changed) != read_lock()["empty"][1] == digest(EMPTY)


if __name__ == "__main__":
    lines = [f"{name} {FILTERS[name].version} {digest(FILTERS[name])}" for name in sorted(FILTERS)]
    LOCK.write_text("\n".join(lines) + "\n", encoding="utf-8")

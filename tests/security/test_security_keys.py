"""Leaked keys: no key reaches a file, a message or a log, whoever says it."""

from __future__ import annotations

import json

import pytest

from distill.config import dump
from distill.errors import ConfigError
from distill.teachers.failures import classify, redact, redact_bytes
from distill.teachers.protocol import Reply

KEYS = ["sk-proj-abcdefgh0123456789", "hf_abcdefghijklmnopqrstuvwx", "ghp_abcdefghijklmnopqrstuvwxyz0123",
        "AKIAABCDEFGHIJKLMNOP", "xai-abcdefghijklmnopqrstuvwx"]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", ["teacher.base_url", "task.system", "teacher.api_key_env"])
def test_a_key_in_a_config_is_refused_without_being_repeated(load, key, place):
    with pytest.raises(ConfigError, match=r"API key|environment variable") as failed:
        load({place: key if place != "teacher.base_url" else f"https://h/{key}"})
    assert key not in str(failed.value)


def test_what_a_run_records_of_its_config_has_no_password(load):
    loaded = load({"teacher.base_url": "https://user:hunter2@host.example/v1?token=hunter3"})
    recorded = json.dumps(dump(loaded.pipeline))
    assert "hunter" not in recorded
    assert "host.example" in recorded


def test_a_key_that_a_server_repeats_is_taken_out_of_errors_and_stored_replies():
    key = "my-own-secret-of-no-known-shape"
    error = classify(Reply(401, {}, json.dumps({"error": {"message": f"bad key {key}"}}).encode()), (key,))
    assert key not in str(error)
    assert key.encode() not in redact_bytes(f'{{"echo": "{key}"}}'.encode(), (key,))
    assert "sk-proj" not in redact("bad sk-proj-abcdefgh0123456789", ())


def test_runtime_settings_with_a_journals_password_are_never_recorded(load):
    loaded = load({"runtime.journal": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in json.dumps(dump(loaded.pipeline))

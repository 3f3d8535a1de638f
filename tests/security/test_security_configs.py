"""Hostile configs: checking or planning one that came from elsewhere runs nothing, reads little and sends nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from distill.app.outlook import name_destination
from distill.app.runs import read_run
from distill.config import load_config
from distill.config.tree import MAX_CHARS, read_tree
from distill.engine.channels import Channels
from distill.errors import ConfigError, DataError, UsageError
from distill.students.bases import TRUST_VARIABLE, ResolvedBase, check_trust, refuse_code
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_teacher
from distill.teachers import TeacherConfig

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ text.__init__.__globals__ }}",
    "{{ self.__init__.__globals__.__builtins__.open('/etc/passwd').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ (text|attr('__class__')).__bases__ }}",
    "{{ text.format.__self__ }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
]
BOMBS = ["{{ 'a' * 10**10 }}", "{{ 10 ** 10**9 }}", "{{ [0] * 10**9 }}", "{{ text|center(10**10) }}",
         "{{ 10**10 * 'ab' }}", "{% for i in range(10**9) %}x{% endfor %}", "{{ 9**9**9 }}"]  # fmt: skip


@pytest.mark.parametrize("attack", ESCAPES)
def test_a_template_reaches_nothing_but_its_row(attack):
    config = TaskConfig(output="text", user=attack)
    with pytest.raises(DataError, match=r"task\.user"):
        render_teacher(config, {"text": "hi"})


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_template_makes_no_endless_text(bomb):
    with pytest.raises(DataError, match=r"task\.user"):
        render_teacher(TaskConfig(output="text", user=bomb), {"text": "hi"})


def test_small_sums_still_work_in_a_template():
    config = TaskConfig(output="text", user="{{ '-' * 20 }}{{ 2 ** 10 }}{{ 3 * 4 }}{{ text|center(6) }}")
    assert render_teacher(config, {"text": "hi"})[0].content == "-" * 20 + "1024" + "12" + "  hi  "


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch /tmp/owned']",
        "a: !!python/name:os.system",
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join('*' + p for _ in range(9))}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),  # noqa: E501
        "a: &a {b: *a}",
        "[" * 5000,
        "a: " + "{b: " * 60 + "1" + "}" * 60,
        "x" * (MAX_CHARS + 1),
    ],
    ids=["apply", "name", "laughs", "loop", "unclosed", "deep", "long"],
)  # fmt: skip
def test_yaml_is_plain_values_within_limits(text):
    begun = time.process_time()
    tree = read_tree(text, "c.yaml")
    assert tree.problems
    assert time.process_time() - begun < 60  # not the hours that an alias bomb takes
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize("name", ["../out", "/etc", "a/b", "..", ".hidden", "a\x00b", "a\n"])
def test_a_name_is_no_path(load, name):
    with pytest.raises(ConfigError, match="name"):
        load({"name": name})


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", ".x", ""])
def test_a_channel_is_no_path(tmp_path, name):
    with pytest.raises(UsageError):
        Channels(tmp_path).history(name)


@pytest.mark.parametrize("key", ["../../../etc", "/etc", "a/../b", ""])
def test_a_run_from_elsewhere_points_at_artifacts_only(tmp_path, key):
    facts = {"id": "r", "state_dir": ".", "stages": [{"stage": "train", "key": key}]}
    (tmp_path / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(DataError, match="no key"):
        read_run(tmp_path).artifact("train")


def test_a_private_file_does_not_become_labels(write_config, tmp_path):
    project = tmp_path / "project"
    for private in (tmp_path / ".ssh" / "id.txt", tmp_path / "id_rsa"):
        private.parent.mkdir(exist_ok=True)
        private.write_text("SECRET LINE\n", encoding="utf-8")
    project.mkdir()
    (project / "harmless.txt").symlink_to(tmp_path / ".ssh" / "id.txt")
    for name in ("../.ssh/id.txt", "../id_rsa", "harmless.txt"):
        with pytest.raises(ConfigError, match=r"task\.labels") as failed:
            load_config(write_config({"task.labels": name}), [], {})
        assert "SECRET" not in str(failed.value)


def test_a_data_source_is_a_table_by_its_suffix(load, tmp_path):
    from distill.sources import read_source

    (tmp_path / "id_rsa").write_text("-----BEGIN KEY-----\n", encoding="utf-8")
    loaded = load({"data.source": str(tmp_path / "id_rsa")})
    with pytest.raises(DataError, match="unknown format"):
        read_source(loaded.pipeline.data, ["text"], loaded.base_dir)


def test_variables_are_expanded_in_two_places_only(load):
    env = {"HOME_KEY": "sk-live-0123456789abcdefghij"}
    loaded = load({"task.system": "say ${HOME_KEY}", "name": "plain"}, env)
    assert loaded.pipeline.task.system == "say ${HOME_KEY}"


def test_plan_names_who_gets_the_prompts_and_which_key():
    hostile = TeacherConfig(model="m", base_url="https://user:pw@collector.example/v1", api_key_env="AWS_SECRET")
    assert name_destination(hostile) == "prompts go to collector.example, with the key in AWS_SECRET"
    assert "stay on this machine" in name_destination(TeacherConfig(model="m", provider="replay"))


def test_remote_code_needs_the_environments_word_too(monkeypatch, tmp_path):
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="DISTILL_TRUST_REMOTE_CODE=1"):
        check_trust("someone/model")
    monkeypatch.setenv(TRUST_VARIABLE, "1")
    check_trust("someone/model")


def test_a_base_that_brings_code_is_named(tmp_path):
    base = ResolvedBase("someone/model", None, tmp_path, "local", {})
    assert refuse_code(base) is None
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}', encoding="utf-8")
    assert "trust_remote_code" in str(refuse_code(base))


@pytest.mark.slow
def test_a_bases_own_code_does_not_run(tmp_path):
    from distill.students.config import StudentConfig
    from distill.students.foundation import lay_foundation

    mark = tmp_path / "ran"
    base = tmp_path / "base"
    base.mkdir()
    names = {"AutoConfig": "evil.C", "AutoModel": "evil.M", "AutoTokenizer": ["evil.T", None]}
    (base / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": names}), encoding="utf-8")
    (base / "tokenizer_config.json").write_text(json.dumps({"auto_map": names}), encoding="utf-8")
    (base / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (base / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="needs Python code"):
        lay_foundation("encoder", StudentConfig(kind="classifier", base=str(base)), ["a"], tmp_path / "out")
    assert not mark.exists()

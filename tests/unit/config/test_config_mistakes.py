"""Every mistake of a config at once, each with its line and column, and nothing but a ConfigError ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.config import ConfigError, load_config

BAD = """\
name: 3
nmae: x
task:
  output: labl
  labels: nofile.txt
  user: |
    a
    {{ text
data:
  source: x.jsonl
  heldout: {size: 5, fraction: 0.2}
  slices: channel
teacher:
  modle: gpt
  api_key_env: sk-abcdefghijklmnopqrstuvwx
  price: aut
  base_url: ${NOPE}/v1
student:
  kind: classifier
  base: 12
  epochs: -1
  epochs: 3
  lora: {rank: "16"}
  objective: {hard: 0}
evaluate:
  metrics: [acuracy]
gate:
  rules:
    - {metric: accuracy, versus: teacher, margin: 0.02, max: 1}
    - {metric: failure_rate, mx: 0.01}
runtime: {concurrency: 0, engin: local}
"""

EXPECTED = [
    "1:7: name: must be text, not 3",
    "2:1: nmae: unknown key (did you mean 'name'?)",
    "4:11: task.output: must be 'label' or 'labels'",
    "5:11: task.labels: no such file: nofile.txt",
    "11:12: data.heldout: give exactly one of source, size, fraction",
    "12:11: data.slices: must be a list, not 'channel'",
    "13:1: teacher.model: is required",
    "14:3: teacher.modle: unknown key (did you mean 'model'?)",
    "15:16: teacher.api_key_env: looks like an API key",
    "16:10: teacher.price: must be 'auto' or a section, not 'aut' (did you mean 'auto'?)",
    "17:13: teacher.base_url: variable NOPE is not set",
    "20:9: student.base: must be text or a section, not 12",
    "21:11: student.epochs: must be > 0, not -1",
    "22:3: student.epochs: given twice",
    "23:16: student.lora.rank: must be an integer, not '16'",
    "24:14: student.objective: at least one of hard, soft, rationale must be > 0",
    "26:13: evaluate.metrics[0]: unknown metric 'acuracy' (did you mean 'accuracy'?)",
    "29:7: gate.rules[0]: give exactly one of margin, max, min, max_ratio",
    "30:30: gate.rules[1].mx: unknown key (did you mean 'max'?)",
    "31:24: runtime.concurrency: must be >= 1, not 0",
    "31:27: runtime.engin: unknown key (did you mean 'engine'?)",
]


def mistakes(path: Path, text: str, *flags: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, flags, {})
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_all_mistakes_come_at_once_each_with_its_place(tmp_path: Path) -> None:
    found = mistakes(tmp_path / "c.yaml", BAD)
    assert len(found) == len(EXPECTED)
    for line, expected in zip(found, EXPECTED, strict=True):
        assert line.startswith(expected)


def test_a_pasted_key_is_never_repeated(tmp_path: Path) -> None:
    assert "sk-abc" not in "\n".join(mistakes(tmp_path / "c.yaml", BAD, "teacher.model=sk-abcdefghijklmnopqrstuvwx"))


SOUND = """\
name: sound
task: {output: label, labels: [a, b], user: "{{ text }}"}
data: {source: x.jsonl, heldout: {size: 5}}
teacher: {model: gpt-5.4-2026-03-05}
filters: [parseable, FILTER]
student: {kind: classifier, base: {hidden_size: 16}}
gate: {rules: [RULE]}
"""
PASSING = "{metric: accuracy, versus: teacher, margin: 0.02}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{near_duplicate: {treshold: 0.8}}", "5:40: filters[1].near_duplicate.treshold: unknown key (did you mean"),
        ("{near_duplicate: {threshold: 1.8}}", "5:51: filters[1].near_duplicate.threshold: must be <= 1, not 1.8"),
        ("near_duplicat", "5:22: filters[1]: no filter 'near_duplicat' (did you mean 'near_duplicate'?)"),
    ],
)
def test_a_mistake_in_a_filters_option_is_named_where_it_stands(text: str, expected: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path / "c.yaml", SOUND.replace("FILTER", text).replace("RULE", PASSING))
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{metric: accuracy, versus: teacher, margin: 1.0}", "gate.rules[0].margin: 1 allows everything"),
        ("{metric: failure_rate, max: 1}", "gate.rules[0].max: 1 allows everything"),
        ("{metric: accuracy, min: 0}", "gate.rules[0].min: 0 allows everything"),
    ],
)
def test_a_bound_that_every_student_meets_is_no_rule(rule: str, expected: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path / "c.yaml", SOUND.replace("FILTER", "finished").replace("RULE", rule))
    assert expected in found


def test_a_gate_none_of_whose_rules_blocks_is_warned_of_before_it_costs(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        SOUND.replace("FILTER", "finished").replace("RULE", PASSING[:-1] + ", policy: warn}")
    )
    (warning,) = load_config(tmp_path / "c.yaml", (), {}).warnings
    assert "can only be inconclusive" in str(warning)


@pytest.mark.parametrize(
    ("teacher", "warned"),
    [
        ("{model: gpt-5.4}", True),
        ("{model: gpt-5.4-2026-03-05}", False),
        ("{model: gpt-4-0613}", False),
        ("{model: my-own, base_url: 'http://127.0.0.1:1/v1'}", False),
    ],
)
def test_a_teacher_without_a_date_may_change_and_is_warned_of(teacher: str, warned: bool, tmp_path: Path) -> None:
    text = SOUND.replace("FILTER", "finished").replace("RULE", PASSING).replace("{model: gpt-5.4-2026-03-05}", teacher)
    (tmp_path / "c.yaml").write_text(text)
    assert any("no dated snapshot" in str(one) for one in load_config(tmp_path / "c.yaml", (), {}).warnings) == warned

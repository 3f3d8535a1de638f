"""Several teachers in a config: who is the reference, what makes no sense, and what run.json says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from distill.config import ConfigError, LoadedConfig, PipelineConfig, load_config
from distill.config.forms import dump, json_schema

HEAD = """\
name: two
task: {output: label, labels: [a, b], user: "{{ text }}"}
data: {source: rows.jsonl, heldout: {size: 5}}
student: {kind: classifier, base: {hidden_size: 16}}
gate: {rules: [{metric: accuracy, min: 0.5}]}
"""
ONE = "{model: one, price: {input: 1, output: 1}}"
TWO = "{model: two, base_url: 'http://user:pass@localhost:8000/v1?key=x', price: {input: 1, output: 1}}"


def load(tmp_path: Path, text: str, *flags: str, **env: str) -> LoadedConfig:
    path = tmp_path / "two.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_config(path, list(flags), env)


def mistakes(tmp_path: Path, text: str, *flags: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *flags)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def test_the_first_is_the_reference_teacher(tmp_path: Path) -> None:
    config = load(tmp_path, f"teachers: [{ONE}, {TWO}]\n").pipeline
    assert config.reference_teacher.model == "one"
    assert [teacher.model for teacher in config.panel] == ["one", "two"]


def test_one_teacher_is_a_panel_of_one(tmp_path: Path) -> None:
    config = load(tmp_path, f"teacher: {ONE}\n").pipeline
    assert config.panel == (config.reference_teacher,)


def test_a_flag_reaches_a_teacher_by_its_number(tmp_path: Path) -> None:
    config = load(tmp_path, f"teachers: [{ONE}, {TWO}]\n", "teachers[1].samples=3").pipeline
    assert config.panel[1].samples == 3


def test_variables_are_expanded_in_every_teachers_address(tmp_path: Path) -> None:
    text = f"teachers: [{ONE}, {{model: two, base_url: '${{URL}}/v1', price: {{input: 1, output: 1}}}}]\n"
    assert load(tmp_path, text, URL="http://x").pipeline.panel[1].base_url == "http://x/v1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "teacher: is required (or several, under teachers)"),
        (f"teacher: {ONE}\nteachers: [{ONE}, {TWO}]\n", "teachers: give teacher or teachers, not both"),
        (f"teachers: [{ONE}]\n", "teachers: one teacher is written as teacher"),
        (f"teachers: [{ONE}, {ONE}]\n", "teachers[1].model: the very same as teachers[0]"),
        (
            "teachers: [{model: m, base_url: 'http://h:1/v1'}, {model: m, base_url: 'http://h:2/v1'}]\n",
            "teachers[1].model: the very same as teachers[0]",
        ),
        (f"teachers: [{ONE}, {{model: two, budget_usd: 3}}]\n", "teachers[1].budget_usd: the teachers share one"),
        (f"teachers: [{ONE}, {{model: two, provider: replay}}]\n", "teachers[1].provider: recorded answers"),
        (f"teachers: [{ONE}, {{model: two, provider: rehearsal}}]\n", "teachers[1].knowledge: the rehearsal teacher"),
        (f"teachers: [{ONE}, {{modle: two}}]\n", "teachers[1].modle: unknown key (did you mean 'model'?)"),
        (f"teachers: [{ONE}, {{model: two, api_key_env: 'a b'}}]\n", "teachers[1].api_key_env: must be the name of"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert any(line.startswith(said) for line in mistakes(tmp_path, text)), mistakes(tmp_path, text)


def test_the_same_model_at_another_temperature_or_host_is_another_teacher(tmp_path: Path) -> None:
    text = "teachers: [{model: m}, {model: m, temperature: 0.7}, {model: m, base_url: 'http://h/v1'}]\n"
    assert len(load(tmp_path, text).pipeline.panel) == 3


def test_mistakes_of_teachers_come_with_all_the_others(tmp_path: Path) -> None:
    found = mistakes(tmp_path, f"teachers: [{ONE}, {ONE}]\n", "student.epochs=-1", "gate.rules[0].min=7")
    assert len({line.split(":")[0].split("[")[0] for line in found}) >= 2, found


def test_votes_of_several_teachers_are_soft_targets(tmp_path: Path) -> None:
    soft = "student.objective={hard: 0.5, soft: 0.5}"
    assert load(tmp_path, f"teachers: [{ONE}, {TWO}]\n", soft).pipeline.student.objective.soft == 0.5
    assert "or several teachers" in mistakes(tmp_path, f"teacher: {ONE}\n", soft)[0]


def test_run_json_names_the_reference_and_all_of_them_without_secrets(tmp_path: Path) -> None:
    plain = dump(load(tmp_path, f"teachers: [{ONE}, {TWO}]\n").pipeline)
    assert plain["teacher"] == plain["teachers"][0]  # type: ignore[index]
    assert plain["teachers"][1]["base_url"] == "http://localhost:8000/v1"  # type: ignore[index,call-overload]
    assert "teachers" not in dump(load(tmp_path, f"teacher: {ONE}\n").pipeline)


def test_a_config_made_in_code_has_one_or_the_other(tmp_path: Path) -> None:
    values = load(tmp_path, f"teacher: {ONE}\n").pipeline.model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="give `teacher` or `teachers`"):
        PipelineConfig.model_validate({**values, "teacher": None})


def test_editors_learn_that_it_is_one_or_the_other() -> None:
    assert json_schema()["oneOf"] == [{"required": ["teacher"]}, {"required": ["teachers"]}]

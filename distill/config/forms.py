"""The config's other forms: its JSON Schema for editors, and its plain values for run.json (secrets never)."""

from __future__ import annotations

from typing import Any

from distill.config.pipeline import PipelineConfig
from distill.config.secrets import hide_in_url, hide_secrets
from distill.records.json import Json
from distill.records.runtime import RuntimeConfig
from distill.teachers.config import TeacherConfig


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a config file, in the forms YAML may use."""
    schema = PipelineConfig.model_json_schema(by_alias=True)
    runtime = RuntimeConfig.model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})
    definitions.update(runtime.pop("$defs", {}))
    definitions["RuntimeConfig"] = runtime
    schema["oneOf"] = [{"required": ["teacher"]}, {"required": ["teachers"]}]
    schema["properties"]["runtime"] = {"$ref": "#/$defs/RuntimeConfig", "description": RuntimeConfig.__doc__}
    task = definitions["TaskConfig"]["properties"]
    task["labels"]["anyOf"].append({"type": "string", "description": "Path of a file with one label a line."})
    task["schema"]["anyOf"].append({"type": "string", "description": "Path of a .json file."})
    schema["properties"]["filters"]["items"] = {
        "anyOf": [
            {"type": "string", "description": "A filter by name."},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": {"type": ["object", "null"]},
                "description": "A filter with options: {name: {option: value}}.",
            },
        ]
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "distill config", **schema}


def dump(config: PipelineConfig) -> dict[str, Json]:
    """Return the config as plain JSON values, with whatever looks like a secret removed.

    `teacher` is the reference teacher, also where there are several; `teachers` is there only then.
    """
    values: dict[str, Json] = config.model_dump(mode="json", by_alias=True)
    values |= {"teacher": None, "teachers": [_dump_teacher(config) for config in config.panel]}
    plain = _clean(values)
    assert isinstance(plain, dict)
    plain["teacher"] = plain["teachers"][0]
    return plain if config.teachers else {name: value for name, value in plain.items() if name != "teachers"}


def _dump_teacher(config: TeacherConfig) -> dict[str, Json]:
    values: dict[str, Json] = config.model_dump(mode="json", by_alias=True)
    url = values["base_url"]
    return values | {"base_url": hide_in_url(url) if isinstance(url, str) else None}


def _clean(value: Json) -> Any:  # noqa: ANN401  (JSON in, JSON out)
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value

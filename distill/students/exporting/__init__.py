"""A trained student in the form a server wants: a table of module names, loaded when asked for.

Every form is written from fp32 weights merged in fp32, then cast, and is held against what the training stack said.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from distill.students.exporting.protocol import Exporter

Format = Literal["merged", "onnx", "gguf", "vllm"]
Dtype = Literal["float32", "bfloat16", "float16", "q8_0"]

FORMATS: dict[str, str] = {
    "merged": "distill.students.exporting.merged",
    "onnx": "distill.students.exporting.onnx",
    "gguf": "distill.students.exporting.gguf",
    "vllm": "distill.students.exporting.vllm",
}
"""Format -> module that holds `export`."""


def get_exporter(form: str) -> Exporter:
    """Return the exporter of a format; this is what imports torch.

    Raises:
        KeyError: there is no such format.
    """
    return cast("Exporter", import_module(FORMATS[form]).export)

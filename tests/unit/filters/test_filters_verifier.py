"""Machine checks of answers: expressions, equations, Python tests in a process without network."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from fakes.candidates import candidate, judge
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from distill.filters.expressions import Expression
from distill.filters.sandbox import Limits, run_tests
from distill.filters.verifier import VerifierConfig, find_wrong_equation, read_code

LIMITS = Limits(time_s=10.0, memory_mb=512)
INVOICE = {"total": 12.5, "items": [{"price": 5, "count": 2}, {"price": 2.5, "count": 1}]}
SUM = "abs(value.total - sum(item.price * item.count for item in value.items)) <= 0.01"


def verify(answer: str, value: object = None, columns: object = None, **options: object) -> str:
    row = candidate("a", "q", answer, value_json=json.dumps(value), columns_json=json.dumps(columns or {}))
    return judge("verifier", [row], None, **options)[0].reason


def test_numbers_are_recomputed_from_the_answers_own_fields() -> None:
    assert verify("", INVOICE, expression=SUM) == ""
    assert verify("", {**INVOICE, "total": 13}, expression=SUM) == "check_failed"


def test_row_and_gold_may_be_named() -> None:
    assert verify("", {"n": 3}, {"words": "a b c"}, expression="value.n == len(row.words) - 2") == ""
    assert verify("", {"n": 3}, expression="gold is null or value == gold") == ""


@pytest.mark.parametrize("value", [{}, {"total": "12"}, {"total": 1, "items": None}, [1], None])
def test_values_that_do_not_fit_the_check_fail_it(value: object) -> None:
    assert verify("", value, expression=SUM) == "check_failed"


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "value.__class__()", "(lambda: 1)()", "[x for x in y].a()", "open('x')", "f'{value}'",
     "value := 1", "10 ** 10 ** 10", "'a' % value", "getattr(value, 'x')", "1 +", "sum(x, start=1)"],
)  # fmt: skip
def test_what_is_not_a_plain_check_is_refused_before_the_run(text: str) -> None:
    if text == "'a' % value":
        assert verify("", 3, expression=text) == "check_failed"
        return
    with pytest.raises(ValidationError):
        VerifierConfig(expression=text)


@given(st.text("value.row[]()+-*/%<>=! 0123456789'\"andornotifin", max_size=40))
def test_no_text_makes_an_expression_do_anything_but_answer_or_raise(text: str) -> None:
    with suppress(ValueError):
        Expression(text).holds({"value": {"a": [1]}, "row": {}})


def test_attributes_are_fields_never_pythons_own() -> None:
    assert verify("", {"a": 1}, expression="value.keys == 1") == "check_failed"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("48 / 2 = 24 and 48 + 24 = 72", None),
        ("so 1,200 * 3 = 3,500", "1,200 * 3 = 3,500"),
        ("$5 x 3 = $15", None),
        ("20% * 50 = 10", None),
        ("1/3 = 0.33", None),
        ("3 / 4 = 75%", None),
        ("10 / 0 = 5", None),
        ("x = 5", None),
        ("2 + 2 = 5.", "2 + 2 = 5"),
    ],
)
def test_stated_equations_are_recomputed(text: str, wrong: str | None) -> None:
    assert find_wrong_equation(text, 0.005) == (None if wrong is None else wrong)


def test_pattern_and_schema_decide() -> None:
    assert verify("AB-12", pattern=r"[A-Z]{2}-\d+") == ""
    assert verify("AB-12!", pattern=r"[A-Z]{2}-\d+") == "no_match"
    assert verify("", {"a": "x"}, schema={"properties": {"a": {"type": "integer"}}}) == "schema_invalid"


def test_code_is_taken_out_of_its_fence() -> None:
    assert read_code("Here:\n```python\nx = 1\n```\nDone.") == "x = 1\n"
    assert read_code("x = 1") == "x = 1"


CODE = "```python\ndef double(x):\n    return 2 * x\n```"


def test_code_that_passes_its_rows_tests_stays() -> None:
    python = {"column": "tests", "time_s": 10}
    assert verify(CODE, columns={"tests": "assert double(2) == 4"}, python=python) == ""
    assert verify(CODE, columns={"tests": "assert double(2) == 5"}, python=python) == "tests_failed"
    assert verify(CODE, python=python) == "no_tests"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("x = bytearray(2_000_000_000)", "memory"),
        ("import socket\nsocket.socket()", "blocked"),
        ("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')", "blocked"),
        ("import os\nos.system('true')", "blocked"),
        ("import subprocess\nsubprocess.run(['true'])", "blocked"),
        ("open('/tmp/distill-was-here', 'w')", "blocked"),
        ("import ctypes\nctypes.CDLL(None)", "blocked"),
        ("import sys\nsys.exit(3)", "failed"),
        ("import math, json, re, collections, itertools", "passed"),
    ],
)
def test_the_sandbox_bounds_memory_network_processes_and_files(code: str, outcome: str) -> None:
    assert run_tests(code, "", LIMITS).outcome == outcome


def test_an_endless_loop_ends_at_its_time() -> None:
    assert run_tests("while True: pass", "", Limits(time_s=1.0, memory_mb=512)).outcome == "timeout"


def test_the_kernel_refuses_sockets_even_where_the_hook_is_passed_by() -> None:
    code = "import _socket\ntry:\n    _socket.socket()\nexcept OSError as error:\n    assert error.errno == 13, error\n"
    import sys

    from distill.filters import sandbox_child

    if not sys.platform.startswith("linux"):
        pytest.skip("seccomp is Linux's")
    import subprocess
    from pathlib import Path

    child = Path(sandbox_child.__file__).read_text(encoding="utf-8").replace("    main()", "    deny_network()")
    done = subprocess.run([sys.executable, "-I", "-c", f"{child}\n{code}"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr

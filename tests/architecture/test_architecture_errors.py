"""The error tree drawn in the docstring of `distill.errors` is the real one, with its exit codes."""

from __future__ import annotations

import re

import pytest

from distill import errors

_LINE = re.compile(r"^(?:\+-- )?(?P<name>\w+Error)(?: \((?P<also>\w+)\))?\s+(?P<code>\d+)\s+\S", re.MULTILINE)
_DRAWN = {found["name"]: (found["also"], int(found["code"])) for found in _LINE.finditer(errors.__doc__ or "")}
_REAL = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.DistillError)
}


def test_every_error_is_drawn_in_the_tree_and_none_beside_it() -> None:
    assert _DRAWN.keys() == _REAL.keys()


@pytest.mark.parametrize("name", sorted(_REAL))
def test_the_drawn_exit_code_and_stdlib_base_are_the_real_ones(name: str) -> None:
    also, code = _DRAWN[name]
    error = _REAL[name]
    stdlib = [base.__name__ for base in error.__bases__ if not issubclass(base, errors.DistillError)]
    assert error.exit_code == code
    assert stdlib == ([also] if also else ["Exception"])


def test_an_error_refined_elsewhere_keeps_its_exit_code() -> None:
    refined = [kind for base in _REAL.values() for kind in base.__subclasses__() if kind.__name__ not in _REAL]
    ours = [kind for kind in refined if kind.__module__.startswith("distill.")]
    assert [kind for kind in ours if errors.DistillError in kind.__bases__] == []
    assert [kind for kind in ours if "exit_code" in vars(kind)] == []

"""The real pipeline on 150 tickets, through the command line, as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One whole run; tests that share it only read it."""
    project = make_project(tmp_path_factory.mktemp("finished"))
    code, out, err = project.call("run", "small.yaml")
    assert code in (0, 3, 4, 7), err
    assert "report" in out, err
    return project

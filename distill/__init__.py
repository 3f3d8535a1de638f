"""Distil a frontier model into a small one, with a gate that is right about what it says."""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for True; `typing` itself would be the slowest import of a start
if TYPE_CHECKING:
    from pathlib import Path

    from distill.app.results import RunResults

__version__ = "0.1.0"
__all__ = ["__version__", "load_run"]


def load_run(run: str | Path, runs_dir: str | Path = "runs") -> RunResults:
    """Return a finished run: `.predictions` (Arrow), `.gate`, `.scores`, `.costs`, `.table(stage, name)`.

    Args:
        run: a run directory, a run id, a unique prefix of one, or `CONFIG@latest`.
        runs_dir: where run directories are.

    Raises:
        UsageError: none or several runs match.
    """
    from pathlib import Path  # noqa: PLC0415  (`import distill` stays free)

    from distill.app.results import open_results  # noqa: PLC0415  (pyarrow, likewise)

    return open_results(str(run), Path(runs_dir))

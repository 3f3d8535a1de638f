"""`python -m distill.teachers.rehearsal SETTINGS_JSON`: the child process that a run starts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from distill.errors import DistillError
from distill.teachers.rehearsal.faults import parse_faults
from distill.teachers.rehearsal.serve import serve


def main() -> int:
    """Serve as the settings in the first argument say; a failure is one line on stderr."""
    settings = json.loads(sys.argv[1])
    files = tuple(Path(name) for name in settings.pop("knowledge"))
    labels = settings.pop("labels")
    faults = parse_faults(settings.pop("faults", ""))
    try:
        serve(files, labels=None if labels is None else tuple(labels), faults=faults, as_child=True, **settings)
    except DistillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

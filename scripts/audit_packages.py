"""Ask the advisory service about every package of requirements.txt; exit 1 when one is known to be vulnerable.

Where the service cannot be reached (an offline machine, a mirror without it) one line says that nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
COMMAND = ("pip_audit", "-r", str(REQUIREMENTS), "--disable-pip", "--require-hashes", "--format", "json",
           "--progress-spinner", "off", "--timeout", "10")  # fmt: skip


def judge(output: str) -> tuple[int, str]:
    """Return the exit code and the line for pip-audit's JSON; text that is none means it got no answer."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, "pip-audit: SKIPPED, the advisory service cannot be reached from here; nothing was checked"
    checked = [package for package in packages if "skip_reason" not in package]
    if not checked:
        return (
            0,
            f"pip-audit: SKIPPED, the service knows none of {len(packages)} packages; nothing was checked",
        )
    bad = [f"{package['name']} {package['version']}: {', '.join(v['id'] for v in package['vulns'])}"
           for package in checked if package["vulns"]]  # fmt: skip
    counts = f"pip-audit: {len(checked)} of {len(packages)} packages checked, {len(bad)} with known vulnerabilities"
    return (1 if bad else 0), "\n".join([counts, *bad])


def main() -> None:
    try:
        done = subprocess.run([sys.executable, "-m", *COMMAND], capture_output=True, text=True, timeout=240)
        code, line = judge(done.stdout)
    except subprocess.TimeoutExpired:
        code, line = judge("")
    print(line)
    sys.exit(code)


if __name__ == "__main__":
    main()

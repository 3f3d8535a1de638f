"""Size and start: how large the wheel and a core install are, and how long an import and the cheap commands take.

`make bench-install`. Builds the wheel, installs it into an empty environment from the package index, starts all
nine times in fresh processes and prints medians. `python -c pass` is the floor that no Python program can pass.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIES = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    run([sys.executable, "-m", "build", "--no-isolation", "-q", "-o", folder / "dist", ROOT])
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    venv.create(folder / "env", with_pip=True)
    bare_mb = size_mb(folder / "env")
    python = folder / "env/bin/python"
    run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt", wheel])
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| what | value |\n|---|--:|")
    print(f"| wheel / sdist, kB | {wheel.stat().st_size / 1000:.0f} / {sdist.stat().st_size / 1000:.0f} |")
    print(f"| core install, MB | {size_mb(folder / 'env') - bare_mb:.0f} |")
    for name, mb in largest(folder / "env"):
        print(f"| of it {name} | {mb:.0f} |")
    distill = folder / "env/bin/distill"
    config = ROOT / "configs/tiny.yaml"
    places = ["--state-dir", folder / "state", "--runs-dir", folder / "runs"]
    for name, command in {
        "`python -c pass`": [python, "-c", "pass"],
        "`import distill`": [python, "-c", "import distill"],
        "`distill --help`": [distill, "--help"],
        "`distill check configs/tiny.yaml`": [distill, "check", config],
        "`distill plan configs/tiny.yaml`": [distill, "plan", config, *places],
    }.items():
        print(f"| {name}, ms | {median_ms(command):.0f} |")


def run(command: list[object]) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def median_ms(command: list[object]) -> float:
    times = []
    for _ in range(TRIES + 1):
        begun = time.perf_counter()
        run(command)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[1:])


def size_mb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def largest(environment: Path, count: int = 4) -> list[tuple[str, float]]:
    (site,) = environment.glob("lib/*/site-packages")
    sizes = {path.name: size_mb(path) for path in site.iterdir() if path.is_dir()}
    return sorted(sizes.items(), key=lambda item: -item[1])[:count]


if __name__ == "__main__":
    main()

"""Near-duplicate removal by others, as their own documentation does it: what `bench_filters.py speed` runs beside ours.

Each peer is the packages it needs and the lines that turn `texts` into `kept`, the rows that stay, at Jaccard 0.8 over
the sets of words (distilabel: over its default 5-grams of characters, as its word tokenizer needs a download). None of
them looks at the texts again to verify: rensa, datasketch and numpy accept the estimate of their sketch, distilabel and
datatrove a shared band (datatrove: its default 14 of 8 hashes), so these two drop rows that are far from copies.
"""

from __future__ import annotations

import subprocess
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(tempfile.gettempdir()) / "distill-bench-peers"


class Peer(NamedTuple):
    """Packages to install, and the body of its program."""

    packages: tuple[str, ...]
    body: str


PEERS = {
    "rensa": Peer(
        ("rensa",),
        """
from rensa import RMinHash, RMinHashLSH
lsh = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=32)
for i, text in enumerate(texts):
    m = RMinHash(num_perm=128, seed=42); m.update(list(set(text.lower().split())))
    if not any(m.jaccard(sketches[j]) >= 0.8 for j in lsh.query(m) if j in sketches):
        sketches[i] = m; lsh.insert(i, m); kept.append(i)
""",
    ),
    "datasketch": Peer(
        ("datasketch",),
        """
from datasketch import MinHash, MinHashLSH
lsh = MinHashLSH(threshold=0.8, num_perm=128)
for i, m in enumerate(MinHash.bulk([[w.encode() for w in set(t.lower().split())] for t in texts], num_perm=128)):
    if not any(sketches[j].jaccard(m) >= 0.8 for j in lsh.query(m)):
        sketches[i] = m; lsh.insert(i, m); kept.append(i)
""",
    ),
    "numpy + xxhash": Peer(
        ("numpy", "xxhash"),
        """
import numpy as np, xxhash
from collections import defaultdict
random = np.random.default_rng(1)
a, b = (random.integers(1, 1 << 63, (128, 1), np.uint64) * 2 + 1 for _ in range(2))
bands = [defaultdict(list) for _ in range(32)]
for i, text in enumerate(texts):
    words = np.array([xxhash.xxh32_intdigest(w.encode()) for w in set(text.lower().split())] or [0], np.uint64)
    m = ((a * words + b) >> np.uint64(32)).astype(np.uint32).min(axis=1)
    keys = [m[4 * n : 4 * n + 4].tobytes() for n in range(32)]
    near = {j for band, key in zip(bands, keys) for j in band.get(key, ())}
    if not any((sketches[j] == m).mean() >= 0.8 for j in near):
        sketches[i] = m; kept.append(i)
        for band, key in zip(bands, keys): band[key].append(i)
""",
    ),
    "distilabel": Peer(
        ("distilabel[minhash]", "datasketch<1.7", "requests"),
        """
from distilabel.steps import MinHashDedup
step = MinHashDedup(tokenizer="ngrams", n=5, threshold=0.8); step.load()
for start in range(0, len(texts), 10_000):
    for rows in step.process([{"text": text} for text in texts[start : start + 10_000]]):
        kept += [row for row in rows if row["keep_row_after_minhash_filtering"]]
""",
    ),
    "datatrove": Peer(
        ("datatrove[processing]", "spacy"),
        """
import shutil, tempfile
from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.logging import logger
from datatrove.utils.text import TextNormConfig
logger.remove()
config, folder = MinhashConfig(n_grams=1, norm_config=TextNormConfig(norm_numbers=False)), tempfile.mkdtemp()
documents = [Document(text=text, id=str(i)) for i, text in enumerate(texts)]
MinhashDedupSignature(f"{folder}/signatures", config).run(documents)
for bucket in range(14):
    MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config).run(rank=bucket, world_size=14)
MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config).run()
kept += MinhashDedupFilter(f"{folder}/remove").run(documents)
shutil.rmtree(folder)
""",
    ),
}
_FRAME = """
import json, sys, time, resource
texts = json.load(open(sys.argv[1]))
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024
sketches, kept = {{}}, []
started, cpu = time.perf_counter(), time.process_time()
{body}
seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
print(json.dumps(dict(rows=len(texts), seconds=seconds, cpu_s=cpu_s, kept=len(kept),
      grown_kb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))
"""


def install(name: str) -> str:
    """Install a peer into an environment of its own, kept for the next run; return its python, or why it is skipped."""
    target = FOLDER / name.replace(" + ", "-")
    python, done = target / "bin" / "python", target / "installed"
    if not done.is_file():
        venv.create(target, with_pip=True)
        command = [str(python), "-m", "pip", "install", "-q", *PEERS[name].packages]
        if subprocess.run(command, capture_output=True, text=True, check=False).returncode:
            return "skipped: cannot be installed here"
        done.touch()
    return str(python)


def program_of(name: str) -> str:
    """Return a peer's whole program: it reads the texts' file and prints what it took."""
    return _FRAME.format(body=PEERS[name].body)

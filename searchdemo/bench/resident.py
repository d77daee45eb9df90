"""What a saved index adds to a process: seconds of loading and resident memory, measured in a fresh one.

A process that built indexes before has memory to use again, so that its own growth would lie.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from searchdemo.bench.child import ROOT, last_line
from searchdemo.errors import SearchDemoError

K = 10
STATM = Path("/proc/self/statm")
CODE = """
import json, sys, time
from pathlib import Path

import numpy as np

from searchdemo.bench.resident import grown, resident_bytes
from searchdemo.indexes import faiss_index
from searchdemo.indexes.table import find

path, factory, mapped, k = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "mapped", int(sys.argv[4])
queries = np.load(sys.argv[5])
find("flat").build(queries).search(queries, k)  # threads and buffers of the libraries
before, started = resident_bytes(), time.perf_counter()
index = faiss_index.read(path, mapped)
seconds, loaded = time.perf_counter() - started, grown(before)
faiss_index.FaissIndex(find("faiss:" + factory), index).search(queries, k)
print(json.dumps({"load_s": seconds, "loaded_bytes": loaded, "resident_bytes": grown(before)}))
"""


def resident_bytes() -> int | None:
    """Of this process: on Linux now, on other POSIX systems its peak, on Windows None: Python does not tell there."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        try:
            import resource
        except ImportError:
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, others KiB


def grown(before: int | None) -> int | None:
    return None if before is None else resident_bytes() - before


def loading(path: Path, factory: str, queries: np.ndarray, mapped: bool) -> dict[str, float | None]:
    """{"load_s", "loaded_bytes", "resident_bytes"}: after loading, and after searching for queries (q, dim) too.

    Bytes are None where the system does not tell them.

    A mapped file becomes resident as searches touch it. A file that was just written comes from the system's cache.
    Raises SearchDemoError when the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "queries.npy"
        np.save(asked, queries)
        command = [sys.executable, "-c", CODE, path, factory, "mapped" if mapped else "whole", str(K), asked]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SearchDemoError(f"Loading {path.name} in a process of its own failed: {last_line(done.stderr)}")
    return json.loads(done.stdout)

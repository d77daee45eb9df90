"""What a saved index adds to a process: seconds of loading and resident memory, measured in a new process.

A process that built indexes before reuses their memory, so its growth would be too small.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from searchdemo.bench.child import resident_bytes_in, run_python

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
    """The resident memory of this process on Linux, its peak on other POSIX systems, None on Windows."""
    if (found := resident_bytes_in(STATM)) is not None:
        return found
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, others KiB


def grown(before: int | None) -> int | None:
    now = resident_bytes()
    return None if before is None or now is None else now - before


def loading(path: Path, factory: str, queries: np.ndarray, mapped: bool) -> dict[str, float | None]:
    """{"load_s", "loaded_bytes", "resident_bytes"}: after loading, and after searching for queries (q, dim) as well.

    Bytes are None where the system does not tell them. A mapped file becomes resident as searches touch it. A file that
    was just written comes from the system's cache. Raises SearchDemoError when the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "queries.npy"
        np.save(asked, queries)
        arguments = (path, factory, "mapped" if mapped else "whole", str(K), asked)
        return json.loads(run_python(CODE, *arguments, what=f"Loading {path.name} in a process of its own"))

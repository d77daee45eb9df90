"""The resident memory of a process: by the stages of a run, and what a saved index adds to it.

An index is loaded in a new process: one that built indexes before reuses their memory, so its growth would be too
small.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from searchdemo.bench.child import resident_bytes_in, run_python

K = 10
STATM, STATUS = Path("/proc/self/statm"), Path("/proc/self/status")
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


def peak_bytes() -> int | None:
    """The peak of resident memory of this process so far, on Linux, else None."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


@dataclass
class Stages:
    """A profile of memory: what this process holds at the end of each stage of a run, and its peak so far."""

    rows: list[dict] = field(default_factory=list)

    def over(self, stage: str) -> None:
        self.rows.append({"stage": stage, "resident_bytes": resident_bytes(), "peak_bytes": peak_bytes()})


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

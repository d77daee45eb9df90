"""What a build has embedded so far, in a file that only grows: a kill at any moment loses nothing that is in it.

A line of JSON says what the vectors belong to. After it comes one record per picture: its key, the seconds that it
took, its vector (NaN where the picture cannot be read) and a checksum. A record that was cut off by a kill, or that a
loss of power left without its bytes, is dropped with all that follow it. Unlike a file that is mapped into memory, a
disk that is full raises an error here and does not end the process.
"""

from __future__ import annotations

import io
import json
import os
import time
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from searchdemo import scratch
from searchdemo.errors import SearchDemoError
from searchdemo.files import discard

KEY_BYTES = 16
SYNC_SECONDS = 1.0  # between two times that the system is told to write to the disk; a loss of power loses no more


class Journal:
    """Vectors by key. Closed as a context."""

    def __init__(self, path: Path | None, identity: dict, dim: int):
        """identity: what the vectors belong to. A file that belongs to something else is begun again.

        path: None keeps the vectors in memory, and no longer than this object.
        """
        self._path, header = path, (json.dumps(identity | {"dim": dim}, sort_keys=True) + "\n").encode()
        self._record = np.dtype(
            [("key", f"V{KEY_BYTES}"), ("seconds", "<f4"), ("vector", "<f4", (dim,)), ("crc", "<u4")]
        )
        self.vectors: dict[bytes, np.ndarray] = {}  # key -> (dim,) float32
        self.seconds = 0.0  # that embedding them took
        if path and path.is_dir():
            discard(path)  # nothing that a build made
        held = (scratch.read(path, Path.read_bytes) if path else None) or b""
        good = self._load(held, len(header)) if held.startswith(header) else 0
        try:
            self._file: IO[bytes] = path.open("r+b" if good else "wb") if path else io.BytesIO()
            if good:
                self._file.truncate(good)
                self._file.seek(good)
            else:
                self._file.write(header)
        except OSError as error:
            raise self._full(error) from error
        self._synced = time.perf_counter()

    def _load(self, held: bytes, start: int) -> int:
        """Reads the records that are whole. Returns where they end."""
        size = self._record.itemsize
        for place in range(start, len(held) - size + 1, size):
            raw = held[place : place + size]
            record = np.frombuffer(raw, self._record)[0]
            if zlib.crc32(raw[:-4]) != record["crc"]:
                return place
            self._keep(raw[:KEY_BYTES], record)
        return start + (len(held) - start) // size * size

    def _keep(self, key: bytes, record: np.void) -> None:
        if key not in self.vectors:
            self.vectors[key] = record["vector"]
            self.seconds += float(record["seconds"])

    def add(self, keys: list[bytes], vectors: np.ndarray, seconds: float) -> None:
        """vectors: (n, dim) float32; seconds: that all of them took. Raises SearchDemoError when the disk is full."""
        records = np.zeros(len(keys), self._record)
        records["key"] = np.frombuffer(b"".join(keys), f"V{KEY_BYTES}")
        records["seconds"], records["vector"] = seconds / max(len(keys), 1), vectors
        for record in records:
            record["crc"] = zlib.crc32(record.tobytes()[:-4])
        try:
            self._file.write(records.tobytes())
            self._file.flush()
            if self._path and time.perf_counter() - self._synced >= SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.perf_counter()
        except OSError as error:
            raise self._full(error) from error
        for key, record in zip(keys, records, strict=True):
            self._keep(key, record)

    def _full(self, error: OSError) -> SearchDemoError:
        return SearchDemoError(
            f"{self._path} cannot be written ({error.strerror}): make room, or set SEARCHDEMO_HOME to another folder; "
            "the same build goes on from there."
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._file.close()
        except OSError as failed:
            raise self._full(failed) from failed

"""SHA-256 of files, computed once a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

_digests: dict[tuple[int, int, int, int], str] = {}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; remembered while it stays the same file of the same size and time of change."""
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)  # a file that only moved keeps these
    if key not in _digests:
        with path.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]

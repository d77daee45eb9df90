"""A folder of this process for what it needs no longer than it lives: uploads, and files that libraries ask for.

It is removed when the process ends. A process that is killed removes nothing; so the next one removes the folders whose
owner is gone, which their lock tells, also where processes of other containers share the place.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

PREFIX = "searchdemo-"
LOCK = ".lock"
YOUNG_S = 60.0  # a folder without a lock may be about to get one


@cache
def folder() -> Path:
    """Made at the first call, in TMPDIR."""
    from filelock import FileLock

    place = Path(tempfile.gettempdir())
    sweep(place)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    held = FileLock(str(made / LOCK))
    held.acquire()
    atexit.register(_end, made, held)
    return made


def _end(made: Path, held: FileLock) -> None:
    held.release()
    shutil.rmtree(made, ignore_errors=True)


def sweep(place: Path) -> None:
    """Removes the folders of processes that are no more. Those of other people, which cannot be locked, stay."""
    from filelock import FileLock, Timeout

    for found in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if found.is_symlink() or not found.is_dir():
                continue
            lock = found / LOCK
            if not lock.is_file() and time.time() - found.stat().st_mtime < YOUNG_S:
                continue
            with FileLock(str(lock), timeout=0):
                pass
            shutil.rmtree(found)

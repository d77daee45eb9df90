"""The videos of a person's folder as their frames: which there are is found out once per video, and remembered."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from searchdemo import scratch
from searchdemo.errors import BadPicture
from searchdemo.files import own_folder
from searchdemo.galleries.walk import File
from searchdemo.types import Count
from searchdemo.video import named, scenes

TABLE = """CREATE TABLE IF NOT EXISTS videos (place TEXT, size INTEGER, mtime_ns INTEGER, frames TEXT, problem TEXT,
                                               PRIMARY KEY (place, size, mtime_ns))"""

KEPT = "SELECT frames, problem FROM videos WHERE place = ? AND size = ? AND mtime_ns = ?"


def frames_of(
    root: Path, videos: Sequence[File], progress: Count | None = None
) -> tuple[dict[str, list[File]], dict[str, str]]:
    """Video -> its frames in order of time, and video -> why it cannot be read.

    progress: (videos, in all). A frame has the size and the time of change of its video, and no inode.
    """
    frames: dict[str, list[File]] = {}
    problems: dict[str, str] = {}
    with _remembered() if videos else contextlib.nullcontext(_Known(None)) as known:
        for number, file in enumerate(videos, start=1):
            times, problem = known.of(root, file)
            frames[file.path] = [
                replace(file, path=named(file.path, time), inode=None, frame=(file.path, time)) for time in times
            ]
            if problem:
                problems[file.path] = problem
            if progress is not None:
                progress(number, len(videos))
    return frames, problems


class _Known:
    def __init__(self, db: sqlite3.Connection | None):
        self._db = db

    def of(self, root: Path, file: File) -> tuple[list[float], str]:
        place = "{}:{}".format(*file.inode) if file.inode else os.fsencode(root.resolve() / file.path).hex()
        key = place, file.size, file.mtime_ns
        if (found := self._kept(key)) is not None:
            return found
        try:
            times, problem = scenes(root / file.path), ""
        except BadPicture as error:
            times, problem = [], str(error).removeprefix("This video ").removeprefix("This file ")
        with contextlib.suppress(sqlite3.Error):  # without room, it is found out again next time
            if self._db:
                with self._db:
                    self._db.execute(
                        "INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?)", (*key, json.dumps(times), problem)
                    )
        return times, problem

    def _kept(self, key: tuple[str, int, int]) -> tuple[list[float], str] | None:
        with contextlib.suppress(sqlite3.Error, ValueError):
            if self._db and (found := self._db.execute(KEPT, key).fetchone()):
                return json.loads(found[0]), found[1]
        return None


@contextlib.contextmanager
def _remembered() -> Iterator[_Known]:
    """Where nothing can be written, each video is looked through again."""
    try:
        db = scratch.database(own_folder() / "videos.sqlite", lambda db: db.execute(TABLE), 30)
    except (sqlite3.Error, OSError):
        yield _Known(None)
        return
    with contextlib.closing(db):
        yield _Known(db)

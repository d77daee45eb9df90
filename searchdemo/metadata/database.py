"""The facts about the pictures of one gallery: a SQLite file beside its vectors.

pictures   a row for each picture that is there: content, file, date, camera, place, caption, source video
labels     the classes by number
labelled   which picture has which labels; the first of several has rank 0
facts      `state`: what the gallery was when all of this was written

All of it can be found out again from the pictures and from what came with them.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from searchdemo import scratch
from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.exif import Taken
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.grammar import Condition
from searchdemo.metadata.sql import folded, where

log = logging.getLogger(__name__)

WAIT_S = 30.0  # for another process that writes
SEARCH_S = 10.0  # that a filter may take; 100,000 pictures take 0.1 s
STEPS = 100_000  # of SQLite between two looks at the clock

# Each leads from the tables of its number to those of the next. Never change one that was released: add another.
MIGRATIONS = (
    """
    CREATE TABLE pictures (
        row INTEGER PRIMARY KEY, key BLOB, file TEXT, size INTEGER, mtime_ns INTEGER, caption TEXT, taken TEXT,
        camera TEXT, latitude REAL, longitude REAL, video TEXT, video_s REAL, looked INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE labels (number INTEGER PRIMARY KEY, label TEXT NOT NULL, class_name TEXT NOT NULL);
    CREATE TABLE labelled (
        row INTEGER NOT NULL, rank INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (row, rank)) WITHOUT ROWID;
    CREATE INDEX labelled_by_number ON labelled (number, row);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
    """,
)


class Entry(NamedTuple):
    """What a gallery says of one picture without its file being read; None where it does not."""

    row: int
    key: bytes | None = None  # of the content
    file: str | None = None
    size: int | None = None  # bytes
    mtime_ns: int | None = None
    caption: str | None = None
    video: str | None = None
    video_s: float | None = None


class Database:
    """Each call is one transaction. In WAL mode, who reads never waits for who writes."""

    def __init__(self, path: Path | None):
        """path: None, and a file that cannot be written: it lives as long as this object."""
        self._path, self._lock = path, threading.RLock()
        self._memory: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """Raises BadArtifact for a file of a later version."""
        if self._path is not None and self._memory is None:
            try:
                db = scratch.database(self._path, _prepare, WAIT_S)
            except (OSError, sqlite3.OperationalError) as error:
                log.warning("%s cannot be written (%s): the facts about pictures are not kept", self._path, error)
            else:
                with scratch.transaction(self._path, db):
                    yield db
                return
        with self._lock:
            if self._memory is None:
                self._memory = sqlite3.connect(":memory:", check_same_thread=False)
                _prepare(self._memory)
            with self._memory:
                yield self._memory

    @property
    def in_memory(self) -> bool:
        return self._memory is not None

    def state(self) -> str:
        """What `write` was told last; "" before that."""
        with self.open() as db:
            return _state(db)

    def write(
        self,
        state: str,
        entries: Iterable[Entry],
        classes: Iterable[tuple[str, str]],
        labels: Mapping[int, Sequence[int]],
        with_files: bool,
    ) -> None:
        """All pictures of a gallery, in the place of those before. What was read from a file whose row has the same
        content as before stays.

        classes: (label, class name) by number; labels: row -> numbers; with_files: whether headers are to be read
        """
        now = {entry.row: entry for entry in entries}
        with self.open() as db:
            db.execute("BEGIN IMMEDIATE")
            held = dict(db.execute("SELECT row, key FROM pictures"))
            gone = [(row,) for row, key in held.items() if row not in now or now[row].key != key]
            db.executemany("DELETE FROM pictures WHERE row = ?", gone)
            db.executemany(
                "INSERT INTO pictures (row, key, file, size, mtime_ns, caption, video, video_s, looked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (row) DO UPDATE SET file = excluded.file, "
                "size = excluded.size, mtime_ns = excluded.mtime_ns, caption = excluded.caption, "
                "video = excluded.video, video_s = excluded.video_s",
                ((*entry, not with_files) for entry in now.values()),
            )
            db.execute("DELETE FROM labels")
            db.execute("DELETE FROM labelled")
            db.executemany("INSERT INTO labels VALUES (?, ?, ?)", ((n, *names) for n, names in enumerate(classes)))
            db.executemany(
                "INSERT INTO labelled VALUES (?, ?, ?)",
                ((row, rank, n) for row in now for rank, n in enumerate(labels.get(row, ()))),
            )
            db.execute("INSERT OR REPLACE INTO facts VALUES ('state', ?)", (state,))

    def unlooked(self) -> list[tuple[int, bytes]]:
        """Row and content of the pictures whose files' headers were not read yet."""
        with self.open() as db:
            return db.execute("SELECT row, key FROM pictures WHERE NOT looked ORDER BY row").fetchall()

    def looked(self, found: Iterable[tuple[int, bytes, Taken]]) -> None:
        """Keeps what the headers say: (row, content, what was read)."""
        with self.open() as db:
            db.executemany(
                "UPDATE pictures SET taken = ?, camera = ?, latitude = ?, longitude = ?, looked = 1 "
                "WHERE row = ? AND key IS ?",
                ((t.date, t.camera, t.latitude, t.longitude, row, key) for row, key, t in found),
            )

    def rows(self, condition: Condition) -> np.ndarray:
        """The rows of the pictures that meet it, (m,) int64, ascending. Raises BadQuery where it takes SEARCH_S."""
        sql, values = where(condition)
        latest = time.monotonic() + SEARCH_S
        with self.open() as db:
            db.set_progress_handler(lambda: time.monotonic() > latest, STEPS)
            try:
                found = db.execute(f"SELECT row FROM pictures WHERE {sql} ORDER BY row", values).fetchall()
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                raise BadQuery(f"The filter took longer than {SEARCH_S:g} s: write a simpler one.") from error
            finally:
                db.set_progress_handler(None, 0)
        return np.array([row for (row,) in found], dtype=np.int64)

    def facts(self, columns: Sequence[str]) -> dict[str, dict[int, str | int | float]]:
        """Column of filters, other than labels -> row -> value, where the row has one."""
        with self.open() as db:
            return {
                name: dict(db.execute(f"SELECT row, {sql} FROM pictures WHERE {sql} NOT NULL AND {sql} != ''"))
                for name, sql in ((name, COLUMNS[name].sql) for name in columns)
            }


def _state(db: sqlite3.Connection) -> str:
    found = db.execute("SELECT value FROM facts WHERE name = 'state'").fetchone()
    return found[0] if found else ""


def _prepare(db: sqlite3.Connection) -> None:
    """With the tables of this version. Raises BadArtifact for those of a later one."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.create_function("folded", 1, folded, deterministic=True)
    if _version(db) != len(MIGRATIONS):
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = _version(db)  # another process may have been faster
            if version > len(MIGRATIONS):
                (path,) = (file for _, name, file in db.execute("PRAGMA database_list") if name == "main")
                raise BadArtifact(
                    f"{path} was written by a later version of searchdemo: use that one, or delete the file, whose "
                    "facts are found out again."
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")


def _version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]

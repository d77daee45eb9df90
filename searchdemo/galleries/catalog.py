"""What was found out about a person's files, and the row of each picture: one SQLite file in the person's own folder.

folders  the folders that were opened, what is excluded from them, and which of their folders are classes
files    per path: size and times of change, which decide whether to look again; kind, digest of the content, problem
rows     per folder: the row of each picture, by its content. A row is never given to another picture, so links and
         what refers to rows stay right while pictures are added, renamed and removed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from searchdemo import scratch
from searchdemo.files import own_folder
from searchdemo.formats import VIDEO, reader_version
from searchdemo.galleries.walk import File
from searchdemo.video import is_named_as_frame

log = logging.getLogger(__name__)

VERSION = 3  # of the tables; those of a version that is not in MIGRATIONS are made again
WAIT_S = 30.0  # for another process that writes
LOST = "what was excluded from folders, and the levels of their classes, are to be told again"
MOVED = 0.5  # a folder is taken for one that went away when it holds so much of what that one held

TABLES = """
CREATE TABLE folders (id INTEGER PRIMARY KEY, root BLOB UNIQUE, former BLOB, exclude TEXT NOT NULL DEFAULT '[]',
                      class_level INTEGER);
CREATE TABLE files (folder INTEGER, path BLOB, size INTEGER, mtime_ns INTEGER, device INTEGER, inode INTEGER,
                    kind TEXT, digest BLOB, problem TEXT, ctime_ns INTEGER NOT NULL DEFAULT 0,
                    PRIMARY KEY (folder, path)) WITHOUT ROWID;
CREATE INDEX files_by_inode ON files (inode, size, mtime_ns);
CREATE TABLE rows (folder INTEGER, row INTEGER, path BLOB, digest BLOB, PRIMARY KEY (folder, row)) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
"""
MIGRATIONS = {  # from each version to the next
    1: "ALTER TABLE files ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0",
    2: "ALTER TABLE folders ADD COLUMN class_level INTEGER",
}


@dataclass(frozen=True)
class Known:
    """What is remembered of a file as it is now."""

    kind: str  # "" for a picture
    digest: bytes  # of its content, DIGEST_BYTES; b"" when it was not read, because it is no picture
    problem: str = ""  # why it cannot be read as a picture


@dataclass(frozen=True)
class Row:
    row: int
    path: str  # where the picture was last seen
    digest: bytes


class Catalog:
    """Each call is one transaction. Where the person's folder cannot be written to, it lives as long as the process."""

    def __init__(self, path: Path | None = None):
        self._path = path or own_folder() / "pictures.sqlite"

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with scratch.transaction(self._path, _connected(self._path)) as db:
            yield db

    def folder(self, root: Path, files: list[File]) -> tuple[int, str]:
        """The number of a folder, and the path that it had before it was moved here, or "".

        files: what it holds. A folder that is new here and holds most of what one held that is no more is that one.
        """
        with self._open() as db:
            place = os.fsencode(root)
            found = db.execute(
                "SELECT id, former, exclude, class_level FROM folders WHERE root = ?", (place,)
            ).fetchone()
            if found and db.execute("SELECT 1 FROM files WHERE folder = ? LIMIT 1", found[:1]).fetchone():
                return found[0], os.fsdecode(found[1] or b"")
            if moved := _moved(db, files):
                db.execute("DELETE FROM folders WHERE root = ?", (place,))
                db.execute("UPDATE folders SET root = ?, former = ? WHERE id = ?", (place, moved[1], moved[0]))
                db.execute("UPDATE files SET ctime_ns = 0 WHERE folder = ?", moved[:1])  # copies have their own
                if found:  # what is to be excluded, or the level, was said before the folder was opened
                    db.execute("UPDATE folders SET exclude = ?, class_level = ? WHERE id = ?", (*found[2:], moved[0]))
                found = moved
            if found is None:
                found = db.execute("INSERT INTO folders (root) VALUES (?)", (place,)).lastrowid, None
            return found[0], os.fsdecode(found[1] or b"")

    def excluded(self, root: Path) -> list[str]:
        """The patterns that are excluded from a folder."""
        with self._open() as db:
            found = db.execute("SELECT exclude FROM folders WHERE root = ?", (os.fsencode(root),)).fetchone()
        return json.loads(found[0]) if found else []

    def exclude(self, root: Path, patterns: Iterable[str]) -> None:
        """Remember the patterns that are excluded from a folder, in place of those before."""
        with self._open() as db:
            db.execute(
                "INSERT INTO folders (root, exclude) VALUES (?, ?) "
                "ON CONFLICT (root) DO UPDATE SET exclude = excluded.exclude",
                (os.fsencode(root), json.dumps([pattern for pattern in patterns if pattern])),
            )

    def class_level(self, root: Path) -> int | None:
        """Which folders of a path are classes: 1 for those in `root`, 2 for those in these; None for the deepest."""
        with self._open() as db:
            found = db.execute("SELECT class_level FROM folders WHERE root = ?", (os.fsencode(root),)).fetchone()
        return found[0] if found else None

    def choose_level(self, root: Path, level: int | None) -> None:
        """Remember the level of a folder's classes, see `class_level`."""
        with self._open() as db:
            db.execute(
                "INSERT INTO folders (root, class_level) VALUES (?, ?) "
                "ON CONFLICT (root) DO UPDATE SET class_level = excluded.class_level",
                (os.fsencode(root), level),
            )

    def known(self, folder: int, files: list[File]) -> dict[str, Known]:
        """By path, what is remembered of those files that have the size and the times of change that they had then.

        A file that was renamed or moved, from another folder as well, is known by its inode. An edit that keeps the
        size and sets the time of modification back (`exiftool -P`) leaves its trace in ctime, which a change of rights
        moves too: such a file is read again, and embedded only where its content is another. Inodes alone tell no
        edit: FAT gives out new ones with each mount.
        """
        found: dict[str, Known] = {}
        with self._open() as db:
            rows = db.execute(
                "SELECT path, size, mtime_ns, ctime_ns, device, inode, kind, digest, problem FROM files "
                "WHERE folder = ?",
                (folder,),
            )
            held = {
                os.fsdecode(path): ((size, mtime), ctime, (device, inode), Known(*rest))
                for path, size, mtime, ctime, device, inode, *rest in rows
            }
            for file in files:
                when, ctime, inode, known = held.get(file.path, (None, 0, None, None))
                same = known is not None and when == (file.size, file.mtime_ns)
                if known is not None and same and (not ctime or ctime == file.ctime_ns):
                    found[file.path] = known
                    if ctime != file.ctime_ns:
                        _remember(db, folder, file, known)
                elif same and file.inode and inode == file.inode:
                    continue  # it was written, or its rights were changed
                elif file.inode and (moved := _by_inode(db, file)):
                    found[file.path] = moved
                    _remember(db, folder, file, moved)
        return found

    def remember(self, folder: int, found: Iterable[tuple[File, Known]]) -> None:
        with self._open() as db:
            for file, known in found:
                _remember(db, folder, file, known)

    def forget_others(self, folder: int, files: list[File]) -> None:
        """Forget files that are no longer in the folder. Their rows stay theirs."""
        with self._open() as db:
            here = {file.path for file in files}
            held = db.execute("SELECT path FROM files WHERE folder = ?", (folder,)).fetchall()
            gone = [path for (path,) in held if os.fsdecode(path) not in here]
            db.executemany("DELETE FROM files WHERE folder = ? AND path = ?", ((folder, path) for path in gone))

    def rows(self, folder: int) -> list[Row]:
        with self._open() as db:
            found = db.execute("SELECT row, path, digest FROM rows WHERE folder = ? ORDER BY row", (folder,))
            return [Row(row, os.fsdecode(path), digest) for row, path, digest in found]

    def keep_rows(self, folder: int, rows: Iterable[Row]) -> None:
        with self._open() as db:
            db.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                ((folder, row.row, os.fsencode(row.path), row.digest) for row in rows),
            )


def _remember(db: sqlite3.Connection, folder: int, file: File, known: Known) -> None:
    db.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            folder,
            os.fsencode(file.path),
            file.size,
            file.mtime_ns,
            *(file.inode or (0, 0)),
            known.kind,
            known.digest,
            known.problem,
            file.ctime_ns,
        ),
    )


def _by_inode(db: sqlite3.Connection, file: File) -> Known | None:
    device, inode = file.inode or (0, 0)
    found = db.execute(
        "SELECT kind, digest, problem FROM files WHERE inode = ? AND size = ? AND mtime_ns = ? AND device = ?",
        (inode, file.size, file.mtime_ns, device),
    ).fetchone()
    return Known(*found) if found else None


def _moved(db: sqlite3.Connection, files: list[File]) -> tuple[int, bytes] | None:
    """The number and the path of a folder that is no more, most of whose files are these."""
    here = {(os.fsencode(file.path), file.size, file.mtime_ns) for file in files}
    # Not of frames of videos, which are no files.
    for number, root in db.execute("SELECT id, root FROM folders").fetchall():
        if Path(os.fsdecode(root)).exists():  # a folder, or a list of pictures
            continue
        held = {
            found
            for found in db.execute(
                "SELECT path, size, mtime_ns FROM files WHERE folder = ? AND kind IN ('', ?)", (number, VIDEO)
            )
            if not is_named_as_frame(os.fsdecode(found[0]))
        }
        if held and len(held & here) > MOVED * len(held):
            return number, root
    return None


_memory: dict[Path, sqlite3.Connection] = {}  # where no file can be written; an open connection keeps the tables
_lock = threading.Lock()


def _connected(path: Path) -> sqlite3.Connection:
    with _lock:
        if path not in _memory:
            try:
                return scratch.database(path, _prepare, WAIT_S, LOST)
            except (OSError, sqlite3.OperationalError) as error:
                log.warning("%s cannot be written (%s): what is found out about files is not kept", path, error)
                _memory[path] = _in_memory(path)
        db = _in_memory(path)
        _prepare(db)
        return db


def _in_memory(path: Path) -> sqlite3.Connection:
    name = f"file:searchdemo-{abs(hash(path))}?mode=memory&cache=shared"
    return sqlite3.connect(name, uri=True, timeout=WAIT_S, check_same_thread=False)


def _prepare(db: sqlite3.Connection) -> None:
    """With the tables of this version, and without what another version of the readers could not read."""
    db.execute("PRAGMA synchronous = NORMAL")
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            while version in MIGRATIONS:
                db.execute(MIGRATIONS[version])
                version += 1
            if version != VERSION:
                for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    db.execute(f'DROP TABLE "{table}"')
                for statement in TABLES.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
    reader = db.execute("SELECT value FROM facts WHERE name = 'reader'").fetchone()
    if reader is None or reader[0] != reader_version():
        with db:
            db.execute("DELETE FROM files WHERE kind != '' OR problem != ''")
            db.execute("INSERT OR REPLACE INTO facts VALUES ('reader', ?)", (reader_version(),))

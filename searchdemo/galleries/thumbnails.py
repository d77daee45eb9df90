"""Small copies of a person's large pictures: one SQLite file of bounded size.

A build makes them of the pictures that it opens, as long as there is room; any other is made when it is first shown,
and those that were shown longest ago make room for it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchdemo import scratch
from searchdemo.decoding import OWN_BYTES
from searchdemo.errors import BadPicture
from searchdemo.files import own_folder
from searchdemo.jpeg import smaller_jpeg
from searchdemo.pictures import open_picture

SHOWN_BYTES = 64 * 1024  # of a file that is shown as it is
SHOWN_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8")  # of what every browser shows
SIDE = 384  # the longer side, pixels: about 25 KB
MAX_BYTES = 256 * 2**20  # of all of them, about 10,000
WAIT_S = 1.0  # for another process that writes; after that it is made again
KEPT = 0.9  # of MAX_BYTES, after those that were shown longest ago were dropped
SHOWN_AGAIN_S = 3600.0  # a thumbnail that was shown within so long is not noted again, which would be a write

TABLE = "CREATE TABLE IF NOT EXISTS thumbnails (digest BLOB PRIMARY KEY, jpeg BLOB NOT NULL, shown REAL NOT NULL)"
TOTAL = "SELECT coalesce(sum(length(jpeg)), 0) FROM thumbnails"


@dataclass
class _Opened:
    """A connection that is kept, because to open one takes longer than to read from it."""

    db: sqlite3.Connection
    inode: int  # of the file, which somebody may remove while it is open


_opened: dict[Path, _Opened] = {}
_lock = threading.Lock()


class Thumbnails:
    """By the content of the picture. Where nothing can be written, each is made again when it is shown."""

    def __init__(self, path: Path | None = None):
        self._path = path or own_folder() / "thumbnails.sqlite"

    def get(self, digest: bytes, encoded: Callable[[], bytes | None]) -> bytes | None:
        """A JPEG of at most SIDE x SIDE pixels; None where there is no picture, or it cannot be read.

        encoded: reads the file, called only where no thumbnail is kept.
        """
        kept = self._kept(digest)
        if kept is None and (picture := encoded()) is not None:
            with contextlib.suppress(BadPicture):
                kept = smaller(picture)
                self._keep(digest, kept)
        return kept

    def digests(self) -> set[bytes]:
        """Of all that are kept."""
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            return {digest for (digest,) in db.execute("SELECT digest FROM thumbnails")}
        return set()

    def add(self, made: Sequence[tuple[bytes, bytes]]) -> bool:
        """Keeps thumbnails by their digests as long as there is room, and says whether there is any more."""
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            (total,) = db.execute(TOTAL).fetchone()
            for digest, jpeg in made:
                if total + len(jpeg) > MAX_BYTES:
                    return False
                db.execute("INSERT OR IGNORE INTO thumbnails VALUES (?, ?, ?)", (digest, jpeg, time.time()))
                total += len(jpeg)
            return True
        return False

    def _kept(self, digest: bytes) -> bytes | None:
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            found = db.execute("SELECT jpeg, shown FROM thumbnails WHERE digest = ?", (digest,)).fetchone()
            if found:
                now = time.time()
                if now - found[1] >= SHOWN_AGAIN_S:
                    db.execute("UPDATE thumbnails SET shown = ? WHERE digest = ?", (now, digest))
                return found[0]
        return None

    def _keep(self, digest: bytes, jpeg: bytes) -> None:
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            db.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", (digest, jpeg, time.time()))
            (total,) = db.execute(TOTAL).fetchone()
            if total > MAX_BYTES:
                sizes = db.execute("SELECT digest, length(jpeg) FROM thumbnails ORDER BY shown").fetchall()
                for old, size in sizes:
                    if total <= KEPT * MAX_BYTES:
                        break
                    db.execute("DELETE FROM thumbnails WHERE digest = ?", (old,))
                    total -= size

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises sqlite3.Error, OSError; the connection is then opened again for the next one."""
        with _lock:
            opened = self._connection()
            try:
                with opened.db:
                    yield opened.db
            except (sqlite3.Error, OSError):
                _opened.pop(self._path, None)
                opened.db.close()
                scratch.doubt(self._path)
                raise

    def _connection(self) -> _Opened:
        held = _opened.get(self._path)
        with contextlib.suppress(FileNotFoundError):
            if held and self._path.stat().st_ino == held.inode:
                return held
        if held:
            del _opened[self._path]
            held.db.close()
        db = scratch.database(self._path, _prepare, WAIT_S, threads=True)
        _opened[self._path] = _Opened(db, self._path.stat().st_ino)
        return _opened[self._path]


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA synchronous = OFF")  # what is lost is made again
    db.execute(TABLE)


def shown_as_it_is(picture: bytes) -> bool:
    """Whether it is small, and of a kind that every browser shows."""
    return len(picture) <= SHOWN_BYTES and picture.startswith(SHOWN_STARTS)


def smaller(picture: bytes) -> bytes:
    """Raises BadPicture."""
    return smaller_jpeg(open_picture(picture, OWN_BYTES), SIDE)

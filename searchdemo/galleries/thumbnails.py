"""Small copies of a person's large pictures, made when one is first shown and kept: one SQLite file of bounded size."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from searchdemo.decoding import OWN_BYTES
from searchdemo.errors import BadPicture
from searchdemo.files import own_folder
from searchdemo.jpeg import smaller_jpeg
from searchdemo.pictures import open_picture

SHOWN_BYTES = 64 * 1024  # of a file that is shown as it is
SHOWN_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8")  # of what every browser shows
SIDE = 384  # the longer side, pixels: about 25 KB
MAX_BYTES = 256 * 2**20  # of all of them, about 10,000
KEPT = 0.9  # of MAX_BYTES, after those that were shown longest ago were dropped

TABLE = "CREATE TABLE IF NOT EXISTS thumbnails (digest BLOB PRIMARY KEY, jpeg BLOB NOT NULL, shown REAL NOT NULL)"


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

    def _kept(self, digest: bytes) -> bytes | None:
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            found = db.execute("SELECT jpeg FROM thumbnails WHERE digest = ?", (digest,)).fetchone()
            if found:
                db.execute("UPDATE thumbnails SET shown = ? WHERE digest = ?", (time.time(), digest))
                return found[0]
        return None

    def _keep(self, digest: bytes, jpeg: bytes) -> None:
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            db.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", (digest, jpeg, time.time()))
            (total,) = db.execute("SELECT sum(length(jpeg)) FROM thumbnails").fetchone()
            if total > MAX_BYTES:
                sizes = db.execute("SELECT digest, length(jpeg) FROM thumbnails ORDER BY shown").fetchall()
                for old, size in sizes:
                    if total <= KEPT * MAX_BYTES:
                        break
                    db.execute("DELETE FROM thumbnails WHERE digest = ?", (old,))
                    total -= size

    @contextlib.contextmanager
    def _open(self):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=1)) as db, db:
            db.execute("PRAGMA synchronous = OFF")  # what is lost is made again
            db.execute(TABLE)
            yield db


def shown_as_it_is(picture: bytes) -> bool:
    """Whether it is small, and of a kind that every browser shows."""
    return len(picture) <= SHOWN_BYTES and picture.startswith(SHOWN_STARTS)


def smaller(picture: bytes) -> bytes:
    """Raises BadPicture."""
    return smaller_jpeg(open_picture(picture, OWN_BYTES), SIDE)

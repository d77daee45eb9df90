"""Files of our own that can be made again. One that is damaged counts as none: the log says so, and it blocks nobody.

A kill, a full disk or a copy that broke off may leave anything in the place of such a file: nothing, `null`, half of
it, other bytes, a folder. Whatever reads one does so by `read`, `json_of` or `database`. Vectors, their manifests and
run cards are none of these: a damaged one is an error that names the command which makes it again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from searchdemo import __version__
from searchdemo.errors import BadArtifact
from searchdemo.files import unwritable

# What parsers raise for bytes that somebody else wrote
DAMAGE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, EOFError, RecursionError, OverflowError),
    *(zipfile.BadZipFile, zlib.error),
)
BESIDE = ("", "-wal", "-shm", "-journal")  # files of one SQLite database
# Of SQLite: no room, no right, or another process that writes for too long
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
FULL |= {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

UPDATE = "update searchdemo"

T = TypeVar("T")
log = logging.getLogger(__name__)

_told: set[tuple[Path, str]] = set()  # what was logged
_whole: dict[Path, tuple[int, int, int]] = {}  # device, inode and size of databases that were checked


class Newer(ValueError):
    """A later version of searchdemo wrote it."""


def remedy(error: Exception, usual: str) -> str:
    """What helps where this error tells that something cannot be read: "build it again", say, is the usual."""
    return f"{UPDATE}, or {usual}" if isinstance(error, Newer) else usual


def check_format(found: object, *read: int) -> None:
    """Raises Newer for a format beyond those that this version reads, ValueError for any other one."""
    if found in read:
        return
    said = f"format {found}, and version {__version__} reads {' and '.join(map(str, read))}"
    raise (Newer if isinstance(found, int) and found > max(read) else ValueError)(said)


def read(path: Path, parse: Callable[[Path], T]) -> T | None:
    """parse(path); None where there is no such file, or nothing that `parse` can read."""
    try:
        return parse(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except DAMAGE as error:
        if (path, said := _said(error)) not in _told:  # a search may ask for it each time
            _told.add((path, said))
            log.warning("%s is damaged (%s) and counts as none", path, said)
        return None


def json_of(path: Path) -> dict | None:
    """The object that a JSON file holds; None where there is none."""
    return read(path, _object)


def _object(path: Path) -> dict:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"it holds {type(content).__name__}, not an object")
    return content


def database(
    path: Path,
    prepare: Callable[[sqlite3.Connection], object],
    wait_s: float,
    lost: str = "",
    threads: bool = False,
) -> sqlite3.Connection:
    """An open SQLite file that `prepare` gave its tables. One that is damaged is deleted and made again.

    lost: what was in it and cannot be found out again, for the log; threads: whether several use it, one at a time
    Raises OSError or sqlite3.OperationalError where there is none and none can be made, and what `prepare` does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _opened(path, prepare, wait_s, threads)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        log.warning("%s is damaged (%s) and is made again%s", path, _said(error), f": {lost}" if lost else "")
        for suffix in BESIDE:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _opened(path, prepare, wait_s, threads)


@contextlib.contextmanager
def transaction(path: Path, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction with a database that is closed afterwards.

    Raises NotWritten where there is no room or no right to write, BadArtifact where it turns out to be damaged; the
    next `database` makes it again then.
    """
    try:
        with contextlib.closing(db), db:
            yield db
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            doubt(path)
            raise BadArtifact(f"{path} is damaged ({_said(error)}): try again, it is made again then.") from error
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in FULL:
            raise unwritable(path, _said(error)) from error
        raise


def doubt(path: Path) -> None:
    """The next `database` looks again whether it is whole."""
    _whole.pop(path, None)


def _opened(
    path: Path, prepare: Callable[[sqlite3.Connection], object], wait_s: float, threads: bool
) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=wait_s, check_same_thread=not threads)
    try:
        found, known = path.stat(), _whole.get(path, (0, 0, 0))
        now = found.st_dev, found.st_ino, found.st_size
        if now[:2] != known[:2] or now[2] < known[2]:  # another file, or one that was cut off: ours only grow
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise sqlite3.DatabaseError(said.strip().splitlines()[-1])
        prepare(db)
        _whole[path] = now
    except BaseException:
        db.close()
        raise
    return db


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Not one of its kinds, such as OperationalError: those tell of other things."""
    return type(error) is sqlite3.DatabaseError


def _said(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

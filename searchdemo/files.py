"""Files and folders, each thing once: checksums, whole-or-absent writes, locks between processes."""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from searchdemo.errors import NotWritten, SearchDemoError

# What a person can mend: a disk or a quota that is full, a place that may not be written to
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
UNWRITABLE = {*FULL, errno.EROFS, errno.EACCES, errno.EPERM}
CUT_OFF = re.compile(r"\d+ requested and \d+ written")  # all that NumPy says of a disk that is full
IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY}  # of another kind than what is to be written

# Ends of lines, the commands of terminals, and what turns the direction of writing
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

LEFT_S = 3600.0  # what nobody wrote to for so long is not being written

_digests: dict[tuple[int, int, int, int], str] = {}


def own_folder() -> Path:
    """Where a person's builds, cards and weights go: $SEARCHDEMO_HOME, else the user's cache folder."""
    if home := os.environ.get("SEARCHDEMO_HOME"):
        return expanded(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "searchdemo"


def printable(name: str) -> str:
    """A file's name as valid Unicode in one line. Bytes that are not UTF-8 become escapes, so two names stay different,
    and so do the bytes of line ends and of what tells a terminal to act or to write backwards."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), text)


def expanded(path: str | Path) -> Path:
    """With the person's home in the place of `~`. It raises nothing: the home of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 pathlib's own raises


def folder_named(text: str) -> Path:
    """The folder or file of a path, also of one that `printable` made. It raises nothing, whatever a person typed."""
    path = expanded(text)
    if "\\x" not in text or os.path.exists(path):  # noqa: PTH110 that of pathlib raises for a path that is too long
        return path
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), os.fsencode(path))
    return Path(os.fsdecode(raw))


def real(path: Path) -> Path:
    """Where links and dots lead to, as far as the system can tell. Unlike Path.resolve, it raises nothing."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # of a character that no path has
        return path


def open_regular(path: Path, buffering: int = -1) -> BinaryIO:
    """The file, for reading bytes. Raises OSError, also for what is no regular file: a pipe that took a file's place
    would be waited for without end, and a device read without end."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb", buffering)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits.

    It is remembered as long as the file keeps its inode, its size and its time of change.
    """
    found = _identity(path.stat())
    if found not in _digests:
        with path.open("rb") as file:
            found = _identity(os.fstat(file.fileno()))  # another file may have taken its place
            _digests[found] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[found]


def _identity(of: os.stat_result) -> tuple[int, int, int, int]:
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns  # a file that was only moved keeps all four


def unwritable(path: Path, reason: str, variable: str = "SEARCHDEMO_HOME") -> NotWritten:
    """variable: of the environment, that names the folder of all such files."""
    return NotWritten(
        f"{path} cannot be written ({reason}): make room, or set {variable} to another folder that can be written to."
    )


def discard(path: Path) -> None:
    """Removes a file, a link, or a whole folder that we made; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def told_unwritable(path: Path) -> Iterator[None]:
    """Raises NotWritten, of this path, where the disk is full, the place may not be written to, or a folder lies in the
    place of a file."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        if error.errno in IN_THE_WAY:
            way = f"something else lies in its place: move {path} away"
            raise NotWritten(f"{path} cannot be written ({said}): {way}.") from error
        if error.errno not in UNWRITABLE and not CUT_OFF.match(str(error)):
            raise
        raise unwritable(path, said if error.errno else str(error)) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to. It takes the place of `path` when the block ends without an error.

    A reader sees the old file or the new one, never half of one. When several write at once, the last one stays.
    What killed processes left of the same file is removed. Raises NotWritten where the disk is full, or the place may
    not be written to.
    """
    temporary = path.with_name(f"{path.name}.{_machine()}-{os.getpid()}-{threading.get_ident()}.partial")
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError):
            if _is_of_the_dead(left) or time.time() - left.stat().st_mtime > LEFT_S:
                left.unlink()
    try:
        with told_unwritable(path):
            yield temporary
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # where it could not be made either
            temporary.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """Tells machines apart that share a folder: a number of a process means nothing on another one."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_of_the_dead(temporary: Path) -> bool:
    """Whether the process of this machine that wrote it is no more. False where that cannot be known."""
    written = re.search(r"\.(\w+)-(\d+)-\d+\.partial$", temporary.name)
    if os.name != "posix" or written is None or written[1] != _machine():
        return False
    try:
        os.kill(int(written[2]), 0)  # asks, and sends nothing
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def write_json(path: Path, content: dict) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def make_folder(folder: Path) -> Path:
    """Raises SearchDemoError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        room = "make room, or " if error.errno in FULL else ""
        raise SearchDemoError(
            f"{folder} cannot be made ({error.strerror}): {room}set SEARCHDEMO_HOME to a folder that can be written to."
        ) from error
    return folder


@contextlib.contextmanager
def exclusive(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file, which is free again when this process ends.

    Raises SearchDemoError, "<what> by another process", when another process holds it, and NotWritten.
    """
    from filelock import FileLock, Timeout

    try:
        with told_unwritable(lock):
            held = FileLock(str(lock)).acquire(timeout=0)
    except Timeout as error:
        raise SearchDemoError(f"{what} by another process: wait for it to finish.") from error
    with held:
        yield


def check_size(path: Path, size: int) -> None:
    """For libraries that end without a word when the disk is full. Raises OSError where a file has not `size` bytes."""
    if not path.exists() or path.stat().st_size != size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

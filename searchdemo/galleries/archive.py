"""A zip from anybody, read with bounds: on its list of files, on each file, and on all that it unfolds to."""

from __future__ import annotations

import contextlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from searchdemo.files import printable
from searchdemo.galleries.elsewhere import ELSEWHERE, stands_for
from searchdemo.galleries.kept_folders import kept_by_program

MAX_FILES = 20_000  # of which the content is looked at
MAX_LIST_BYTES = 4 * 2**20  # of the list at the end of a zip, which is read whole; MAX_FILES of long names
MAX_UNFOLDED_BYTES = 2 * 10**9  # of all files together
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unfold without a bound on memory
ENCRYPTED, UTF_8 = 0x1, 0x800  # bits of a file's flags; the second: its name is UTF-8
STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second of an empty one
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"
END_BYTES, COMMENT_BYTES, END_64_BYTES = 22, 65_535, 20


@dataclass(frozen=True)
class Unread:
    """Why there are no bytes of a file."""

    reason: str
    counted: bool = False  # such files are counted and not named, as those of systems
    count: int = 1


def is_zip(path: Path) -> bool:
    """By its first bytes. Documents of office programs are zips as well, without pictures of their own names."""
    with path.open("rb") as file:
        return file.read(4) in STARTS


def members(path: Path, max_file_bytes: int) -> Iterator[tuple[float, str, bytes | Unread]]:
    """(share of the files so far, name, content or why it was not read) of each file in a zip, in its order.

    Of a file that is larger than `max_file_bytes` one byte more is read, so that its kind can still be told.
    """
    if reason := _refusal(path):
        yield 1.0, path.name, Unread(reason)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            files, budget = [info for info in archive.infolist() if not info.is_dir()], MAX_UNFOLDED_BYTES
            for number, info in enumerate(files[:MAX_FILES], start=1):
                content = _content(archive, info, min(max_file_bytes, budget) + 1)
                if isinstance(content, bytes):
                    budget -= len(content)
                if budget < 0:
                    rest = len(files) - number + 1
                    said = f"file beyond the {MAX_UNFOLDED_BYTES / 1e9:.0f} GB that a zip may unfold to"
                    yield 1.0, path.name, Unread(said, counted=True, count=rest)
                    return
                yield number / len(files), _shown(info), content
            if len(files) > MAX_FILES:
                said = f"file beyond the first {MAX_FILES:,} of a zip"
                yield 1.0, path.name, Unread(said, counted=True, count=len(files) - MAX_FILES)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        yield 1.0, path.name, Unread(f"is a damaged zip ({error})")


def _refusal(path: Path) -> str:
    """Why the list of a zip must not be read: zipfile reads all of it, with some 500 bytes of memory for each file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END_BYTES - COMMENT_BYTES - END_64_BYTES))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        return "is a damaged zip, without its end"
    if tail[max(0, at - END_64_BYTES) : at].startswith(END_64):
        return "is a zip64, which archives of 4 GB or 65,536 files need; pack fewer pictures"
    if struct.unpack_from("<L", tail, at + 12)[0] > MAX_LIST_BYTES:
        return f"is a zip of more files than the {MAX_FILES:,} that are read; pack fewer pictures"
    return ""


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes | Unread:
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or info.filename.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", info.filename):
        return Unread("has a name that leads out of the zip")
    folders = zip(parts[:-1], ["", *parts], strict=False)
    if kept := next(filter(None, (kept_by_program(name, parent) for name, parent in folders)), ""):
        return Unread(f"file in a {kept}", counted=True)
    if stands_for(parts[-1]):
        return Unread(f"file {ELSEWHERE}", counted=True)
    if parts[-1].startswith("."):
        return Unread("hidden file", counted=True)
    if info.flag_bits & ENCRYPTED:
        return Unread("is encrypted; pack it without a password")
    if info.compress_type not in METHODS:
        return Unread("is packed by a rare method; pack it as an ordinary zip")
    try:
        with archive.open(info) as file:
            return file.read(most)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError):
        return Unread("is damaged in the zip")


def _shown(info: zipfile.ZipInfo) -> str:
    """The name as it is shown and told apart: one line, "/" between folders.

    Many programs write UTF-8 and do not say so, as those of macOS; zipfile then reads it as the code page of DOS.
    """
    name = info.filename
    if not info.flag_bits & UTF_8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    parts = name.replace("\\", "/").split("/")
    return printable("/".join(part for part in parts if part not in ("", ".")))

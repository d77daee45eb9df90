"""Lists the files of a person's folder: what is a picture comes later, what is left out is counted and named."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from searchdemo.formats import is_named_like_a_picture
from searchdemo.galleries.elsewhere import ELSEWHERE, is_elsewhere, stands_for
from searchdemo.galleries.kept_folders import kept_by_program

EXCLUDED = "excluded"
TAKEN_ALREADY = "link to a folder that is taken already"
LAST_NS = 2**63 - 1


@dataclass(frozen=True)
class File:
    path: str  # relative, with "/" between folders, byte for byte as on the disk
    size: int
    mtime_ns: int
    inode: tuple[int, int] | None  # (device, number), which a renamed or moved file keeps; None where unknown
    ctime_ns: int = 0  # when content, name or rights changed, which no program can set back; 0 where unknown
    frame: tuple[str, float] | None = None  # of a video: its path and the time in seconds; then `path` is made of both

    @classmethod
    def of(cls, path: str, found: os.stat_result) -> File:
        """With all numbers in 64 bits with a sign, as SQLite and NumPy hold them: inodes have no sign, and a file of a
        wrong clock may be of the year 5138. Times beyond the year 2262 become its last."""
        mtime_ns = max(-LAST_NS, min(found.st_mtime_ns, LAST_NS))
        if os.name != "posix":  # Windows tells no inode when it lists a folder, and the time of creation as ctime
            return cls(path, found.st_size, mtime_ns, None)
        inode = (_signed(found.st_dev), _signed(found.st_ino)) if found.st_ino else None
        return cls(path, found.st_size, mtime_ns, inode, found.st_ctime_ns)


@dataclass(frozen=True)
class Listing:
    files: list[File] = field(default_factory=list)  # sorted by path
    left_out: Counter[str] = field(default_factory=Counter)  # "folder @eaDir", "hidden file", "excluded" -> how many
    unread: dict[str, str] = field(default_factory=dict)  # folders and links that cannot be read -> the reason
    closed: dict[str, str] = field(default_factory=dict)  # files that cannot be opened -> the reason

    def take(self, path: str, found: os.stat_result) -> None:
        """A file, which is not opened where the system would have to fetch it first."""
        self.files.append(File.of(path, found))
        if is_elsewhere(found):
            self.closed[path] = ELSEWHERE


def walk(root: Path, exclude: Sequence[str] = ()) -> Listing:
    """All files below root, except hidden ones, those in folders that programs keep, and those that a pattern excludes.

    Links to folders are followed after all folders, each folder once, so links cannot run in a circle and a picture
    has its own path where it has one. exclude: as in a shell, tried on the relative path and on the name of each file
    and folder.
    """
    listing, folders, links = Listing(), deque([""]), deque[str]()
    seen: set[tuple[int, int]] = set()
    while folders or links:
        inside = folders.popleft() if folders else links.popleft()
        try:
            found = (root / inside).stat()
            if (found.st_dev, found.st_ino) in seen:
                listing.left_out[TAKEN_ALREADY] += 1
                continue
            seen.add((found.st_dev, found.st_ino))
            with os.scandir(root / inside) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            listing.unread[inside or "."] = error.strerror or type(error).__name__
            continue
        parent = posixpath.basename(inside) or root.resolve().name
        for entry in ordered:
            _look(entry, inside, parent, listing, folders, links, exclude)
    listing.files.sort(key=lambda file: file.path)
    return listing


def _signed(number: int) -> int:
    return number - (1 << 64) if number > LAST_NS else number


def _look(
    entry: os.DirEntry,
    inside: str,
    parent: str,
    listing: Listing,
    folders: deque[str],
    links: deque[str],
    exclude: Sequence[str],
) -> None:
    elsewhere = stands_for(entry.name)
    name = elsewhere or entry.name
    path = posixpath.join(inside, name)
    try:
        found = entry.stat()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if entry.is_symlink():
            reason = "a link that leads back to itself" if error.errno == errno.ELOOP else "a link to nothing"
        if not name.startswith("."):
            listing.unread[path] = reason
        return
    is_folder = stat.S_ISDIR(found.st_mode)
    if is_folder and (kept := kept_by_program(entry.name, parent)):
        listing.left_out[kept] += 1
    elif name.startswith("."):
        listing.left_out["hidden file"] += 1
    elif any(fnmatchcase(path, pattern) or fnmatchcase(name, pattern) for pattern in exclude):
        listing.left_out[f"{EXCLUDED} {'folder' if is_folder else 'file'}"] += 1
    elif is_folder:
        (links if entry.is_symlink() else folders).append(path)
    elif elsewhere and is_named_like_a_picture(name):
        listing.closed[path] = ELSEWHERE
    elif elsewhere:
        listing.left_out[f"file {ELSEWHERE}"] += 1
    elif stat.S_ISREG(found.st_mode):
        listing.take(path, found)
    else:
        listing.left_out["device or pipe"] += 1

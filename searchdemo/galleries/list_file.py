"""A list of pictures: a text file with one path per line, absolute or relative to the file, and perhaps labels.

A tab stands between a path and its label; of several labels, ";" or "|" stands between them. Where no line has a label,
the class of a picture is the folder that it lies in, as in a folder of pictures. What the file names and is not there
is counted and named, and so is a line that names a picture again.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from searchdemo.errors import NoPictures
from searchdemo.files import folder_named
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.described import Described
from searchdemo.galleries.elsewhere import ELSEWHERE, placeholder
from searchdemo.galleries.folder import Source, opened
from searchdemo.galleries.walk import File, Listing
from searchdemo.types import Count

MAX_BYTES = 200 * 2**20  # of a list, which is read whole
NO_FILE, NO_READING = "there is no such file", "is no file that can be read"


def open_list(argument: str, progress: Count | None = None, **options: object) -> Gallery:
    """argument: the path of the list. Raises NoPictures when there is no such list, or no picture in it."""
    path = folder_named(argument)
    if not argument or not path.is_file():
        raise NoPictures(f"There is no file {argument!r}; write list:FILE with a list of pictures, one path per line.")
    if path.stat().st_size > MAX_BYTES:
        raise NoPictures(f"{argument!r} is larger than {MAX_BYTES // 2**20} MiB: split the list.")
    named = Named.read(path.read_bytes())
    listing = _listed(path.parent, named)
    source = Source("list", argument, path.parent, path.resolve(), reopen=lambda: open_list(argument))
    return opened(source, lambda patterns: listing, lambda files: named.said(argument, files), progress)


@dataclass
class Named:
    """What a list names."""

    labels: dict[str, tuple[str, ...]]  # path as it stands there, without "./" -> its labels
    again: int  # lines that name a path again
    digest: str

    @classmethod
    def read(cls, content: bytes) -> Named:
        """Paths are kept byte for byte, but of a list in UTF-16, as PowerShell writes it. Empty lines count for
        nothing."""
        labels: dict[str, tuple[str, ...]] = {}
        again = 0
        encoding, utf_8 = json.detect_encoding(content), content
        if not encoding.startswith("utf-8"):
            utf_8 = content.decode(encoding, errors="replace").encode()
        for line in utf_8.removeprefix(codecs.BOM_UTF8).splitlines():
            place, _, said = line.partition(b"\t")
            if not place.strip():
                continue
            path = os.path.normpath(os.fsdecode(place.strip()))
            parts = (" ".join(part.split()) for part in re.split("[;|]", said.decode(errors="replace")))
            again += path in labels
            labels.setdefault(path, tuple(dict.fromkeys(filter(None, parts))))
        return cls(labels, again, hashlib.sha256(content).hexdigest())

    def said(self, argument: str, files: Sequence[File]) -> Described:
        """Of the files that are there. Nothing where no line has a label."""
        if not any(self.labels.values()):
            return Described()
        labels = {file.path: self.labels.get(file.path, ()) for file in files}
        count = sum(map(bool, labels.values()))
        told = f"pictures with labels: {count:,}" + f"; without: {len(labels) - count:,}" * (count < len(labels))
        return Described(labels=labels, digest=self.digest, files={argument: told})


def _listed(root: Path, named: Named) -> Listing:
    """The files that are there, and why each other one is none."""
    listing = Listing(left_out=Counter({"line that names a picture again": named.again} if named.again else {}))
    for path in sorted(named.labels):
        try:
            found = (root / path).stat()
        except (OSError, ValueError) as error:  # ValueError: a zero byte
            gone = isinstance(error, FileNotFoundError)
            here = gone and os.path.lexists(root / posixpath.dirname(path) / placeholder(posixpath.basename(path)))
            listing.closed[path] = (
                ELSEWHERE if here else NO_FILE if gone else getattr(error, "strerror", None) or NO_READING
            )
            continue
        if stat.S_ISREG(found.st_mode):
            listing.take(path, found)
        else:
            listing.closed[path] = NO_READING
    return listing

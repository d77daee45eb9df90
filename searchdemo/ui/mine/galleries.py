"""Whose pictures are whose: folders of the person at this machine, and what visitors brought."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Library
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.files import folder_named, printable, real
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.catalog import Catalog
from searchdemo.galleries.folder_pictures import FolderPictures
from searchdemo.galleries.uploaded import MAX_KEPT_BYTES, UploadedPictures, open_uploaded
from searchdemo.types import Count

UPLOAD = "upload"
AS_BEFORE, DEEPEST = "as before", "the folder it lies in"
LEVELS = {AS_BEFORE: None, DEEPEST: None, "the first folder": 1, "the second folder": 2, "the third folder": 3}
MOST_BYTES = 4 * MAX_KEPT_BYTES  # in memory, of all visitors together
IDLE_S = 3600.0  # a session whose end nobody told of is forgotten so long after its last request


def find_level(name: str) -> int | None:
    """Of the folder that is the class of a picture, from 1 on; None: the deepest. Raises BadQuery."""
    if name not in LEVELS:
        raise BadQuery(f"{name!r} is no level of folders: choose {', '.join(LEVELS)}.")
    return LEVELS[name]


@dataclass
class Upload:
    name: str  # of the gallery
    label: str  # for its visitor
    size: int  # bytes
    used_at: float


class OwnGalleries:
    """Galleries besides those that the page offers to everybody. Safe for several threads."""

    def __init__(self, library: Library, builds: Builds, clock: Callable[[], float] = time.monotonic):
        self._library, self._builds, self._clock = library, builds, clock
        self.folders: list[str] = []  # "folder:PATH", that the person at this machine opened
        self._uploads: dict[str, Upload] = {}  # session -> what its visitor brought last
        self._lock = threading.Lock()

    def open_folder(self, path: str, progress: Count | None = None, level: str = AS_BEFORE) -> Gallery:
        """The folder as it is now, whenever it was looked at before.

        level: of LEVELS. It is for the caller to know that the person may open paths.

        Raises NoPictures, BadQuery.
        """
        if not path.strip():
            raise BadQuery("There is no folder yet: type the path of one, or choose one from the list.")
        place, chosen = real(folder_named(path.strip())), find_level(level)
        name, catalog = f"folder:{printable(str(place))}", Catalog()
        asked_s = time.monotonic()
        opened = self._library.gallery(name, progress=progress)
        assert isinstance(opened.pictures, FolderPictures)
        stale = opened.pictures.looked_at_s < asked_s  # it was kept
        if level != AS_BEFORE and catalog.class_level(place) != chosen:
            catalog.choose_level(place, chosen)
            stale = True
        if stale:
            opened = self._library.look_again(name, progress)
        with self._lock:
            if name not in self.folders:
                self.folders.append(name)
        return opened

    def bring(self, session: str, files: Sequence[Path], progress: Count | None = None) -> Gallery:
        """What a visitor brought, in the place of what this session had. The files are deleted once they are read.

        Raises NoPictures, BadQuery, SearchDemoError where memory is full, and what `progress` raises; then the session
        keeps what it had.
        """
        try:
            if not session:
                raise BadQuery("Pictures are kept for a session, and this request has none.")
            if not files:
                raise BadQuery("There are no files yet: drop pictures or a zip of them.")
            name = f"{UPLOAD}:{secrets.token_hex(8)}"
            gallery = open_uploaded(name, files, progress)
        finally:
            for path in files:
                path.unlink(missing_ok=True)
        assert isinstance(gallery.pictures, UploadedPictures)
        label = f"your {len(gallery.pictures):,} pictures" if len(gallery.pictures) > 1 else "your picture"
        self._forget_idle()
        with self._lock:
            others = sum(upload.size for key, upload in self._uploads.items() if key != session)
            if others + gallery.pictures.size > MOST_BYTES:
                raise SearchDemoError("The pictures of other visitors fill the memory for them: try again later.")
            former = self._uploads.get(session)
            self._library.hold(gallery)
            self._uploads[session] = Upload(name, label, gallery.pictures.size, self._clock())
        self._let_go(former)
        return gallery

    def of(self, session: str) -> Upload | None:
        """What this visitor brought."""
        with self._lock:
            upload = self._uploads.get(session)
            if upload:
                upload.used_at = self._clock()
            return upload

    def forget(self, session: str) -> None:
        """The session ended: its pictures, their vectors and indexes go with it."""
        with self._lock:
            upload = self._uploads.pop(session, None)
        self._let_go(upload)

    def _let_go(self, upload: Upload | None) -> None:
        if upload:
            self._builds.forget(upload.name)
            self._library.let_go(upload.name)

    def _forget_idle(self) -> None:
        with self._lock:
            idle = [key for key, upload in self._uploads.items() if self._clock() - upload.used_at > IDLE_S]
        for session in idle:
            self.forget(session)

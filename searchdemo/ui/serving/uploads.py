"""What may be sent to the page: by whom, how much in one request, and how much in all."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from gradio import route_utils
from starlette.types import Message, Receive, Scope

from searchdemo.ui.serving.sender import foreign_page, headers_of

MOST_AT_ONCE = 128 * 10**6  # bytes of one request, however many files it has
MOST_IN_ALL = 2 * 10**9  # bytes of all uploads that are not deleted yet
LEAST_FREE = 500 * 10**6  # bytes of the disk that uploads leave alone
LOOK_S = 2.0  # between two looks at what lies there
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing


class Refused(Exception):
    """A status and a sentence for who sent it."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def check_origin(scope: Scope) -> None:
    """A request that changes something comes from the page itself, or from no page at all. Raises Refused."""
    if scope["method"] not in SAFE and (page := foreign_page(scope)):
        raise Refused(403, f"A page of {page} sent this: open searchdemo's own page to do it.")


_parts: ContextVar[list[str] | None] = ContextVar("_parts", default=None)  # files of the upload that is answered now


def _part(*given: Any, **options: Any) -> Any:
    """As NamedTemporaryFile, for gradio, which leaves the files of an upload that breaks off."""
    file, names = NamedTemporaryFile(*given, **options), _parts.get()  # noqa: SIM115 gradio closes it
    if names is not None:
        names.append(file.name)
    return file


route_utils.NamedTemporaryFile = _part


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """Around the answer to an upload: what did not come whole is removed. What did lies elsewhere by then."""
    names: list[str] = []
    token = _parts.set(names)
    try:
        yield
    finally:
        _parts.reset(token)
        for name in names:
            with contextlib.suppress(OSError):
                Path(name).unlink()


class Uploads:
    """Counts what lies in the folder of uploads. Of one page."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder
        self._looked_at, self._held = float("-inf"), 0

    @property
    def folder(self) -> Path | None:
        named = os.environ.get("GRADIO_TEMP_DIR")
        return self._folder or (Path(named) if named else None)

    def bounded(self, scope: Scope, receive: Receive) -> Receive:
        """The body of an upload, which ends in Refused where it is too long, or there is no room for it."""
        length = headers_of(scope).get("content-length", "0")
        announced = int(length) if length.isdecimal() and length.isascii() else 0
        self._check(announced)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            came = len(message.get("body", b""))
            size += came
            self._held += came  # until the next look: several uploads that come at once share what may lie there
            if size > MOST_AT_ONCE:
                raise Refused(413, _too_long(size))
            self._check(0)
            return message

        return counted

    def _check(self, size: int) -> None:
        if size > MOST_AT_ONCE:
            raise Refused(413, _too_long(size))
        folder = self.folder
        if self.held() + size > MOST_IN_ALL:
            raise Refused(
                507,
                f"The uploads of all visitors take {self.held() / 1e6:,.0f} of {MOST_IN_ALL / 1e6:,.0f} MB: try again "
                "in an hour, when old ones were deleted.",
            )
        if folder is not None and folder.is_dir() and shutil.disk_usage(folder).free < size + LEAST_FREE:
            raise Refused(507, "The disk of the server is nearly full: tell who runs it, or try again later.")

    def held(self) -> int:
        """Bytes of the uploads that are there."""
        if time.monotonic() - self._looked_at > LOOK_S:
            folder = self.folder
            self._held = _size(folder) if folder is not None else 0
            self._looked_at = time.monotonic()
        return self._held


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118 thousands of them
            except OSError:  # it was deleted meanwhile
                continue
    return total


def _too_long(size: int) -> str:
    return (
        f"An upload of {size / 1e6:,.0f} MB is too large: {MOST_AT_ONCE / 1e6:,.0f} MB are allowed at once, of all "
        "files together; bring fewer, or smaller ones."
    )

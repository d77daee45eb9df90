"""The page, served in this process for the tests that visit it: `scenes`, embedded by an encoder known by heart."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from colours import Colours

from searchdemo.bench.child import free_port
from searchdemo.bench.hold.client import Visitor
from searchdemo.collection.layout import principal, scaled
from searchdemo.collection.library import Library
from searchdemo.collection.maps import keep
from searchdemo.collection.store import Key, Store
from searchdemo.encoders.table import ENCODERS


class ColoursLibrary(Library):
    """`bundled`, and `clip-rn50` that starts without vectors, stand for Colours; all others are the real ones."""

    def encoder(self, name: str, progress=None):
        return Colours() if name in ("bundled", "clip-rn50") else super().encoder(name, progress)


def colours_library(home: Path) -> Library:
    """All of `scenes` is built under `home`, a copy for one test; nothing ships."""
    shutil.copytree(library().store.own, home, dirs_exist_ok=True)
    return ColoursLibrary(Store(own=home, shipped=home / "nothing-ships"))


@functools.cache
def library() -> Library:
    """Shared by all tests of a process: who builds `scenes` takes a library of its own, see `is_as_it_was`."""
    home = Path(_folder().name)
    made = ColoursLibrary(Store(own=home, shipped=home / "nothing-ships"))
    made.build(Key("scenes", "bundled"))
    collection = made.open("scenes", "bundled")
    keep(collection, scaled(principal(collection.vectors.all())), "PCA, which is fast enough for a test")
    return made


def is_as_it_was() -> bool:
    """Whether the shared library, where a test has asked for it, sees `scenes` by `bundled` and by nobody else."""
    if not library.cache_info().currsize:
        return True
    return [name for name in ENCODERS if library().built(Key("scenes", name))] == ["bundled"]


@functools.cache
def page_url() -> str:
    """Its address, the same for the whole run; the server ends with the process."""
    return serve(library())


V = TypeVar("V", bound=Visitor)


@contextlib.contextmanager
def visits(kind: type[V]) -> Iterator[Callable[..., V]]:
    """visit(session, headers): visitors of `page_url`, each of a session of its own or of the one that is given."""
    made: list[V] = []

    def visit(session: str = "", **headers: str) -> V:
        made.append(kind(urlsplit(page_url()).port, headers))
        made[-1].session = session or made[-1].session
        return made[-1]

    yield visit
    for one in made:
        one.close()


def serve(library: Library, gallery: str | None = "scenes") -> str:
    from searchdemo.ui.demo import build_demo

    port = free_port()  # two runs of tests at once would choose the same one of gradio's
    _, url, _ = build_demo(library, gallery).launch(server_port=port, prevent_thread_lock=True, quiet=True)
    return url.rstrip("/")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="page-")

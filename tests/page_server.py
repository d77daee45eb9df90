"""The page, served in this process for the tests that visit it: `scenes`, embedded by an encoder known by heart."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from colours import Colours

from searchdemo.collection.library import SearchEngine
from searchdemo.collection.store import Store


class ColoursEngine(SearchEngine):
    """`bundled`, and `clip-rn50` that starts without vectors, stand for Colours; all others are the real ones."""

    def encoder(self, name: str, progress=None):
        return Colours() if name in ("bundled", "clip-rn50") else super().encoder(name, progress)


def colours_engine(home: Path) -> SearchEngine:
    """All of `scenes` is built under `home`; nothing ships."""
    engine = ColoursEngine(Store(own=home, shipped=home / "nothing-ships"))
    engine.build("scenes", "bundled")
    return engine


@functools.cache
def engine() -> SearchEngine:
    return colours_engine(Path(_folder().name))


@functools.cache
def page_url() -> str:
    """Its address, the same for the whole run; the server ends with the process."""
    return serve(engine())


def serve(engine: SearchEngine, gallery: str | None = "scenes") -> str:
    from searchdemo.ui.demo import LAUNCH, build_demo

    _, url, _ = build_demo(engine, gallery).launch(**LAUNCH, prevent_thread_lock=True, quiet=True)
    return url.rstrip("/")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="page-")

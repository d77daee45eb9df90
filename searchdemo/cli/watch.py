"""Follow a folder of your own: what is added, changed or removed is in the next search a moment later.

Only new pictures are embedded. Where the system tells of no changes (a network drive, a folder behind a link), the
folder is looked through once a minute. Ctrl-C ends it. It needs the package watchfiles.

Example:
  python -m searchdemo watch ~/Pictures
  python -m searchdemo watch ~/Pictures --encoder clip-vit-b32 --json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.cli.options import add_choice, gallery_name, make_key, make_library
from searchdemo.errors import NoPictures, SearchDemoError
from searchdemo.files import folder_named

if TYPE_CHECKING:
    from searchdemo.collection.library import Library
    from searchdemo.collection.store import Artifact, Key

LOOK_EVERY_S = 60.0
LISTEN_MS = 500  # so often the watcher returns, whether something happened or not


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the folder of your pictures")
    add_choice(parser, gallery=False)


def run(arguments: argparse.Namespace) -> None:
    from searchdemo.extras import imported

    root = folder_named(arguments.folder)
    if not root.is_dir():
        raise NoPictures(f"There is no folder {arguments.folder!r}; name the folder of your pictures.")
    watchfiles = imported("watchfiles", "The command 'watch'", "pip install watchfiles")
    arguments.gallery = gallery_name(f"folder:{arguments.folder}")
    library, key = make_library(arguments), make_key(arguments)
    library.encoder(arguments.encoder)

    def tell(fact: dict) -> None:
        print(json.dumps(fact) if arguments.json else sentence(fact), flush=True)

    listen = partial(
        watchfiles.watch,
        watch_filter=None,
        rust_timeout=LISTEN_MS,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    follow(library, key, changes(root, listen), tell)


def changes(root: Path, listen: Callable[[Path], Iterable[set]], sleep: Callable = time.sleep) -> Iterator[set]:
    """What changed in a folder, or nothing, every LISTEN_MS. listen: see `watchfiles.watch`.

    The system watches a folder and not its path: where it went away, or another took its place, it is told as a
    change, and the one that is there is listened to.
    """
    while True:
        if (there := _identity(root)) is None:
            sleep(LISTEN_MS / 1000)
            yield set()
            continue
        first = {root}  # what came before somebody listened
        with contextlib.suppress(FileNotFoundError):
            for some in listen(root):
                yield some | first
                first = set()
                if _identity(root) != there:
                    break
        yield {root}


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def follow(
    library: Library,
    key: Key,
    changes: Iterable[set],
    tell: Callable[[dict], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Builds now, after each set of changes, and every LOOK_EVERY_S; tells what was done or why it could not be."""
    looked, told = float("-inf"), False
    for some in changes:
        if not some and clock() - looked < LOOK_EVERY_S:
            continue
        try:
            artifact = library.catch_up(key)
            if artifact is not None:
                facts = artifact.manifest.built
                counts = {what: facts[what] for what in ("embedded", "reused", "removed")}
                tell({"pictures": artifact.manifest.pictures} | counts | said(artifact))
            elif not told:  # at the start, or after an error
                tell({"pictures": library.store.open(key).manifest.pictures})
            if (trained := library.retrain(key)) is not None:
                tell({"pictures": trained.manifest.pictures} | said(trained))
            told = True
        except SearchDemoError as error:  # an empty folder, another process that builds: the next change may mend it
            tell({"error": str(error)})
            told = False
        looked = clock()


def said(artifact: Artifact) -> dict:
    """What was done to the indexes, where anything was."""
    from searchdemo.collection.carry import sentences

    return {"indexes": told} if (told := sentences(artifact)) else {}


def sentence(fact: dict) -> str:
    if "error" in fact:
        return f"searchdemo: {fact['error']}"
    pictures = "1 picture" if fact["pictures"] == 1 else f"{fact['pictures']:,} pictures"
    indexes = fact.get("indexes", [])
    if "embedded" in fact:
        return " ".join([f"{pictures}: {fact['embedded']:,} embedded, {fact['removed']:,} removed.", *indexes])
    return " ".join(indexes) or f"Up to date: {pictures}. Watching."

"""Which process loads a collection of Milvus, or has one to itself that nobody can find again.

A server does not say whether a collection without an owner is being loaded or was left behind by a process that was
killed. So this process holds a file locked here for each: a lock ends with its process, however that ends. What this
home wrote down and nobody holds is dropped by the next process that connects to the same place. Another machine's
collections are left to that machine.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from searchdemo.errors import SearchDemoError
from searchdemo.files import exclusive, make_folder, own_folder

PASSING = "searchdemo_passing_"  # begins the names of collections that nobody can find again


def _file(place: str, name: str) -> Path:
    """Of a collection; the place, which may hold a password, by its digest."""
    return make_folder(own_folder() / "milvus") / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.{name}"


@contextlib.contextmanager
def claimed(place: str, name: str) -> Iterator[None]:
    """This process has it until the block ends. After an error the file stays, and the collection with it is left.

    Raises SearchDemoError while another process has it, and where files cannot be written.
    """
    file = _file(place, name)
    with exclusive(file, f"The collection {name!r} of Milvus is being loaded"):
        yield
        _unlink(file)


def left_behind(place: str, names: Collection[str]) -> Iterator[str]:
    """Of these collections, the passing ones of processes that ended. Each is forgotten once it was dropped."""
    for file in _file(place, "").parent.glob(f"{_file(place, PASSING).name}*"):
        with contextlib.suppress(SearchDemoError), exclusive(file, "It is held"):
            if (name := file.name.partition(".")[2]) in names:
                yield name
            _unlink(file)


def _unlink(file: Path) -> None:
    with contextlib.suppress(OSError):  # Windows, while it is locked
        file.unlink()

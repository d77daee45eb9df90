"""Who takes part in a face-off: the encoders that are built for a gallery, each with what it answers from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS, find, is_here
from searchdemo.errors import BadArtifact, NotBuilt

TRIES = 3  # at opening a folder that changes meanwhile


@dataclass(frozen=True)
class Side:
    """An encoder, and the gallery as it sees it."""

    encoder: str
    collection: Collection | None = None
    said: str = ""  # why there is none


def key_of(library: Library, gallery: str, name: str) -> Key:
    """Of the vectors that this library takes, of an encoder of this name."""
    return Key(gallery, name, library.transform, library.metric, library.limit)


def built_names(library: Library, gallery: str) -> list[str]:
    """The encoders that are built for a gallery, in the order of their table. Raises UnknownName, NoPictures."""
    only = library.gallery(gallery).encoder
    return [name for name in ([only] if only else ENCODERS) if library.built(key_of(library, gallery, name))]


def sides(library: Library, gallery: str, names: Sequence[str] = ()) -> list[Side]:
    """names: of encoders, each once; none: all that are built.

    Raises UnknownName, NoPictures (a folder that is not there), and BadArtifact for a folder that does not keep still.
    """
    wanted = list(dict.fromkeys(find(name).name for name in names)) or built_names(library, gallery)
    library.gallery(gallery)
    for _ in range(TRIES):
        found = [_side(library, gallery, name) for name in wanted]
        # Rows are compared, so all of them have to be those of one state of the gallery.
        if len({side.collection.gallery.fingerprint for side in found if side.collection}) < 2:
            return found
    raise BadArtifact(f"{gallery!r} changes while its encoders are opened: try again when its files are in place.")


def _side(library: Library, gallery: str, name: str) -> Side:
    try:
        opened = library.open(gallery, name)
    except (NotBuilt, BadArtifact) as error:
        return Side(name, said=str(error))
    if opened.encoder_spec.name != name:
        return Side(name, said=f"The vectors of {gallery!r} came without pictures: no other encoder can see them.")
    return Side(name, opened)


def advice(library: Library, gallery: str) -> str:
    """What to do for a second column; "" where there are two."""
    built, opened = built_names(library, gallery), library.gallery(gallery)
    if len(built) > 1:
        return ""
    there = f"Only {built[0]} is built" if built else "No encoder is built"
    if opened.encoder:
        return f"{there}: the vectors of {gallery!r} came without pictures, so no other encoder can see them."
    others = sorted((name for name in ENCODERS if name not in built), key=lambda name: (not is_here(name), _cost(name)))
    if opened.private:
        return f"{there} for your pictures: choose another encoder in the sidebar, such as {others[0]}, and build it."
    command = key_of(library, gallery, others[0]).build_command
    return f"{there} for this gallery ({gallery}): build another to compare it with, `{command}`."


def _cost(name: str) -> int:
    return find(name).download_bytes

"""Takes in vectors that were made elsewhere, so that everything here that needs no encoder runs on them."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from searchdemo.collection.foreign import CLASS_NAME, IDS, Table, checked, read_metadata, read_vectors
from searchdemo.collection.store import VECTORS, Artifact, Key, Manifest, Store
from searchdemo.errors import BadQuery
from searchdemo.files import sha256_of
from searchdemo.galleries.described import CAPTIONS, LABELS, caption_of, labels_of
from searchdemo.galleries.imported import ENCODER, KIND, folder_of
from searchdemo.galleries.items import FILE, Items, labelled
from searchdemo.indexes.base import METRICS
from searchdemo.indexes.table import find


@dataclass(frozen=True)
class TakenIn:
    artifact: Artifact
    labels: int  # different ones
    notes: tuple[str, ...]  # what a person should know


def take_in(
    store: Store, name: str, vectors: Path, metadata: Path | None = None, column: str = "", replace: bool = False
) -> TakenIn:
    """Stores the vectors of a file as the gallery vectors:NAME. column: of a Parquet file, that holds them.

    Raises BadQuery for what cannot be vectors or does not fit them, and for a NAME that is taken, without `replace`.
    """
    folder_of(name)
    key = Key(f"{KIND}:{name}", ENCODER)
    if store.has(key) and not replace:
        raise BadQuery(
            f"There are vectors {name!r} already: choose another --name, or take their place with --replace."
        )
    table = read_vectors(vectors, column)
    assert table.vectors is not None
    rows, note = checked(table.vectors, str(vectors))
    unused = ""
    if metadata is not None:
        table, unused = matched(table, read_metadata(metadata), metadata, len(rows))
    items, more = described(table, len(rows), str(vectors))
    with store.building(key) as work:
        items.write(work / FILE)
        find("ivf").build(rows, METRICS[0]).save(work / VECTORS)
        manifest = Manifest(
            gallery=key.gallery,
            gallery_fingerprint=sha256_of(work / FILE),
            encoder=ENCODER,
            weights_sha256="",
            transform=key.transform,
            metric=key.metric,
            dim=rows.shape[1],
            vectors=len(rows),
            queries=0,
            files={file: sha256_of(work / file) for file in (VECTORS, FILE)},
            built={
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": platform.machine(),
                "python": platform.python_version(),
            },
        )
        artifact = store.publish(key, work, manifest)
    return TakenIn(artifact, len(items.label_names), tuple(filter(None, (note, unused, *more))))


def matched(table: Table, metadata: Table, path: Path, count: int) -> tuple[Table, str]:
    """Metadata in the order of the vectors, by an id that both have, else line by line; and what is not used of it.

    Raises BadQuery.
    """
    left = (*table.left, *metadata.left)
    common = next((name for name in IDS if name in table.columns and name in metadata.columns), "")
    if not common:
        if metadata.columns and len(metadata) != count:
            raise BadQuery(
                f"{path} has {len(metadata):,} lines for {count:,} vectors: give one line for each, in their order."
            )
        return Table(table.columns | metadata.columns, left=left), ""
    found, wanted = ([whole(value) for value in one.columns[common]] for one in (metadata, table))
    if nameless := sum(value is None for value in (*found, *wanted)):
        raise BadQuery(f"{nameless:,} rows of the vectors or of {path} have no {common!r}: give each one.")
    if twice := [name for name, times in Counter(map(str, found)).items() if times > 1]:
        raise BadQuery(f"{path} has {len(twice):,} values of {common!r} more than once, such as {twice[0]!r}.")
    line_of = {str(name): number for number, name in enumerate(found)}
    names = list(map(str, wanted))
    if lacking := [name for name in names if name not in line_of]:
        raise BadQuery(
            f"{path} has no line for {len(lacking):,} of {count:,} vectors, such as {common} {lacking[0]!r}."
        )
    order = [line_of[name] for name in names]
    columns = {name: [values[number] for number in order] for name, values in metadata.columns.items()}
    unused = len(line_of) - len(set(names))
    return Table(table.columns | columns, left=left), (
        f"{unused:,} lines of {path} are of no vector here." if unused else ""
    )


def described(table: Table, count: int, source: str) -> tuple[Items, list[str]]:
    """What the columns say of each of `count` rows, and what a person should know of the columns."""
    columns = {name: [plain(whole(value)) for value in values] for name, values in table.columns.items()}
    captions: tuple[str, ...] = ()
    labels: list[tuple[str, ...]] = [()] * count
    used = [next((name for name in names if name in columns), "") for names in (CAPTIONS, LABELS, IDS, (CLASS_NAME,))]
    if used[0]:
        captions = tuple(caption_of({used[0]: value}) or "" for value in columns[used[0]])
    if used[1]:
        labels = [labels_of({used[1]: value}) or () for value in columns[used[1]]]
    ids = tuple("" if value is None else str(value) for value in columns[used[2]]) if used[2] else ()
    names, numbers = labelled(labels)
    readable = dict(zip(map(str, columns.get(used[1], ())), columns.get(CLASS_NAME, ()), strict=False))
    notes = []
    if repeated := sum(times - 1 for times in Counter(filter(None, ids)).values()):
        notes.append(f"{repeated:,} ids are there more than once.")
    if unused := [*(name for name in columns if name not in used), *table.left]:
        notes.append(f"Not kept: {', '.join(map(plain, unused))}. Of metadata, labels, captions and ids are.")
    for name, what, some in ((used[0], "caption", any(captions)), (used[1], "label", bool(names))):
        if name and not some:
            notes.append(f"The column {name!r} holds nothing that is a {what}, so there are none.")
    unknown = sum(not some for some in labels) if names else 0
    if unknown:
        notes.append(f"{unknown:,} of {count:,} rows have no label.")
    class_names = tuple(str(readable.get(name) or name) for name in names)
    return Items(names, class_names, numbers, captions, ids, source), notes


def plain(value: Any) -> Any:
    """A text that can be written: JSON may hold halves of characters, which UTF-8 does not know."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def whole(value: Any) -> Any:
    """Labels that pandas made floats of, because some were missing: 3.0 is "3"."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else (None if value != value else str(value))
    return value

"""What an index in a database is told of the vectors, and filters that such an index applies by itself."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from searchdemo.indexes.base import Index
from searchdemo.indexes.described import MOST_BYTES, MOST_LABELS, NAME_BYTES, Described
from searchdemo.metadata.columns import COLUMNS, DATE, LABEL, NUMBER
from searchdemo.metadata.follow import state
from searchdemo.metadata.grammar import columns_of, parse
from searchdemo.metadata.milvus import Inexpressible, expression
from searchdemo.metadata.sql import folded
from searchdemo.types import MISSING

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection

log = logging.getLogger(__name__)


def described(collection: Collection, replace: bool = False) -> Described:
    """Of all positions. replace: see Described. Headers of files are read first where no build has read them."""
    gallery, artifact = collection.gallery, collection.artifact
    names = [name for name, column in COLUMNS.items() if column.kind != LABEL]
    known = collection.shelf.metadata(artifact.key).facts(gallery, names)
    rows = collection.gallery_rows(np.arange(len(collection))).tolist()
    columns: dict[str, list[Any]] = {}
    for name, values in known.items():
        found: list[Any] = [values.get(row) for row in rows]
        if COLUMNS[name].kind not in (NUMBER, DATE):
            found = [None if value is None else folded(str(value)) for value in found]
            if any(len((value or "").encode()) > MOST_BYTES for value in found):
                continue  # filters of this column are answered by keys
        columns[name] = found
    several = [_names(collection, row) if row != MISSING else [] for row in rows]
    if all(len(some) <= MOST_LABELS and all(len(one.encode()) <= NAME_BYTES for one in some) for some in several):
        columns["label"] = several
    key = artifact.key
    folder = str(key.folder)  # whose digest keeps "a-b" and "a.b" apart, which Milvus has no names for
    name = f"{re.sub('[^0-9A-Za-z]+', '_', folder)[:120]}_{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
    return Described(
        name,
        artifact.vectors_sha256,
        state(gallery),
        columns,
        replace,
        key.build_command,
    )


def _names(collection: Collection, row: int) -> list[str]:
    """The labels of a row as filters compare them: by the data set's own names, and by readable ones."""
    gallery = collection.gallery
    numbers = gallery.pictures.all_labels(row)
    both = (name for n in numbers for name in (gallery.label_names[n], gallery.class_names[n]))
    return list(dict.fromkeys(folded(name) or "" for name in both))


def positions(
    collection: Collection,
    index: Index,
    vector: np.ndarray,
    k: int,
    only: np.ndarray | None,
    where: str,
    meeting: np.ndarray | None,
    params: dict[str, int],
) -> np.ndarray:
    """(1, k) for a query (1, dim) among `only`, which is what meets the filter without some.

    meeting: (n,) bool, what meets the filter; None without one

    An index that keeps the facts itself is given the filter as an expression, where it can be one.
    """
    filtered = meeting is not None and only is not None and only.any()
    if index.describes and filtered and index.state == state(collection.gallery):
        assert meeting is not None and only is not None
        condition = parse(where)
        try:
            if all(column.name in index.columns for column in columns_of(condition)):
                left = min(k, int(np.count_nonzero(only)))
                out = np.flatnonzero(meeting & ~only)
                return index.search_where(vector, left, expression(condition), out, **params)
        except Inexpressible as reason:
            log.info("%s is asked by keys: Milvus cannot express %s", index.spec.name, reason)
    return index.search(vector, k, only, **params).positions

"""Writes a collection as one Parquet file that Embedding Atlas, `datasets` and `import` open.

Columns: row, label, labels, class_name, caption and the columns of filters that have a value; x and y from the map;
neighbors, {"ids": [...], "distances": [...]}, which is the form that Embedding Atlas reads: ids count the lines of the
file, from 0; vector, that of the whole picture where its parts have some, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.maps import nearest
from searchdemo.collection.progress import Progress, Report
from searchdemo.errors import BadQuery
from searchdemo.extras import imported, pip_command
from searchdemo.files import replacing
from searchdemo.metadata.columns import COLUMNS, LABEL
from searchdemo.types import MISSING

AT_ONCE = 10_000  # rows of a group, which is made and written together
ROW = "row"


@dataclass(frozen=True)
class Exported:
    path: Path
    rows: int
    columns: tuple[str, ...]
    gone: int  # stored vectors whose pictures are no more, which are left out
    notes: tuple[str, ...]


def export_parquet(
    collection: Collection,
    path: Path,
    neighbours: int = 10,
    vectors: bool = True,
    report: Report = lambda progress: None,
) -> Exported:
    """neighbours: of each row, without itself; 0 leaves them out. Raises NotInstalled, BadQuery, NotWritten."""
    arrow = imported("pyarrow", "A Parquet file", pip_command("encoders"))
    parquet = imported("pyarrow.parquet", "A Parquet file", pip_command("encoders"))
    there = np.setdiff1d(np.arange(len(collection)), collection.snapshot.gone)
    if not 0 <= neighbours < max(2, len(there)):
        raise BadQuery(f"neighbours = {neighbours} is out of bounds: choose from 0 to {len(there) - 1:,}.")
    neighbours = min(neighbours, len(there) - 1)
    drawn = collection.map()
    notes = []
    if drawn is None:
        notes.append(f"No map is stored, so x and y are left out: `{collection.artifact.key.map_command}` makes one.")
    facts = facts_of(collection)
    schema = _schema(arrow, facts, drawn is not None, neighbours, collection.vectors.dim if vectors else 0)
    search = nearest(collection)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(there), AT_ONCE):
            part = there[start : start + AT_ONCE]
            columns = described(collection, part, facts)
            if drawn is not None:
                columns["x"], columns["y"] = drawn.points[part].T
            if neighbours:
                columns["neighbors"] = _neighbours(collection, search, part, there, neighbours)
            if vectors:
                flat = arrow.array(collection.vectors.take(part).ravel())
                columns["vector"] = arrow.FixedSizeListArray.from_arrays(flat, collection.vectors.dim)
            writer.write_table(arrow.table([columns[name] for name in schema.names], schema=schema))
            report(Progress("writing rows", start + len(part), len(there), 0))
    return Exported(path, len(there), tuple(schema.names), len(collection) - len(there), tuple(notes))


def facts_of(collection: Collection) -> dict[str, dict[int, Any]]:
    """Name of a column of filters -> row -> value, of those columns that have one."""
    names = [name for name, column in COLUMNS.items() if column.kind != LABEL and name != ROW]
    known = collection.shelf.metadata(collection.artifact.key).facts(collection.gallery, names)
    return {name: values for name, values in known.items() if values}


def described(collection: Collection, part: np.ndarray, facts: dict[str, dict[int, Any]]) -> dict[str, Any]:
    gallery, rows = collection.gallery, collection.gallery_rows(part).tolist()
    columns: dict[str, Any] = {ROW: rows}
    columns["label"] = [gallery.label(row) or None for row in rows]
    columns["labels"] = [[gallery.label_names[n] for n in gallery.pictures.all_labels(row)] for row in rows]
    columns["class_name"] = [gallery.class_name(row) or None for row in rows]
    return columns | {name: [values.get(row) for row in rows] for name, values in facts.items()}


def _neighbours(collection: Collection, search: Any, part: np.ndarray, there: np.ndarray, k: int) -> list[dict]:
    """ids are lines of the file, which holds the positions `there`; distances are 1 - cosine of the stored vectors."""
    queries = collection.vectors.take(part)
    found, _ = search(queries, k + 1 + len(collection.snapshot.gone))
    gone = np.isin(found, collection.snapshot.gone)
    return [*_each(collection, queries, part, there, found, gone, k)]


def _each(
    collection: Collection,
    queries: np.ndarray,
    part: np.ndarray,
    there: np.ndarray,
    found: np.ndarray,
    gone: np.ndarray,
    k: int,
) -> Iterator[dict]:
    for query, own, positions, out in zip(queries, part, found, gone, strict=True):
        others = positions[~out & (positions != own) & (positions != MISSING)][:k]
        distances = 1 - np.clip(collection.vectors.scores(query[None], others[None])[0], -1, 1)
        order = np.argsort(distances, kind="stable")
        yield {"ids": np.searchsorted(there, others[order]).tolist(), "distances": distances[order].tolist()}


def _schema(arrow: Any, facts: dict[str, dict[int, Any]], drawn: bool, neighbours: int, dim: int) -> Any:
    kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    fields = [
        (ROW, arrow.int64()),
        ("label", arrow.string()),
        ("labels", arrow.list_(arrow.string())),
        ("class_name", arrow.string()),
    ]
    fields += [(name, kinds[type(next(iter(values.values())))]) for name, values in facts.items()]
    fields += [("x", arrow.float32()), ("y", arrow.float32())] if drawn else []
    pair = [("ids", arrow.list_(arrow.int64())), ("distances", arrow.list_(arrow.float32()))]
    fields += [("neighbors", arrow.struct(pair))] if neighbours else []
    fields += [("vector", arrow.list_(arrow.float32(), dim))] if dim else []
    return arrow.schema(fields)

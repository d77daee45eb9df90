"""What the map in the browser is drawn from: points once, cells once per index, and small updates for each query."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.exact import exact_once
from searchdemo.collection.maps import Map
from searchdemo.collection.query import Query
from searchdemo.errors import NotBuilt
from searchdemo.types import MISSING
from searchdemo.ui.page import Choice

KINDS = ("found", "missed", "instead")
PLACED_BY = 10  # nearest neighbours whose places give that of the query


class NoMap(NotBuilt):
    """It can be drawn from the vectors that are there."""


def mapped(collection: Collection) -> Map:
    """The map. Raises NoMap, with the command that makes one, when there is none."""
    drawn = collection.map()
    if drawn is None and collection.gallery.private:
        raise NoMap("The map of your pictures is not drawn yet.")
    if drawn is None:
        raise NoMap(
            f"The map of {collection.gallery.name!r} as {collection.encoder_spec.name!r} sees it is not made yet: "
            f"run `{collection.artifact.key.map_command}`."
        )
    return drawn


def key(collection: Collection) -> str:
    """Equal for equal points. Raises as `mapped` does."""
    artifact, snapshot = collection.artifact, collection.snapshot
    rows = "" if snapshot.rows is None else f" {zlib.crc32(snapshot.rows.tobytes()):x}"  # a living folder changes them
    return f"{artifact.key.folder} {artifact.vectors_sha256[:16]}{rows} {len(snapshot.gone)} {mapped(collection).made}"


def points(collection: Collection) -> dict:
    """All points, by position: places (n, 2) uint16 and labels (n,) int16 in base64, and the names of the classes.

    rows: gallery rows (n,) int32, where they are not the positions; MISSING where the picture is no more.
    Raises as `mapped` does.
    """
    drawn, gone = mapped(collection), collection.snapshot.gone
    rows = collection.gallery_rows(np.arange(len(collection))).copy()
    rows[gone] = MISSING
    return {
        "key": key(collection),
        "made": f"{len(drawn) - len(gone):,} pictures, laid out by {drawn.made}: near points have near vectors, as far "
        "as two dimensions can show it; distances across the map mean little.",
        "positions": packed(drawn.stored, np.uint16),
        "labels": packed(collection.labels(), np.int16),
        "names": list(collection.gallery.class_names),
        "rows": None if np.array_equal(rows, np.arange(len(rows))) else packed(rows, np.int32),
    }


def cells(collection: Collection, index: str) -> dict:
    """The cell of each position, (n,) uint16 in base64; None for an index that has none. Raises what `index` does."""
    found = collection.index(index).cells()
    return {"cells": None if found is None else packed(found, np.uint16)}


def packed(array: np.ndarray, dtype: type) -> str:
    """Little-endian, as browsers read it."""
    return base64.b64encode(array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def overlay(collection: Collection, chosen: Choice, query: Query) -> dict:
    """What is drawn over the points for a query. All places are positions among the vectors, except `at`.

    at: (x, y) of the query in [0, 1]
    neighbours: the exact answer ("found" or "missed") and what was found in its place ("instead")
    visits, nprobe, efforts: of an inverted file, the nprobe at which each cell is visited, that of the search, and the
    values of the slider
    walk: of FAISS's graph, see indexes/walk.py
    Raises as `mapped` and Collection.search do.
    """
    drawn, index, vector = mapped(collection), collection.index(chosen.index), collection.embed(query).vector
    itself = query.row is not None and not query.composed and not query.needs_encoder
    own = collection.position(query.rows[0]) if itself else MISSING
    only = collection.allowed(query, chosen.where)
    found = index.search(vector, chosen.k, only, **chosen.params).positions[0]
    found = found[found != MISSING]
    exact = exact_once(collection, vector, chosen.k, only).positions
    around = exact_once(collection, vector, PLACED_BY, collection.allowed(query)).positions
    if own == MISSING:
        at = drawn.place(around, collection.vectors.scores(vector, around[None])[0])
    else:
        at = tuple(drawn.points[own].tolist())
    shown: dict = {
        "key": key(collection),
        "at": at,
        "neighbours": compared(exact[: chosen.k], found, collection, vector[0]),
    }
    ranks, cell_of = index.visit_ranks(vector[0]), index.cells()
    if ranks is not None and cell_of is not None:
        nprobe = min(chosen.params["nprobe"], len(ranks))
        shown |= {"visits": ranks.tolist(), "nprobe": nprobe, "efforts": efforts(len(ranks), nprobe)}
        for one in shown["neighbours"]:
            one["rank"] = int(ranks[cell_of[one["position"]]])
            one["rounded"] = one["kind"] == "missed" and one["rank"] <= nprobe  # its cell was visited all the same
    if "ef_search" in chosen.params:
        # FAISS keeps as many candidates as are asked for
        steps = index.walk(vector[0], ef_search=max(chosen.params["ef_search"], chosen.k))
        if steps is not None:
            shown["walk"] = {"descent": steps.descent, "expanded": steps.expanded, "scored": steps.scored}
    return shown


def compared(exact: np.ndarray, found: np.ndarray, collection: Collection, vector: np.ndarray) -> list[dict]:
    """exact, found: positions (up to k,) for a query (dim,). Each once, with its kind and its cosine."""
    instead = found[~np.isin(found, exact)]
    kinds = [KINDS[int(missed)] for missed in ~np.isin(exact, found)] + [KINDS[2]] * len(instead)
    positions = np.concatenate([exact, instead])
    cosines = collection.vectors.scores(vector[None], positions[None])[0]
    each = zip(positions.tolist(), kinds, cosines.tolist(), strict=True)
    return [{"position": position, "kind": kind, "score": cosine} for position, kind, cosine in each]


def efforts(cells: int, nprobe: int) -> list[int]:
    """Values of nprobe for a slider: small steps among few cells, larger ones among many; always with `nprobe`."""
    steps = np.unique(np.round(2 ** np.arange(0, np.log2(cells) + 0.01, 0.25)).astype(int))
    return sorted({*steps.tolist(), min(nprobe, cells), cells})

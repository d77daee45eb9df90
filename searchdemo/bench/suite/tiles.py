"""What parts of pictures beside the whole find of small things, and what they cost: `build --tiles` on drawn scenes.

Always measured on the gallery `scenes`, whose drawings say what is in them, how large and in which colour. A query asks
for a thing of a colour, by words ("a red boat") or by a held-out drawing. Its R right answers are the pictures of that
thing in that colour; recall@R is the share of them among the first R results, told for those that are drawn small and
those that are drawn large. Search is exact, so no index has a share in it. Queries are clocked in turns, builds once.

On the command line and in documents this benchmark is called `tiles`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.points import in_turns, query_latency, ratio, search_of
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of
from searchdemo.bench.workload import Bench
from searchdemo.collection.build import build
from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import VECTORS, Key, Store
from searchdemo.collection.tiles import SIZES
from searchdemo.errors import BadQuery
from searchdemo.galleries.drawing.captions import describe
from searchdemo.galleries.scenes import load_scenes
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.pictures import open_picture

GALLERY, INDEX, APPROXIMATE = "scenes", "flat", "ivf"
QUICK_PICTURES = 300
ROUNDS = 3  # of queries that are clocked
K = 10
DRAWN = ("small", "large")
Wanted = tuple[str, str]  # thing, colour


def run(bench: Bench) -> Figures:
    """Quick: without the largest number of parts, on a part of the pictures, one round."""
    sizes, rounds = (SIZES[:2], 1) if bench.quick else (SIZES, ROUNDS)
    encoder = bench.encoder()
    key = Key(GALLERY, bench.key.encoder, encoder.transform, limit=QUICK_PICTURES if bench.quick else None)
    with tempfile.TemporaryDirectory() as folder:
        stores = {tiles: Store(own=Path(folder) / str(tiles)) for tiles in sizes}
        gallery = bench.library.gallery(GALLERY)

        def built(tiles: int) -> float:
            bench.tell(f"building with {tiles} x {tiles} parts", sizes.index(tiles), len(sizes))
            started = time.perf_counter()
            build(gallery, encoder, stores[tiles], key, tiles=tiles, rebuild=True)
            return time.perf_counter() - started

        encoder.encode_images([open_picture(gallery.pictures.encoded(0) or b"")])  # starts its network
        seconds = in_turns({tiles: partial(built, tiles) for tiles in sizes}, 1)  # minutes in all
        opened = {tiles: _opened(bench, store, key) for tiles, store in stores.items()}
        asked = {"words": by_words(opened[0]), "pictures": by_pictures(opened[0])}
        queries = opened[0].queries
        clocked: dict[tuple[int, str], Callable[[], float]] = {
            (tiles, index): partial(_query_ms, collection, index, queries, bench.quick)
            for tiles, collection in opened.items()
            for index in (INDEX, APPROXIMATE)
        }
        ms = in_turns(clocked, rounds)
        rows = []
        for tiles, collection in opened.items():
            artifact = collection.artifact
            row: dict = {"tiles": f"{tiles} x {tiles}" if tiles else "none", "vectors": artifact.manifest.vectors}
            row |= {"size_bytes": artifact.file(VECTORS).stat().st_size, "seconds": statistics.median(seconds[tiles])}
            row |= {"build_times": ratio(seconds[tiles], seconds[0])}
            for index in (INDEX, APPROXIMATE):
                row |= {f"{index}_ms": statistics.median(ms[tiles, index])}
                row |= {f"{index}_times": ratio(ms[tiles, index], ms[0, index])}
            for how, queries_of in asked.items():
                row |= {f"{how}_{drawn}": found for drawn, found in recalls(collection, queries_of).items()}
            rows.append(row)
        manifest = opened[0].artifact.manifest
    subject: dict = {"vectors": manifest.vectors, "dim": manifest.dim, "queries": sum(map(len, asked.values()))}
    subject |= {"weights_sha256": manifest.weights_sha256, "precision": manifest.precision, "synthetic": False}
    settings = {"pictures_of": GALLERY, "rounds": rounds, "k": K, "words": len(asked["words"])}
    return Figures(subject | {"stand_in": manifest.stand_in}, {"tiles": rows}, settings)


def _opened(bench: Bench, store: Store, key: Key) -> Collection:
    """By the encoder that was loaded for the run."""
    library = Library(store, limit=key.limit, transform=key.transform, weights=bench.library.weights)
    return library.open(key.gallery, key.encoder)


def _query_ms(collection: Collection, index: str, queries: np.ndarray, quick: bool) -> float:
    return query_latency(search_of(collection.index(index)), queries, K, repeats=20 if quick else 200).p50_ms


def by_words(collection: Collection) -> list[tuple[Query, Wanted]]:
    """Each thing in each colour that the gallery has. Raises BadQuery for an encoder that reads no words."""
    if not collection.encoder_spec.text:
        raise BadQuery(f"{collection.encoder_spec.name!r} reads no words: choose an encoder that does, like 'bundled'.")
    prompt, asked = collection.encoder_spec.prompt, dict.fromkeys(scenes_of(collection))
    return [(Query(text=describe({"thing": a, "colour": b}), prompt=prompt), (a, b)) for a, b in asked]


def by_pictures(collection: Collection) -> list[tuple[Query, Wanted]]:
    """Each held-out drawing."""
    held_out = load_scenes("queries")
    numbers = [collection.query_row(number) for number in range(len(collection.queries))]
    return [(Query(held_out=number), (held_out[row].thing, held_out[row].colour)) for number, row in enumerate(numbers)]


def scenes_of(collection: Collection) -> list[Wanted]:
    """What is drawn at each position."""
    scenes = load_scenes()
    return [(scenes[row].thing, scenes[row].colour) for row in collection.gallery_rows(np.arange(len(collection)))]


def recalls(collection: Collection, queries: Sequence[tuple[Query, Wanted]]) -> dict[str, float]:
    """recall@R of right pictures that are drawn small, and of those that are drawn large, over all of them."""
    what, scenes = scenes_of(collection), load_scenes()
    rows = collection.gallery_rows(np.arange(len(collection)))
    right = {wanted: {position for position, one in enumerate(what) if one == wanted} for wanted in {*what}}
    index = collection.index(INDEX)
    found, there = dict.fromkeys(DRAWN, 0), dict.fromkeys(DRAWN, 0)
    for query, wanted in queries:
        if not (answers := right.get(wanted)):
            continue
        nearest = {*index.search(collection.embed(query).vector, len(answers)).positions[0].tolist()}
        for position in answers:
            size = scenes[rows[position]].size
            there[size] += 1
            found[size] += position in nearest
    return {size: found[size] / max(there[size], 1) for size in DRAWN}


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        Column("tiles", "parts of a picture"),
        *(Column(f"words_{size}", f"recall@R, {size} things, by words", fixed(3)) for size in DRAWN),
        *(Column(f"pictures_{size}", f"the same by pictures, {size}", fixed(3)) for size in DRAWN),
        *columns("vectors size_bytes"),
        Column("build_times", "build, × without", number()),
        *(Column(f"{index}_ms", f"{index}, ms per query", number()) for index in (INDEX, APPROXIMATE)),
        *(Column(f"{index}_times", f"{index}, × without", number()) for index in (INDEX, APPROXIMATE)),
    ]  # fmt: skip
    found = []
    for card in cards:
        title = f"Parts of pictures beside the whole, on {card.subject['vectors']:,} drawn scenes"
        own = replace(card, gallery=GALLERY)  # whichever was named: the table says whose pictures these are
        found.append(table_of(own, "tiles", title, heads, card.parts["tiles"]))
    return found


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: four rows are a table."""
    return {}

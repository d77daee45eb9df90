"""The page's own share of a query: all but encoding and searching, and from a result to the message for the browser.
Both are measured in a process of their own, and the message is written as gradio writes it, by orjson.

The page lies above this room, so this file must not import it.
"""

from __future__ import annotations

import json
from pathlib import Path

from searchdemo.bench.child import run_python
from searchdemo.collection.store import Key

CODE = """
import io, json, sys

shown, repeats = map(int, sys.argv[1:])  # before what takes seconds to import

import numpy as np
import orjson
from PIL import Image

from searchdemo.measure.metrics import latency
from searchdemo.types import Blur, Comparison, Hit, Missed, Remedy, SearchResult, Timing
from searchdemo.ui.components.answer import answer_html
from searchdemo.ui.components.tiles import Tiles, result_tiles

noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
jpeg = io.BytesIO()
Image.fromarray(noise).save(jpeg, "JPEG", quality=90)  # 5 KB, more than a photograph of that size takes
grid = Tiles()


def p50_ms(**picture):
    hits = tuple(Hit(rank, rank, "n01443537", "goldfish", 0.5, **picture) for rank in range(1, shown + 1))
    missed = Missed(np.arange(shown), np.arange(1, shown + 1), frozenset({0}), {0: 20}, Remedy("nprobe", 20, shown))
    comparison = Comparison(missed, (Hit(1, 0, "n01443537", "goldfish", 0.5, position=0, **picture),), 2.0)
    result = SearchResult(hits, Timing(0.5, 5.0, 1.0, 0.5), vector=np.zeros(128), comparison=comparison)

    def shape():
        line = answer_html(result, "100,000 pictures", "picture", "ivf", False)
        return orjson.dumps([line, grid.postprocess(result_tiles(result, "tiny-imagenet"))]).decode()

    return latency(shape, repeats).p50_ms


kinds = {"pictures": {"picture": jpeg.getvalue()}, "blurs": {"blur": Blur(range(24))}, "plain tiles": {}}
print(json.dumps({kind: p50_ms(**picture) for kind, picture in kinds.items()}))
"""


def shaping_ms(shown: int, repeats: int) -> dict[str, float]:
    """{"pictures": ms, "blurs": ms, "plain tiles": ms}: the median of shaping `shown` hits and a missed one.

    Raises SearchDemoError when the process fails.
    """
    return json.loads(run_python(CODE, str(shown), str(repeats)).splitlines()[-1])


SHARE = """
import dataclasses, json, statistics, sys, time
from pathlib import Path

gallery, encoder, data_dir, own, repeats = sys.argv[1:]

import numpy as np
import orjson

from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Store
from searchdemo.errors import NoPictures
from searchdemo.ui.components.answer import answer_html
from searchdemo.ui.components.lesson import lesson_html
from searchdemo.ui.components.tiles import Tiles, result_tiles
from searchdemo.ui.page import INDEX, K

library = Library(Store(own=Path(own)), Path(data_dir) if data_dir else None)
collection, grid, parts, warm_up = library.open(gallery, encoder), Tiles(), {}, 5
held_out = len(collection.queries)
for turn in range(int(repeats) + warm_up):  # another picture at each turn: nothing of the answer before can be used
    number = turn * 7919 % (held_out or len(collection))
    query = Query(held_out=number) if held_out else Query(row=int(collection.gallery_rows(np.array(number))))
    if (picture := collection.stored_picture(query)) is None:
        raise NoPictures(f"The pictures of {gallery!r} are not on this machine, so no query can be decoded.")
    for asked, effort in (("a new query", {}), ("the same query, nprobe dragged", {"nprobe": 24})):
        started = time.perf_counter()
        result = collection.search(Query(picture=picture), INDEX, K, compare=True, **effort)
        searched = time.perf_counter()
        line = answer_html(result, f"{len(collection):,} pictures", "picture", INDEX, False)
        nearest = collection.vectors.take(np.array([result.hits[0].position]))[0]
        lesson = lesson_html(result.vector, nearest, "the nearest")
        orjson.dumps([line, grid.postprocess(result_tiles(result, gallery)), lesson]).decode()
        shaped, timing = (time.perf_counter() - searched) * 1000, result.timing
        outside = (searched - started) * 1000 - sum(dataclasses.astuple(timing))
        own = {
            "open and resize": timing.preprocess_ms,
            "fetch": timing.fetch_ms,
            "compare with exact search": outside,
            "shape": shaped,
        }
        for part, ms in (own | {"in all": sum(own.values())}).items():
            parts.setdefault(f"{asked}: {part}", []).append(ms)
print(json.dumps({part: statistics.median(times[warm_up:]) for part, times in parts.items()}))
"""
NEW = "a new query: in all"  # the figure that is held to a bound


def own_share_ms(key: Key, data_dir: Path | None, own: Path, repeats: int) -> dict[str, float]:
    """{"a new query: fetch": ms, ...}: medians of what the page adds to encoding and searching, compared with exact.

    own: the folder of the person's builds. Raises SearchDemoError when the process fails.
    """
    given = (key.gallery, key.encoder, str(Path(data_dir).absolute()) if data_dir else "", str(Path(own).absolute()))
    return json.loads(run_python(SHARE, *given, str(repeats), what="The page's share").splitlines()[-1])

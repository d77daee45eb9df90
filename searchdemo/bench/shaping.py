"""The page's own share of a query: from a result to the message for the browser, measured in a process of its own.

The page lies above this room, so this file must not import it.
"""

from __future__ import annotations

import json

from searchdemo.bench.child import run_python

CODE = """
import io, json, sys

shown, repeats = map(int, sys.argv[1:])  # before what takes seconds to import

import numpy as np
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
        return json.dumps([line, grid.postprocess(result_tiles(result))])

    return latency(shape, repeats).p50_ms


kinds = {"pictures": {"picture": jpeg.getvalue()}, "blurs": {"blur": Blur(range(24))}, "plain tiles": {}}
print(json.dumps({kind: p50_ms(**picture) for kind, picture in kinds.items()}))
"""


def shaping_ms(shown: int, repeats: int) -> dict[str, float]:
    """{"pictures": ms, "blurs": ms, "plain tiles": ms}: the median of shaping `shown` hits and a missed one.

    Raises SearchDemoError when the process fails.
    """
    return json.loads(run_python(CODE, str(shown), str(repeats)).splitlines()[-1])

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
from searchdemo.types import Blur, Hit, SearchResult, Timing
from searchdemo.ui.components.messages import timing
from searchdemo.ui.components.thumbnails import Thumbnails, tiles

noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
jpeg = io.BytesIO()
Image.fromarray(noise).save(jpeg, "JPEG", quality=90)  # 5 KB, more than a photograph of that size takes
grid = Thumbnails()


def p50_ms(**picture):
    hits = tuple(Hit(rank, rank, "n01443537", "goldfish", 0.5, **picture) for rank in range(1, shown + 1))
    result = SearchResult(hits, Timing(0.5, 5.0, 1.0, 0.5))
    shape = lambda: grid.postprocess(tiles(result)).model_dump_json() + timing(result)
    return latency(shape, repeats).p50_ms


kinds = {"pictures": {"picture": jpeg.getvalue()}, "blurs": {"blur": Blur(range(24))}, "plain tiles": {}}
print(json.dumps({kind: p50_ms(**picture) for kind, picture in kinds.items()}))
"""


def shaping_ms(shown: int, repeats: int) -> dict[str, float]:
    """{"pictures": ms, "blurs": ms, "plain tiles": ms}: the median time of shaping a result with `shown` hits.

    Raises SearchDemoError when the process fails.
    """
    return json.loads(run_python(CODE, str(shown), str(repeats)).splitlines()[-1])

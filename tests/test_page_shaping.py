"""The page's own share of a query: no picture is decoded or encoded again. `bench floors` holds its milliseconds."""

from __future__ import annotations

import base64
import importlib.util
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from searchdemo.types import Blur, Comparison, Hit, Missed, SearchResult, Timing
from searchdemo.ui.components import placeholder, thumbnails
from searchdemo.ui.components.answer import answer_html
from searchdemo.ui.components.lesson import drawn_numbers
from searchdemo.ui.components.tiles import Tiles, folder_of, named, result_tiles

SHOWN = 24  # 23 hits and one that was missed
WITH_LIBRARY = importlib.util.find_spec("thumbhash") is not None  # without it a blur is a grey tile


def jpeg(seed: int) -> bytes:
    """64 x 64 noise: 5 KB, more than a photograph of that size takes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


GRID = Tiles()


def shaped(result: SearchResult) -> str:
    """What a tab sends: the tiles as `data:` URLs, and the lines above them."""
    return GRID.postprocess(result_tiles(result, "tiny-imagenet")) + answer_html(
        result, "30 pictures", "picture", "ivf", False
    )


def result_of(**shown) -> SearchResult:
    """SHOWN - 1 hits and a missed one, all alike but for their rank."""
    hits = [Hit(rank, rank, "n01443537", "goldfish", 0.5, position=rank, **shown) for rank in range(1, SHOWN + 1)]
    missed = Missed(np.arange(1, SHOWN + 1), np.arange(1, SHOWN), frozenset({SHOWN}), {SHOWN: 20}, None)
    timing, comparison = Timing(0.5, 5.0, 1.0, 0.5), Comparison(missed, (hits[-1],), 2.0)
    return SearchResult(tuple(hits[:-1]), timing, vector=np.zeros(8), comparison=comparison)


@pytest.fixture
def work(monkeypatch) -> dict[str, int]:
    """How often each costly step was taken."""
    counts = dict.fromkeys(("decoded", "unblurred", "saved", "to base64"), 0)

    def count(owner, name: str, step: str) -> None:
        whole = getattr(owner, name)

        def counted(*given, **options):
            counts[step] += 1
            return whole(*given, **options)

        monkeypatch.setattr(owner, name, counted)

    count(thumbnails, "open_picture", "decoded")
    count(placeholder, "unblurred", "unblurred")
    count(Image.Image, "save", "saved")
    count(base64, "b64encode", "to base64")
    return counts


NOTHING = {"decoded": 0, "unblurred": 0, "saved": 0, "to base64": 0}
BLURS = {"unblurred": SHOWN} | ({"saved": SHOWN, "to base64": SHOWN} if WITH_LIBRARY else {})


@pytest.mark.parametrize(
    ("shown", "kind", "wanted"),
    [
        ({"picture": jpeg(0)}, "image/jpeg", {"to base64": SHOWN}),
        ({"blur": Blur(range(24))}, "image/svg", BLURS),
        ({}, "image/svg", {}),
    ],
    ids=["pictures", "blurs", "tiles"],
)
def test_each_of_24_results_is_shaped_once(work, shown, kind, wanted):
    sent = shaped(result_of(**shown))
    assert sent.count(f"data:{kind}") == SHOWN and "24. goldfish" in sent
    assert work == NOTHING | wanted
    if "picture" in shown:
        assert sent.count(base64.b64encode(shown["picture"]).decode()) == SHOWN  # the very bytes, and few more
        assert len(sent) < SHOWN * (4 / 3 * len(shown["picture"]) + 800)
    assert sent.count('class="tile missed"') == 1 and "cell visited as number 20" in sent


def test_a_hit_in_a_persons_folder_is_named_by_its_file():
    hit = Hit(1, 7, "boats", "boats", 0.5, "boats/red.png")
    assert named(hit) == "red.png" and (folder_of(hit, own=True), folder_of(hit, own=False)) == ("boats", "")
    assert named(replace(hit, file="")) == "boats" and named(replace(hit, file="", class_name="")) == "row 7"


def test_the_numbers_of_vectors_go_to_the_browser_on_one_scale():
    rows = np.array([[0.5, -1.0, 0.25], [0.0, 0.125, -0.75]])
    assert drawn_numbers(rows) == ["64,-127,32", "0,16,-95"]
    assert drawn_numbers(np.zeros((1, 2))) == ["0,0"]

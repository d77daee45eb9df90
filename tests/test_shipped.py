"""What ships of tiny-ImageNet: its vectors open at once, are as good as float32, and the model card tells the truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import faiss
import numpy as np
import pytest

from searchdemo.assets import CARDS, WEIGHTS
from searchdemo.assets import INDEXES as SHIPPED
from searchdemo.collection.knn import evaluate
from searchdemo.collection.library import Library
from searchdemo.collection.store import VECTORS, Store
from searchdemo.encoders import table as encoder_table
from searchdemo.galleries.base import Pictures
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.measure import cards as run_card
from searchdemo.measure.metrics import recall_at_k
from searchdemo.pictures import open_picture
from searchdemo.types import Neighbors
from searchdemo.ui.tradeoffs.cards import peers_of
from tests.test_tiny_imagenet import REAL, no_other_copy, with_real_data  # noqa: F401  no caches of the machine's own

VECTORS_FILE = SHIPPED / "tiny-imagenet" / "bundled" / VECTORS
FILE = WEIGHTS / encoder_table.ENCODERS["bundled"].shipped
CARD = FILE.with_name("MODEL_CARD.md")
WHERE = ("tiny-imagenet", "bundled")
GALLERY, QUERIES = 1000, 1000  # pictures that are embedded again


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(Store(own=SHIPPED))  # a person's own builds are not what ships


def bytes_read() -> int:
    """What this thread has read by system calls so far; a page of a mapped file is none. 0 where nothing counts it."""
    counts = Path("/proc/thread-self/io")
    return int(re.search(r"^rchar: (\d+)$", counts.read_text(), re.MULTILINE)[1]) if counts.exists() else 0


def test_the_vectors_open_at_once_and_are_mapped():
    """Next to nothing is read, whatever the size of the file; `bench floors` holds the seconds."""
    before = bytes_read()
    stored = StoredVectors(VECTORS_FILE)
    index = stored.as_index(find("ivf"))
    assert bytes_read() - before < VECTORS_FILE.stat().st_size / 10
    assert (len(stored), stored.dim) == (100_000, 128)
    assert isinstance(faiss.downcast_InvertedLists(index.index.invlists), faiss.OnDiskInvertedLists)
    mapped = Path("/proc/self/maps")
    assert not mapped.exists() or str(VECTORS_FILE) in mapped.read_text()


@pytest.mark.parametrize("gallery", ["tiny-imagenet", "scenes"])
def test_a_map_of_these_very_vectors_ships(library, gallery):
    collection = library.open(gallery, "bundled")
    drawn = collection.map()
    assert len(drawn) == len(collection) and drawn.made.startswith("t-SNE of perplexity 30 by openTSNE")
    assert drawn.points.max(axis=0).max() == 1 and drawn.points.min(axis=0).min() == 0


def test_the_model_card_claims_what_the_command_knn_prints(library):
    """To the last digit, from the vectors that ship; the run card holds the same figures.

    By the index that needs a ninth of the time of `flat`. Both are exact.
    """
    claimed = dict(re.findall(r"^\| kNN top-1, k = (\d+) \| ([\d.]+) % \|$", CARD.read_text(), re.MULTILINE))
    assert set(claimed) == {"1", "5", "20", "50"}
    accuracies = library.open(*WHERE).evaluate("brute", tuple(map(int, claimed))).accuracies
    measured = {str(found.k): found.top1 for found in accuracies if found.vote == "weighted"}
    assert {k: f"{top1:.2f}" for k, top1 in measured.items()} == claimed
    assert json.loads(CARD.with_name("run-card.json").read_text())["figures"]["knn_top1"] == pytest.approx(measured)


def test_the_model_card_claims_what_the_command_knn_prints_of_scenes(library):
    claimed = re.search(r"^\| scenes: kNN top-1 by thing, k = 20 \| ([\d.]+) % \|$", CARD.read_text(), re.MULTILINE)[1]
    weighted, _ = library.open("scenes", "bundled").evaluate("flat", (20,)).accuracies
    assert f"{weighted.top1:.2f}" == claimed


def test_the_cards_are_of_the_weights_that_ship(library):
    card = json.loads(CARD.with_name("run-card.json").read_text())
    manifest = library.open(*WHERE).artifact.manifest
    assert card["weights_sha256"] == manifest.weights_sha256 == library.encoder("bundled").weights_sha256
    assert card["weights_bytes"] == FILE.stat().st_size


# The real data


@with_real_data
def test_shipped_half_floats_find_what_float32_finds(library):
    """Pictures embedded again in float32: the shipped rows find the same neighbours, and name the same classes."""
    gallery, prepared = open_gallery("tiny-imagenet", data_dir=REAL), library.open(*WHERE)
    rng = np.random.default_rng(0)
    rows, numbers = rng.choice(100_000, GALLERY, replace=False), rng.choice(10_000, QUERIES, replace=False)
    encoder = encoder_table.load("bundled", device="cpu", precision="float32")

    def embedded(pictures: Pictures, chosen: np.ndarray) -> np.ndarray:
        images = [open_picture(pictures.encoded(int(row))) for row in chosen]
        return np.concatenate(
            [encoder.encode_images(images[start : start + 50]) for start in range(0, len(images), 50)]
        )

    exact, queries = embedded(gallery.pictures, rows), embedded(gallery.queries, numbers)
    shipped, shipped_queries = prepared.vectors.take(rows), prepared.held_out()[0][numbers]
    assert (exact * shipped).sum(axis=1).min() > 0.999  # each row is of its own picture

    def nearest(queries: np.ndarray, vectors: np.ndarray, k: int) -> Neighbors:
        return find("brute").build(vectors).search(queries, k)

    assert recall_at_k(nearest(queries, shipped, 10).positions, nearest(queries, exact, 10).positions) >= 0.99

    labels, truth = (np.asarray(p.labels, np.int64) for p in (gallery.pictures, gallery.queries))

    def top1(queries: np.ndarray, vectors: np.ndarray) -> float:
        found = nearest(queries, vectors, 20)
        return evaluate(found.scores, labels[rows][found.positions], truth[numbers], 200, (20,))[0].top1

    assert abs(top1(shipped_queries, shipped) - top1(queries, exact)) <= 0.3


def test_other_libraries_are_drawn_beside_the_shipped_trade_off(tmp_path, monkeypatch):
    """Times of two kinds of machine do not compare: whoever measures one of the two cards anew, measures both."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path))  # no cards of one's own
    assert peers_of(run_card.load(CARDS.joinpath(*WHERE, "tradeoff.json")))

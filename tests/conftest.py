"""What the tests of the core share: vectors with planted neighbours, an encoder and a gallery worked out by hand."""

from __future__ import annotations

import functools
import gc
import io
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.base import EncoderSpec, How
from searchdemo.errors import BadQuery
from searchdemo.galleries import table as gallery_table
from searchdemo.galleries.base import Gallery, GallerySpec, Pictures
from searchdemo.indexes.table import INDEXES
from tests.clock import Clock

# Several processes run tests at once. A thread of OpenMP that waits for the others of its team would spin, and keep a
# processor from the thread it waits for. OpenBLAS's threads always do, and small products in one thread take a fifth of
# the processor time. The workers of pytest-xdist, and what tests start, read this at their start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# All that tests import makes half a million objects that stay. Garbage collection looks at them again and again, which
# was a fifth of the time before the first test.
gc.set_threshold(50_000, 20, 100)


_numbers = itertools.count()


def pytest_collection_finish():
    gc.freeze()  # what is there now stays until the end


@pytest.fixture(autouse=True, scope="session")
def networks(tmp_path_factory):
    """Networks that are converted for a test are kept for the whole run, not in the user's cache."""
    folder = tmp_path_factory.getbasetemp().parent / "home"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("searchdemo.encoders.runtime.graphs.own_folder", lambda: folder)
        yield


@pytest.fixture(autouse=True)
def catalog(tmp_path_factory, monkeypatch):
    """What is found out about files is not kept in the user's cache. Every test finds it empty."""
    if "SEARCHDEMO_HOME" not in os.environ:
        # Not by mktemp, which reads the names of all folders of the run for a new one.
        folder = tmp_path_factory.getbasetemp() / "catalogs" / str(next(_numbers))
        folder.mkdir(parents=True)
        for module in ("galleries.catalog", "galleries.thumbnails", "galleries.frames", "encoders.pins"):
            monkeypatch.setattr(f"searchdemo.{module}.own_folder", lambda: own_folder(folder))


@pytest.fixture(autouse=True, scope="module")
def shared_library():
    """What a module builds into the library that all share would be found by whichever module comes next."""
    yield
    served = sys.modules.get("page_server")  # not imported here: processes that tests start import this file, too
    assert served is None or served.is_as_it_was(), "scenes was built in the shared library of tests/page_server.py"


@pytest.fixture(autouse=True)
def surroundings():
    """A test that starts the page as a command does leaves the process its folders and proxies."""
    before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "NO_PROXY", "no_proxy")}
    place = tempfile.tempdir
    yield
    tempfile.tempdir = place
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def own_folder(otherwise: Path) -> Path:
    """The person's own folder where a test sets one."""
    return Path(os.environ.get("SEARCHDEMO_HOME") or otherwise)


@pytest.fixture
def steady(monkeypatch):
    """Batches of the size that was asked for, however slow this machine is."""
    monkeypatch.setattr("searchdemo.collection.embed.PASS_SECONDS", float("inf"))
    monkeypatch.setattr("searchdemo.collection.embed.FIRST_BATCH", 10**9)


@pytest.fixture
def hasty(monkeypatch):
    in_haste(monkeypatch)


def in_haste(patch: pytest.MonkeyPatch) -> None:
    """Benchmarks call what they clock as seldom as they may: whether a figure is steady is not what the test asks."""
    patch.setattr("searchdemo.measure.metrics.MAX_SECONDS", 0.0)
    patch.setattr("searchdemo.bench.extraction.SECONDS", 0.0)
    patch.setattr("searchdemo.bench.extraction.SECONDS_QUICK", 0.0)
    patch.setattr("searchdemo.bench.suite.scale.ENOUGH_S", 0.0)


@pytest.fixture
def one_thread():
    """Threads of torch that wait for each other make tiny networks slow on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Vectors


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def exact_rows(queries: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """(q, k) positions of the nearest, by a full sort in float64."""
    return np.argsort(-(queries.astype(np.float64) @ vectors.astype(np.float64).T), axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="session")
def clustered() -> tuple[np.ndarray, np.ndarray]:
    """1,500 unit rows of 32 dimensions around 50 centres, and 40 queries from the same centres. Read only."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, 32))
    points = centres[rng.integers(0, 50, 1540)] + 1.2 * rng.standard_normal((1540, 32))
    return unit(points[:1500]), unit(points[1500:])


LOCAL = [name for name, spec in INDEXES.items() if spec.library != "pymilvus"]  # test_milvus.py has the others


@pytest.fixture(params=LOCAL)
def index_name(request) -> str:
    """Every entry of the INDEXES table in turn."""
    return request.param


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Pictures


class MeanColour:
    """A picture's embedding is its mean colour: (r, g, b, 0, 0, 0, 0, 0), scaled to length 1. A text names a colour."""

    name, dim, has_text = "mean-colour", 8, True
    how, transform, stand_in = How("cpu", "numpy", "float32"), "own", True

    def __init__(self, weights_sha256: str = "ab" * 32):
        self.weights_sha256 = weights_sha256
        self.encoded = 0  # pictures so far

    def preprocess(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(image, np.float64).mean(axis=(0, 1)) for image in images])

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        self.encoded += len(pixels)
        return self.rows(pixels)

    def rows(self, colours: np.ndarray) -> np.ndarray:
        return unit(np.pad(np.asarray(colours, np.float64), ((0, 0), (0, self.dim - 3))))

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images))

    def text_notice(self, text: str) -> str:
        return ""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        try:
            return self.rows(np.array([ImageColor.getrgb(text) for text in texts]))
        except ValueError as error:
            raise BadQuery(str(error)) from error


def png(colour: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), tuple(colour)).save(buffer, "PNG")
    return buffer.getvalue()


class ColourPictures(Pictures):
    """One colour a picture; rows in `absent` have no picture, rows in `broken` have bytes that are none."""

    def __init__(self, colours: np.ndarray, labels: np.ndarray, absent=(), broken=(), missing=""):
        self.colours, self.labels = colours, np.asarray(labels, np.int16)
        self.absent, self.broken, self._missing = set(absent), set(broken), missing

    @property
    def missing(self) -> str:
        return self._missing

    def has(self, row: int) -> bool:
        return row not in self.absent

    def encoded(self, row: int) -> bytes | None:
        if row in self.absent:
            return None
        return b"not a picture" if row in self.broken else png(self.colours[row])

    def rows_of(self) -> np.ndarray:
        """(n, 8) float32: what MeanColour makes of each row."""
        return unit(np.pad(self.colours.astype(np.float64), ((0, 0), (0, 5))))


CLASSES = ("reddish", "greenish", "bluish")


def colour_pictures(number: int, seed: int, **gaps) -> ColourPictures:
    """Random colours without black; the label is the strongest channel."""
    colours = np.random.default_rng(seed).integers(1, 256, (number, 3)).astype(np.uint8)
    return ColourPictures(colours, colours.argmax(axis=1), **gaps)


def colour_gallery(number: int = 300, **gaps) -> Gallery:
    return Gallery(
        name="colours",
        label_names=("n0", "n1", "n2"),
        class_names=CLASSES,
        pictures=colour_pictures(number, seed=0, **gaps),
        queries=colour_pictures(30, seed=1),
        fingerprint="colours-1",
    )


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(own=tmp_path / "own", shipped=tmp_path / "shipped")


class World:
    """The tables with one gallery, `colours`, and one encoder, `mean-colour`, both of which a test may replace."""

    def __init__(self, store: Store):
        self.store, self.gallery, self.encoder = store, colour_gallery(), MeanColour()

    def library(self, **options) -> Library:
        """A fresh one, as after a restart."""
        return Library(self.store, **options)

    def built(self, limit: int | None = None, **options) -> Library:
        library = self.library()
        library.build(Key("colours", "mean-colour", limit=limit), **options)
        return library

    def ready(self, metric: str = "ip") -> Library:
        """A fresh one over what `built` makes: the first of a process is kept, and copied for all that start alike."""
        key = Key("colours", "mean-colour", metric=metric)
        held, encoder = (self.gallery.pictures, self.gallery.queries), self.encoder
        facts = [(each.colours.tobytes(), each.labels.tobytes(), {*each.absent}, {*each.broken}) for each in held]
        alike = repr((facts, type(encoder).__name__, encoder.weights_sha256, self.gallery.fingerprint, metric))
        kept = Path(_kept().name) / sha256(alike.encode()).hexdigest()
        if kept.exists() and not self.store.own.exists():
            shutil.copytree(kept, self.store.own)
        else:
            self.library(metric=metric).build(key)
            shutil.copytree(self.store.own, kept, dirs_exist_ok=True)
        return self.library(metric=metric)

    def change(self, **fields) -> None:
        self.gallery = replace(self.gallery, **fields)

    @property
    def folder(self) -> Path:
        return self.store.own / "colours" / "mean-colour"


@functools.cache
def _kept() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="worlds-")


@pytest.fixture
def world(store, monkeypatch) -> World:
    return placed(World(store), monkeypatch)


def placed(world: World, monkeypatch) -> World:
    """Puts its gallery and its encoder into the tables."""
    spec = GallerySpec("colours", "plain colours", None, lambda *args, **options: world.gallery)
    monkeypatch.setitem(gallery_table.GALLERIES, "colours", spec)
    known = EncoderSpec("mean-colour", "bundled", "none", "none", 0, 8, 4, True, 0, "none")
    monkeypatch.setitem(encoder_table.ENCODERS, "mean-colour", replace(known, shipped="bundled.safetensors"))
    monkeypatch.setattr(encoder_table, "load", lambda name, **options: world.encoder)
    return world

"""Processes killed at random moments: builds, and the first use of an index, which builds and keeps it, also by a page.

What a build has told as done must never be embedded again, what was built before stays whole, and the next process ends
what the killed one began. Pictures and encoder are tiny, so that much of the time goes into what is written.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from searchdemo.bench.child import ROOT
from searchdemo.bench.hold import killed_pages
from searchdemo.bench.hold.outcome import Outcome, Size, counter
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench
from searchdemo.collection.build import build
from searchdemo.collection.library import Library
from searchdemo.collection.progress import Progress
from searchdemo.collection.store import VECTORS, Artifact, Key, Store
from searchdemo.encoders.base import How
from searchdemo.errors import NotBuilt, SearchDemoError
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.vectors import StoredVectors, unit

PICTURES, BATCH = 96, 4
INDEX = "hnsw"
PATIENCE_S = 60.0
# What would else be imported while the clock of a kill runs
PRELOADED = [__name__, "searchdemo.galleries.folder", "searchdemo.indexes.faiss_index"]


class MeanColour:
    """Of each picture, as a unit row. Named as an encoder of the table, so that a library opens what it built."""

    name, dim, has_text = "bundled", 8, False
    how, transform, stand_in, weights_sha256 = How("cpu", "numpy", "float32"), "own", True, "ab" * 32

    def __init__(self) -> None:
        self.encoded = 0  # pictures so far

    def preprocess(self, images: Iterable[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(image) for image in images])

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        self.encoded += len(pixels)
        return unit(np.pad(pixels.mean(axis=(1, 2)), ((0, 0), (0, self.dim - 3))).astype(np.float32))

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def text_notice(self, text: str) -> str:
        return ""


class Place:
    """A folder of pictures, a home, and what processes say of themselves."""

    def __init__(self, root: Path):
        self.pictures, self.home, self.said = root / "pictures", root / "home", root / "said"
        self.key = Key(f"folder:{self.pictures}", MeanColour.name)
        self.store = Store(self.home / "indexes", root / "nothing")

    def draw(self) -> np.ndarray:
        """Writes pictures of one colour each. Returns the vectors that they have, (PICTURES, dim)."""
        self.pictures.mkdir()
        colours = np.random.default_rng(0).integers(1, 256, (PICTURES, 3), np.uint8)
        images = [Image.fromarray(np.tile(colour, (4, 4, 1))) for colour in colours]
        for number, image in enumerate(images):
            image.save(self.pictures / f"{number}.png")
        return MeanColour().encode_images(images)

    def tell(self, *facts: int) -> None:
        with self.said.open("a") as file:  # one write, and nothing that a kill could keep back
            file.write(" ".join(map(str, facts)) + "\n")

    def told(self) -> list[list[int]]:
        """What the latest process said so far."""
        lines = self.said.read_text().splitlines() if self.said.exists() else []
        return [[int(fact) for fact in line.split()] for line in lines]

    def built(self) -> Artifact | None:
        """Raises BadArtifact where it is not whole."""
        try:
            artifact = self.store.open(self.key)
        except NotBuilt:
            return None
        for name in artifact.manifest.files:
            artifact.file(name)
        return artifact


def build_once(place: Place) -> None:
    """Tells (pictures done, those that it embedded itself) after each pass."""
    os.environ["SEARCHDEMO_HOME"] = str(place.home)
    encoder = MeanColour()

    def report(progress: Progress) -> None:
        if "embedding" in progress.stage:
            place.tell(progress.done, encoder.encoded)

    gallery = open_gallery(place.key.gallery)
    place.tell(0, 0)
    build(gallery, encoder, place.store, place.key, report, BATCH, rebuild=True)


def use_once(place: Place) -> None:
    """Tells how many vectors the index does not find as their own nearest."""
    os.environ["SEARCHDEMO_HOME"] = str(place.home)
    place.tell(-1)
    collection = Library(place.store).open(place.key.gallery, place.key.encoder)
    vectors = collection.vectors.all()
    found = collection.index(INDEX).search(vectors, 1).positions[:, 0]
    own = np.einsum("nd,nd->n", vectors, vectors[found]) > 1 - 1e-3  # equal vectors serve each other
    place.tell(int((~own).sum()))


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    found, rng, context = Outcome(), random.Random(bench.seed), _context()
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # A fork server looks there alone for what it is to import.
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"PYTHONPATH": path}):
        place = Place(Path(folder).resolve())
        vectors = place.draw()
        tell = counter(bench, "kills of a build", size.killed_builds)
        faults = killed_builds(place, vectors, size.killed_builds, rng, context, tell)
        found.none_of(f"faults after {size.killed_builds} kills of a build at random moments", faults, "faults")
        tell = counter(bench, "kills of a process that builds an index", size.killed_uses)
        faults = killed_first_uses(place, size.killed_uses, rng, context, tell)
        name = f"faults after {size.killed_uses} kills of a process in the first use of an index"
        found.none_of(name, faults, "faults")
    if size.killed_pages:
        tell = counter(bench, "kills of the page", size.killed_pages)
        faults = killed_pages.faults_of(size.killed_pages, rng, tell)
        name = f"faults after {size.killed_pages} kills of the page in the first use of an index"
        found.none_of(name, faults, "faults")
    return found


def _context() -> BaseContext:
    """Processes that have imported all of this already, where the system can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def killed_builds(
    place: Place, vectors: np.ndarray, count: int, rng: random.Random, context: BaseContext, tell: Callable[[int], None]
) -> list[str]:
    """What went wrong. tell: gets the kills so far."""
    faults: list[str] = []
    usual_s = usual(context, build_once, place)
    killed, done, before = 0, 0, _identity(place)
    while killed < count:
        if not done and rng.random() < 0.5:  # else what was built before has to stay
            shutil.rmtree(place.home)
            before = None
        _, code = ended(context, build_once, place, rng.uniform(0, usual_s))
        killed += code != 0  # some end before that
        tell(killed)
        faults += [f"a build ended with {code}"] * (code > 0)
        faults += _lost(place, done)
        now = _checked(place, faults)
        if before is not None and now is None:
            faults.append("what was built before is gone")
        done = 0 if now != before else max([done, *(first for first, _ in place.told())])
        before = now
    _, code = ended(context, build_once, place)
    faults += _lost(place, done)
    if code:
        faults.append(f"the last build ended with {code}")
    elif not same(vectors, place.built()):
        faults.append("the last build has wrong vectors")
    return faults


def _lost(place: Place, done: int) -> list[str]:
    """done: pictures that the process before had told as done."""
    again = [done - (so_far - own) for so_far, own in place.told() if own]
    return [f"{max(again)} pictures were embedded again"] if again and max(again) > 0 else []


def _checked(place: Place, faults: list[str]) -> int | None:
    try:
        return _identity(place)
    except SearchDemoError as error:
        faults.append(str(error))
        return None


def _identity(place: Place) -> int | None:
    """Of the state in place, None where there is none. Each build writes its manifest while the former one exists."""
    artifact = place.built()
    return (artifact.folder / "manifest.json").stat().st_ino if artifact else None


def same(vectors: np.ndarray, artifact: Artifact | None) -> bool:
    """Whether these are stored, each once, in any order."""
    if artifact is None or artifact.manifest.vectors != len(vectors):
        return False
    cosines = vectors @ StoredVectors(artifact.file(VECTORS)).all().T
    return bool(
        (np.sort(cosines.argmax(axis=1)) == np.arange(len(vectors))).all() and cosines.max(axis=1).min() > 0.999
    )


def killed_first_uses(
    place: Place, count: int, rng: random.Random, context: BaseContext, tell: Callable[[int], None]
) -> list[str]:
    """What went wrong. The gallery is built."""
    faults: list[str] = []
    usual_s, killed = usual(context, use_once, place), 0
    while killed < count:
        for path in (place.store.own / place.key.folder).glob(f"{INDEX}.*"):
            path.unlink()
        _, code = ended(context, use_once, place, rng.uniform(0, usual_s))
        killed += code != 0
        tell(killed)
        faults += [f"a process ended with {code}"] * (code > 0)
        _, code = ended(context, use_once, place)
        if code or place.told()[-1] != [0]:
            faults.append(f"the next process ended with {code} and missed {place.told()[-1][0]} vectors")
    return faults


def usual(context: BaseContext, work: Callable[[Place], None], place: Place) -> float:
    """The seconds that it takes alone, once everything was imported and read by a process before it."""
    ended(context, work, place)
    for path in (place.store.own / place.key.folder).glob(f"{INDEX}.*"):
        path.unlink()
    seconds, code = ended(context, work, place)
    if code:
        raise SearchDemoError(f"{work.__name__} ended with {code} before anything was killed.")
    return seconds


def ended(
    context: BaseContext, work: Callable[[Place], None], place: Place, kill_after_s: float | None = None
) -> tuple[float, int]:
    """Runs it in a process of its own until its end, or so long after its first word. Returns the seconds after that
    word, and how it ended.
    """
    place.said.unlink(missing_ok=True)
    process = context.Process(target=work, args=(place,))  # type: ignore[attr-defined]
    process.start()
    latest = time.monotonic() + PATIENCE_S
    while not place.said.exists() and process.is_alive() and time.monotonic() < latest:
        time.sleep(0.001)
    started = time.perf_counter()
    process.join(PATIENCE_S if kill_after_s is None else kill_after_s)
    process.kill()
    process.join()
    return time.perf_counter() - started, process.exitcode or 0

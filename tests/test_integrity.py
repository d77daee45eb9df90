"""Every byte that ships is noticed when it changes: a sentence names the file and the remedy, whatever reads it."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from searchdemo import assets, shipped
from searchdemo.cli.list import built as list_built
from searchdemo.collection import snapshot
from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.weights import read_weights
from searchdemo.errors import BadArtifact
from searchdemo.galleries import scenes, tiny_imagenet
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.measure import cards
from searchdemo.ui.tradeoffs import cards as offered
from tests.conftest import colour_pictures

NAMES = [name for name in shipped.listed(shipped.LIST) if not name.startswith("searchdemo/")]
CHECKOUT = assets.ROOT
TIMES = itertools.count(10**9)
FLIPS = 4  # places in each file, one bit of each


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """All that ships, as links; a test puts a copy in the place of one."""
    root = tmp_path_factory.mktemp("shipped")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(assets.ROOT / name)
    return root


@pytest.fixture
def placed(tree, monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "ROOT", tree)
    for folder in ("INDEXES", "WEIGHTS", "CARDS"):
        monkeypatch.setattr(assets, folder, tree / folder.lower())
    monkeypatch.setattr(scenes, "FILE", tree / "indexes" / "scenes" / "scenes.zip")
    monkeypatch.setattr(tiny_imagenet, "ROWS_PATH", tree / "indexes" / "tiny-imagenet" / "gallery.npz")
    monkeypatch.setattr(tiny_imagenet, "BLURS_PATH", tree / "indexes" / "tiny-imagenet" / "blurs.npz")
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path))
    return tree


def read(path: Path) -> object:
    return read_weights(path, "numpy")


def use_of(name: str) -> Callable[[Path], object]:
    """What reads this file."""
    folder, *parts = Path(name).parts
    if folder == "cards":
        return lambda root: cards.load(root / name)
    if folder == "weights":
        return lambda root: (read if name.endswith("safetensors") else shipped.check)(root / name)
    if len(parts) == 2:
        return lambda root: open_gallery(parts[0]).pictures.encoded(0)
    if parts[-1].startswith("calibration."):
        return lambda root: curve_of(Library(Store()).open(parts[0], parts[1]))
    return lambda root: Library(Store()).open(parts[0], parts[1]).map()


def curve_of(collection: Collection) -> object:
    return collection.shelf.calibration(collection.artifact, collection.snapshot)


@contextlib.contextmanager
def instead(path: Path, content: bytes) -> Iterator[None]:
    """Other bytes in the place of a link."""
    link = path.readlink()
    path.unlink()
    try:
        path.write_bytes(content)
        os.utime(path, ns=(0, next(TIMES)))  # or a digest of the one before may be remembered
        yield
    finally:
        path.unlink()
        path.symlink_to(link)


def test_the_list_is_of_the_files_that_are_here():
    assert shipped.LIST.read_text() == shipped.found(), "run: python -m searchdemo.shipped --write"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("blurs.npz")])
def test_a_flipped_bit_of_any_file_is_told_by_what_reads_it(name, placed):
    path, rng, use = placed / name, random.Random(name), use_of(name)
    whole = path.read_bytes()
    for place in [0, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(FLIPS - 2))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        with instead(path, damaged), pytest.raises(BadArtifact) as told:
            use(placed)
        said = str(told.value)
        assert said.startswith(f"{path} is damaged (its SHA-256")
        assert said.endswith("get it again with `git checkout`, or install searchdemo again.")
    use(placed)


def test_a_damaged_file_of_blurs_is_grey_tiles_and_a_line_in_the_log(placed, caplog):
    path = placed / "indexes" / "tiny-imagenet" / "blurs.npz"
    assert open_gallery("tiny-imagenet").pictures.blur(7) is not None
    gallery = open_gallery("tiny-imagenet")
    with instead(path, path.read_bytes()[:-1]), caplog.at_level(logging.WARNING):
        assert [gallery.blur(row) for row in range(24)] == [None] * 24
    (line,) = caplog.messages
    assert f"{path} is damaged" in line and "git checkout" in line and "grey tiles" in line


def test_a_damaged_card_is_told_as_damaged_and_not_as_missing(placed):
    path, roots = placed / "cards" / "tiny-imagenet" / "bundled" / "tradeoff.json", (cards.own_cards(), assets.CARDS)
    asked = "tradeoff", Key("tiny-imagenet", "bundled"), *roots
    assert cards.find(*asked).gallery == "tiny-imagenet"
    with instead(path, path.read_bytes().replace(b"1", b"2", 1)):
        with pytest.raises(BadArtifact, match=r"tradeoff\.json is damaged .*git checkout"):
            cards.find(*asked)
        assert list(cards.cards(*roots, benchmark="tradeoff")) == []
        assert "tradeoff.json is damaged" in offered.damaged()
    assert offered.damaged() == ""


@pytest.mark.parametrize("text", ["", "null", "[]", '{"format": 1', '{"format": 1, "files": []}', "\0" * 9])
def test_an_own_card_that_is_none_is_told_and_one_of_another_version_is_passed_over(text, placed, tmp_path):
    path = tmp_path / "cards" / "scenes" / "bundled" / "tradeoff.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BadArtifact, match=r"tradeoff\.json is not a run card"):
        cards.find("tradeoff", Key("scenes", "bundled"), cards.own_cards())
    path.write_text('{"format": 99}')
    assert cards.find("tradeoff", Key("scenes", "bundled"), cards.own_cards()) is None


def test_the_list_notices_its_own_damage(tmp_path):
    whole, rng = shipped.LIST.read_bytes(), random.Random(0)
    for number in range(60):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole) - 1)] ^= 1 << rng.randrange(8)
        (path := tmp_path / f"{number}").write_bytes(damaged)
        with pytest.raises(BadArtifact, match="the list of what ships, is damaged"):
            shipped.listed(path)


def test_a_header_of_weights_that_is_damaged_is_a_sentence(tmp_path):
    whole = (assets.WEIGHTS / encoder_table.ENCODERS["bundled"].shipped).read_bytes()[: 2**20]
    for place in range(8, 200, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80  # no longer UTF-8
        (tmp_path / "w.safetensors").write_bytes(damaged)
        with pytest.raises(BadArtifact, match="not a whole safetensors file"):
            read_weights(tmp_path / "w.safetensors", "numpy")


def test_files_of_others_are_not_compared(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert shipped.check(tmp_path / "a.json") == tmp_path / "a.json"


@pytest.mark.parametrize("times", [1, 3])
def test_a_rebuild_between_a_checksum_and_the_opening_is_no_damage(world, monkeypatch, times):
    """The vectors that are answered from are those of the manifest, however often they are replaced meanwhile."""
    library, done = world.ready(), []

    class Late(StoredVectors):
        def __init__(self, path: Path):
            if len(done) < times:
                done.append(path)
                world.encoder.weights_sha256 = f"{len(done):02}" * 32
                world.change(pictures=colour_pictures(300, seed=10 + len(done)))
                world.built(rebuild=True)
            super().__init__(path)

    monkeypatch.setattr(snapshot, "StoredVectors", Late)
    collection = library.open("colours", "mean-colour")
    assert collection.artifact.manifest.weights_sha256 == f"{times:02}" * 32
    right = colour_pictures(300, seed=10 + times).rows_of()
    assert np.abs(collection.vectors.all() - right).max() < 2**-10


@pytest.mark.parametrize("number", [300, 299])
def test_an_index_that_is_replaced_between_its_checksum_and_its_opening_is_none(number, world, monkeypatch):
    """Of as many other vectors, it would answer with the pictures of other positions; of fewer, it is no damage."""
    library = world.ready()
    library.open("colours", "mean-colour").index("hnsw")
    collection, real = world.library().open("colours", "mean-colour"), IndexSpec.load

    def load(spec, path, vectors, dim):
        if spec.name == "hnsw" and world.gallery.fingerprint != "others":
            world.change(pictures=colour_pictures(number, seed=11), fingerprint="others")
            world.built(rebuild=True).open("colours", "mean-colour").index("hnsw")
        return real(spec, path, vectors, dim)

    monkeypatch.setattr(IndexSpec, "load", load)
    index = collection.index("hnsw")
    assert (index.search(collection.vectors.all(), 1).positions[:, 0] == np.arange(300)).mean() > 0.9
    later = world.library().open("colours", "mean-colour")
    assert len(later) == number and later.shelf.has_index("hnsw", later.artifact, later.snapshot)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "1", '{"format": 1}', "{", "\ufeff{}", '{"format": 1, "files": ["ivf.faiss"]}', "\0" * 700],
)
def test_a_manifest_that_is_none_is_told_with_what_mends_it(world, text):
    library = world.ready()
    whole = (world.folder / "manifest.json").read_text()
    (world.folder / "manifest.json").write_text(text)
    with pytest.raises(BadArtifact, match=r"is not a manifest that this version reads .* --rebuild`"):
        library.open("colours", "mean-colour")
    assert list_built(world.store) == []
    world.built(rebuild=True)
    assert json.loads(whole)["files"] == world.store.open(Key("colours", "mean-colour")).manifest.files


@pytest.mark.parametrize(("name", "value"), [("files", ["ivf.faiss"]), ("vectors", "many"), ("encoder", None)])
def test_a_manifest_whose_facts_are_of_another_type_is_none(world, name, value):
    library, path = world.ready(), world.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(BadArtifact, match=f"{name} .*, wanted"):
        library.open("colours", "mean-colour")

"""A build of a person's folder that is killed: nothing finished is lost, and the next one ends right."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import unit
from tests.living import LivingFolder, three_colours


@pytest.fixture
def mine(tmp_path, world) -> LivingFolder:
    return three_colours(tmp_path / "mine", world)


KILL_ME = """
import os, signal, sys
from pathlib import Path
from tests.conftest import MeanColour
from searchdemo.collection import build, embed
from searchdemo.collection.store import Key, Store
from searchdemo.galleries.table import open_gallery

embed.PASS_SECONDS, embed.FIRST_BATCH = float("inf"), 10
encoder, gallery, most = MeanColour(), sys.argv[2], int(sys.argv[3])

def report(progress):
    if encoder.encoded >= most:
        os.kill(os.getpid(), signal.SIGKILL)

build.build(open_gallery(gallery), encoder, Store(own=Path(sys.argv[1])), Key(gallery, "mean-colour"), report, 10)
"""


def test_a_kill_loses_nothing_finished_though_the_folder_changes_meanwhile(mine, tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    mine.add_many(97)
    command = [sys.executable, "-c", KILL_ME, str(mine.world.store.own), mine.key.gallery]
    for most in (30, 20):
        done = subprocess.run([*command, str(most)], cwd=Path(__file__).parents[1], env=os.environ)
        assert done.returncode == -signal.SIGKILL
    mine.add("aa, before all others.png", 7, 7, 9)
    (mine.root / "b" / "green.png").rename(mine.root / "a.png")
    mine.world.encoder.encoded = 0
    artifact = mine.build()
    assert artifact.manifest.vectors == 101 and mine.world.encoder.encoded == 101 - 50
    assert not [*artifact.folder.glob("*.partial")]


class Killed(BaseException):
    """As a signal that nobody can catch, as far as one process can play it."""


@pytest.mark.parametrize(
    ("place", "function", "lost", "calls"),
    [
        ("collection.journal.Journal.add", "before", 10, 4),  # the batch that was on its way
        ("collection.journal.Journal.add", "after", 0, 4),
        ("galleries.catalog.Catalog.remember", "before", 0, 4),
        ("galleries.catalog.Catalog.remember", "after", 0, 4),
        ("galleries.catalog.Catalog.keep_rows", "before", 0, 1),
        ("galleries.catalog.Catalog.keep_rows", "after", 0, 1),
        ("collection.build.in_order", "before", 0, 1),
        ("collection.build.sha256_of", "before", 0, 1),
        ("collection.store.write_json", "before", 0, 1),
        ("collection.store.Store.publish", "before", 0, 1),
        ("collection.store.shutil.rmtree", "before", 0, 1),
        ("collection.store.shutil.rmtree", "after", 0, 1),
    ],
)
def test_killed_at_any_place_a_build_goes_on_and_ends_right(mine, monkeypatch, steady, place, function, lost, calls):
    mine.add_many(97)
    kind, passed = type(mine.world.encoder), []
    whole_encode, name = kind.encode_pixels, f"searchdemo.{place}"
    module, _, attribute = name.rpartition(".")

    def encode_pixels(self, pixels):
        passed.append(len(pixels))
        return whole_encode(self, pixels)

    monkeypatch.setattr(kind, "encode_pixels", encode_pixels)
    count = 0
    with pytest.MonkeyPatch.context() as patched:
        target = pkgutil.resolve_name(module)
        original = getattr(target, attribute)

        def deadly(*given, **options):
            nonlocal count
            count += 1
            if count == calls and function == "before":
                raise Killed
            result = original(*given, **options)
            if count == calls:
                raise Killed
            return result

        patched.setattr(target, attribute, deadly)
        with contextlib.suppress(Killed):
            mine.build(batch_size=10)
    finished = sum(passed) - lost * (count >= calls)
    passed.clear()
    artifact = mine.build(batch_size=10)
    assert artifact.manifest.vectors == 100 and sum(passed) == 100 - finished
    collection = mine.open()
    rows, vectors = collection.gallery_rows(np.arange(100)), collection.vectors.all()
    for row, vector in zip(rows, vectors, strict=True):
        colour = np.asarray(Image.open(mine.root / collection.gallery.file(row)))[0, 0]
        assert np.abs(vector - unit(np.pad(colour.astype(float), (0, 5)))).max() < 2**-10

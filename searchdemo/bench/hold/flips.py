"""One bit of every file that ships is turned over, at random places: each has to be noticed before the file is read."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from searchdemo import assets, shipped
from searchdemo.errors import BadArtifact
from searchdemo.measure.cards import Requirement

FLIPS = 100  # of each file, at scale 1


def run(scale: float, seed: int) -> list[Requirement]:
    """scale: of FLIPS; at least one place in each file."""
    made = unnoticed = 0
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for name in shipped.listed(shipped.LIST):
            if name.startswith(f"{shipped.PACKAGE.name}/"):  # names of classes, read when the package is loaded
                continue
            copy = Path(folder) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(assets.ROOT / name, copy)
            size = copy.stat().st_size
            for _ in range(max(1, round(FLIPS * scale))):
                place, bit = rng.randrange(size), 1 << rng.randrange(8)
                flip(copy, place, bit)
                made += 1
                unnoticed += not noticed(copy, Path(folder))
                flip(copy, place, bit)
            copy.unlink()
    return [Requirement(f"{made:,} flipped bits of files that ship", unnoticed, 0, unit="unnoticed")]


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ bit]))


def noticed(path: Path, root: Path) -> bool:
    """Whether the check that every reader makes refuses the file; a digest of earlier bytes is not remembered."""
    with mock.patch.object(assets, "ROOT", root), mock.patch.dict("searchdemo.files._digests", clear=True):
        try:
            shipped.check(path)
        except BadArtifact:
            return True
    return False

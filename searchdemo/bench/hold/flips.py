"""One bit of every file that ships is turned over, at random places: each has to be noticed before the file is read."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from searchdemo import assets, shipped
from searchdemo.bench.hold.outcome import Outcome, Size, counter
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench
from searchdemo.errors import BadArtifact


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    found, names = Outcome(), files()
    tell = counter(bench, "flipped bits, files", len(names))
    made, unnoticed = flipped(names, size.flips, bench.seed, tell)
    found.none_of(f"of {made:,} flipped bits of {len(names)} files that ship, those unnoticed", unnoticed, "bits")
    return found


def files() -> list[str]:
    """Names of classes are left out: they are read when the package is loaded."""
    return [name for name in shipped.listed(shipped.LIST) if not name.startswith(f"{shipped.PACKAGE.name}/")]


def flipped(names: list[str], flips: int, seed: int, tell: Callable[[int], None]) -> tuple[int, list[str]]:
    """How many bits were flipped, and the files of those that nobody noticed. flips: of each file."""
    made, unnoticed = 0, []
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            tell(number)
            copy = Path(folder) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(assets.ROOT / name, copy)
            size = copy.stat().st_size
            for _ in range(flips):
                place, bit = rng.randrange(size), 1 << rng.randrange(8)
                flip(copy, place, bit)
                made += 1
                if not noticed(copy, Path(folder)):
                    unnoticed.append(name)
                flip(copy, place, bit)
            copy.unlink()
    return made, unnoticed


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

"""The `scenes` gallery: drawn pictures with exactly true captions, in one file that comes with searchdemo.

The file is a plain zip of gallery.jsonl and queries.jsonl (one scene per line, in row order) and one WebP per row.
`python -m searchdemo.galleries.scenes --write FILE` draws it again from its seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import json
import random
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from searchdemo import assets
from searchdemo.errors import BadArtifact, NoPictures
from searchdemo.files import replacing
from searchdemo.galleries.base import Gallery, Pictures, content_digest
from searchdemo.galleries.drawing.captions import describe
from searchdemo.galleries.drawing.picture import draw
from searchdemo.galleries.drawing.scene import THINGS, Scene, random_scene, sample
from searchdemo.shipped import check

FILE = assets.INDEXES / "scenes" / "scenes.zip"
GALLERY_SEED, GALLERY_SIZE, COPIES = 44, 2000, 6  # the seed is one of 60 whose scenes answer EXAMPLES
QUERY_SEED, QUERY_SIZE = 1, 200
PX = 96  # pixels per side
WEBP_QUALITY = 75  # the highest at which the file stays well under 3 MB

EXAMPLES = (  # queries with right answers in the gallery; a test counts them
    {"colour": "red", "thing": "boat", "setting": "sea", "time": "night"},
    {"colour": "yellow", "thing": "umbrella", "setting": "street"},
    {"colour": "orange", "thing": "cat", "setting": "forest"},
    {"thing": "kite", "setting": "sky", "time": "night"},
    {"colour": "red", "thing": "train", "setting": "snow"},
    {"colour": "pink", "thing": "house", "setting": "beach"},
)


class PackedPictures(Pictures):
    """The pictures of one split, read from the open zip one at a time. Safe for concurrent readers."""

    source = "with searchdemo"

    def __init__(self, archive: zipfile.ZipFile, lock: threading.Lock, split: str, scenes: Sequence[Scene]):
        self._archive, self._lock, self._split = archive, lock, split
        self.labels = np.array([THINGS.index(scene.thing) for scene in scenes], np.int16)

    def encoded(self, row: int) -> bytes:
        """WebP, PX x PX. Raises IndexError for a row that does not exist, BadArtifact for damaged bytes."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} pictures")
        try:
            with self._lock:  # ZipFile is not safe for several threads
                return self._archive.read(_member(self._split, row))
        except Exception as error:  # zipfile and zlib raise nearly anything for damaged bytes
            raise _damaged(self._archive.filename, error) from error

    def key(self, row: int) -> bytes:
        return content_digest(self.encoded(row))


def open_scenes(**options: object) -> Gallery:
    """The gallery from FILE. Options of other galleries are ignored. Raises NoPictures, BadArtifact."""
    return open_packed(FILE)


def open_packed(path: Path) -> Gallery:
    """The gallery from a file that `write` made. Raises NoPictures, BadArtifact."""
    if not path.is_file():
        raise NoPictures(f"{path} is not there; draw it with: python -m searchdemo.galleries.scenes --write {path}")
    content = check(path).read_bytes()
    scenes, queries = load_scenes("gallery", path), load_scenes("queries", path)
    archive, lock = zipfile.ZipFile(path), threading.Lock()
    return Gallery(
        name="scenes",
        label_names=THINGS,
        class_names=THINGS,
        pictures=PackedPictures(archive, lock, "gallery", scenes),
        queries=PackedPictures(archive, lock, "queries", queries),
        fingerprint=hashlib.sha256(content).hexdigest(),
        captions=tuple(scene.caption() for scene in scenes),
        example_texts=tuple(describe(wanted) for wanted in EXAMPLES),
    )


def load_scenes(split: str = "gallery", path: Path = FILE) -> list[Scene]:
    """The scene of each picture, in row order. split: "gallery" | "queries". Raises BadArtifact."""
    try:
        with zipfile.ZipFile(path) as archive:
            lines = archive.read(f"{split}.jsonl").decode().splitlines()
        return [Scene(**json.loads(line)) for line in lines]
    except Exception as error:  # as in `encoded`, and json for what was in it
        raise _damaged(path, error) from error


def gallery_scenes() -> list[Scene]:
    return sample(GALLERY_SEED, GALLERY_SIZE, COPIES)


def query_scenes() -> list[Scene]:
    """New scenes whose thing, colour and setting occur together in the gallery, all things equally often."""
    rng = random.Random(QUERY_SEED)
    known: dict[str, list[Scene]] = {thing: [] for thing in THINGS}
    for scene in gallery_scenes():
        known[scene.thing].append(scene)
    like = [rng.choice(known[THINGS[number % len(THINGS)]]) for number in range(QUERY_SIZE)]
    return [random_scene(rng, scene.thing, scene.colour, scene.setting) for scene in like]


def write(path: Path) -> None:
    """Draws all pictures and packs them. The same Pillow writes the same bytes each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for split, scenes in (("gallery", gallery_scenes()), ("queries", query_scenes())):
            lines = "".join(json.dumps(dataclasses.asdict(scene)) + "\n" for scene in scenes)
            archive.writestr(zipfile.ZipInfo(f"{split}.jsonl"), lines, zipfile.ZIP_DEFLATED)
            for row, scene in enumerate(scenes):
                buffer = io.BytesIO()
                draw(scene, PX).save(buffer, "WEBP", quality=WEBP_QUALITY, method=6)
                archive.writestr(zipfile.ZipInfo(_member(split, row)), buffer.getvalue())


def _member(split: str, row: int) -> str:
    return f"{split}/{row:04}.webp"


def _damaged(path: Path | str | None, error: Exception) -> BadArtifact:
    return BadArtifact(
        f"{path} cannot be read ({error}); draw it again with: python -m searchdemo.galleries.scenes --write {path}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, default=FILE, metavar="FILE", help="the file (default: %(default)s)")
    write(parser.parse_args().write)


if __name__ == "__main__":
    main()

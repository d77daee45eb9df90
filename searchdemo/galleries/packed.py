"""What `push` puts into a data set of the Hugging Face hub, and its way back: hub:USER/REPO or hub:USER/REPO@REVISION.

    pack.json        the encoder, and the SHA-256 of every other file but the card
    vectors/         manifest.json, the vectors and the held-out queries as a build left them, map, calibration
    items.json       labels, captions and file names; queries.json: of the held-out queries
    blurs.npy        (n, 24) uint8, where the gallery has them; pictures.zip only where somebody asked for it
    cards/           run cards, which Trade-offs offers

A revision is fetched whole, checked, and then put into place in one go, beside what is built here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from searchdemo import scratch
from searchdemo.errors import BadArtifact, BadQuery, NoPictures
from searchdemo.files import discard, exclusive, make_folder, own_folder, sha256_of
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.hub_files import download
from searchdemo.galleries.items import ItemPictures, Items
from searchdemo.types import Blur, Count

KIND, FORMAT = "hub", 1
PACK, VECTORS = "pack.json", "vectors"
MANIFEST = f"{VECTORS}/manifest.json"
ITEMS, QUERIES, BLURS, PICTURES = "items.json", "queries.json", "blurs.npy", "pictures.zip"
CARDS = "pack/cards"  # where they lie here, in the folder of the gallery
NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
REVISION = re.compile(r"[\w-][\w.-]*", re.ASCII)


def parse(argument: str) -> tuple[str, str]:
    """(repository, revision or ""). Raises BadQuery."""
    repo, _, revision = argument.partition("@")
    if not NAME.fullmatch(repo) or (revision and not REVISION.fullmatch(revision)) or ".." in argument:
        raise BadQuery(
            f"{argument!r} is no repository of the hub: write it as USER/REPO, or USER/REPO@REVISION to read that one."
        )
    return repo, revision


def folder_of(argument: str) -> str:
    """The folder of hub:ARGUMENT in a store. Raises BadQuery."""
    repo, _ = parse(argument)
    return f"{KIND}-{repo.replace('/', '--')}-{hashlib.sha256(argument.encode()).hexdigest()[:8]}"


def open_packed(
    argument: str = "", store: Path | None = None, download: bool = False, progress: Count | None = None, **_: object
) -> Gallery:
    """Fetched where it is not here, or not the newest and no revision was named. store: the root of what is built.

    Raises NoPictures where it is neither here nor within reach, BadArtifact where it is not what was pushed.
    """
    repo, revision = parse(argument)
    root = make_folder((store or own_folder() / "indexes") / folder_of(argument))
    with exclusive(root / "fetching.lock", f"{KIND}:{argument} is being fetched"):
        here = _whole(root)
        if here is None or not revision:
            try:
                here = _fetched(repo, revision, root, progress)
            except NoPictures:
                if here is None:
                    raise  # else what is here answers, as it did yesterday
    pack = here / "pack"
    try:  # its bytes are those that somebody pushed, whatever they mean
        said = _said(pack / PACK)
        manifest = json.loads((here / said["encoder"] / "manifest.json").read_text())
        return _gallery(f"{KIND}:{argument}", pack, said, manifest)
    except scratch.DAMAGE as error:
        raise _of_others(repo, error) from error


def _of_others(repo: str, why: Exception) -> BadArtifact:
    return BadArtifact(f"{repo} of the hub holds nothing that `searchdemo push` wrote ({why}): name another one.")


def _gallery(name: str, pack: Path, said: dict, manifest: dict) -> Gallery:
    items = Items.read(pack / ITEMS)
    if manifest["vectors"] > (1 + manifest.get("tiles", 0) ** 2) * (rows := len(items.labels)):
        raise ValueError(f"{manifest['vectors']:,} vectors of {rows:,} rows")
    made = items.gallery(
        name, manifest["gallery_fingerprint"], said["encoder"], ItemPictures(Items.read(pack / QUERIES))
    )
    pictures = PackedPictures(items, pack, said["revision"])
    return Gallery(**{**vars(made), "pictures": pictures})


class PackedPictures(ItemPictures):
    def __init__(self, items: Items, pack: Path, revision: str):
        super().__init__(items)
        self._pack, self.revision = pack, revision
        self._there = (pack / PICTURES).is_file()

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._pack / PICTURES)

    @cached_property
    def _blurs(self) -> np.ndarray | None:
        def blurs(path: Path) -> np.ndarray:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            if (found.shape, found.dtype) != ((self.count, 24), np.uint8):
                raise ValueError(f"{found.dtype} of shape {found.shape} for {self.count:,} rows")
            return found

        return scratch.read(self._pack / BLURS, blurs)

    def has(self, row: int) -> bool:
        return self._there

    def encoded(self, row: int) -> bytes | None:
        return scratch.read(self._pack / PICTURES, lambda path: self._zip.read(str(row))) if self._there else None

    def blur(self, row: int) -> Blur | None:
        return None if self._blurs is None else Blur(self._blurs[row].tobytes())


def _whole(root: Path) -> Path | None:
    """The folder, where all that was fetched is there and is still what it was."""

    def whole(path: Path) -> bool:
        said = _said(path)
        wrong = [] if MANIFEST in said["files"] else [MANIFEST]
        wrong += [
            name for name, digest in said["files"].items() if sha256_of(_placed(root, said["encoder"], name)) != digest
        ]
        if wrong or not isinstance(said["revision"], str):
            raise ValueError(f"{', '.join(wrong)[:200] or 'its revision'} is not what was fetched")
        return True

    return root if scratch.read(root / "pack" / PACK, whole) else None


def _said(path: Path) -> dict:
    """What a `pack.json` says. Raises what tells `scratch.read` that it is none."""
    said = json.loads(path.read_text())
    scratch.check_format(said["format"], FORMAT)
    if not re.fullmatch(r"[\w-]+", said["encoder"]) or said["encoder"] == "pack":
        raise ValueError(f"{said['encoder']!r} is no encoder")
    for name, digest in said["files"].items():
        if not isinstance(digest, str):
            raise ValueError(f"no SHA-256 of {name}")
    return said


def _placed(root: Path, encoder: str, name: str) -> Path:
    """Where a file of the repository lies here: vectors where a build would have put them."""
    return root / encoder / name.removeprefix(f"{VECTORS}/") if name.startswith(f"{VECTORS}/") else root / "pack" / name


def _fetched(repo: str, revision: str, root: Path, progress: Count | None) -> Path:
    """Raises NoPictures, BadArtifact."""
    otherwise = "name a gallery that is here"
    folder, commit = download(repo, lambda name: name == PACK, None, otherwise, revision or None)
    try:
        said = _said(folder / PACK)
        files, encoder = said["files"], said["encoder"]
    except scratch.Newer as error:
        raise BadArtifact(
            f"{repo} of the hub was pushed by a later version of searchdemo ({error}): {scratch.UPDATE}, or name an "
            f"earlier revision as hub:{repo}@REVISION."
        ) from error
    except scratch.DAMAGE as error:
        raise _of_others(repo, error) from error
    if any(not re.fullmatch(r"(vectors/|cards/)?[\w.-]+", name, re.ASCII) or ".." in name for name in files):
        raise BadArtifact(f"{PACK} of {repo} names files that `searchdemo push` does not write: name another one.")
    if MANIFEST not in files:
        raise BadArtifact(f"{repo} of the hub holds no vectors that `searchdemo push` wrote: name another one.")
    if _whole(root) and _said(root / "pack" / PACK)["revision"] == commit:
        return root
    folder, _ = download(repo, lambda name: name in files, progress, otherwise, commit)
    work = root / ".fetched"
    discard(work)
    for name, digest in files.items():
        source = (folder / name).resolve()
        if not source.is_file() or sha256_of(source) != digest:
            raise BadArtifact(f"{name} of {repo} at {commit[:12]} is not what was pushed: push it again.")
        target = _placed(work, encoder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (work / "pack").mkdir(exist_ok=True)
    (work / "pack" / PACK).write_text(json.dumps(said | {"revision": commit}))
    for part in ("pack", encoder):  # in this order: without its `pack`, what is here counts as absent
        discard(root / part)
    (work / encoder).replace(root / encoder)
    (work / "pack").replace(root / "pack")
    discard(work)
    return root

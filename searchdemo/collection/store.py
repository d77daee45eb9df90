"""What is on disk of a gallery seen by an encoder: manifest, checksums, atomic writes.

    <root>/<gallery>/metadata.sqlite           the facts about the pictures; in the person's own root alone
    <root>/<gallery>/<encoder>/manifest.json   what the vectors belong to, and the SHA-256 of every file
                               ivf.faiss       the stored vectors, and the inverted file at once
                               queries.npy     embeddings of the held-out queries, half floats (q, dim)
                               rows.npy        gallery row of each position; absent when position = row
                               digests.npy     of a person's folder: the content of each position's picture
                               <index>.faiss   other indexes that were built, each with <index>.faiss.json beside it
                               map.npy         where each position lies on the map, with map.npy.json beside it

There are two roots: `indexes/` beside the package, which ships, and the person's own, which builds go to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from searchdemo import assets, scratch, shipped
from searchdemo.collection.tiles import SIZES, per_picture
from searchdemo.errors import BadArtifact, NotBuilt, SearchDemoError
from searchdemo.files import discard, exclusive, make_folder, own_folder, sha256_of, write_json
from searchdemo.galleries import packed
from searchdemo.galleries.imported import folder_of
from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.beside import beside

FORMAT = 1
VECTORS = "ivf.faiss"
METADATA = "metadata.sqlite"  # the facts about a gallery's pictures, beside the folders of its encoders
DIGESTS, QUERY_DIGESTS = "digests.npy", "query_digests.npy"
BUILDING, TRAINING, OLD = ".building", ".training", ".old"  # suffixes of folders that are not in place
SWAP_SECONDS = 1.0  # a reader waits at most this long for a folder that is being replaced
NAME_BYTES = 60  # of the name of a person's folder that go into ours; file systems take 255 in all
# A field's type as it is written -> what JSON makes of it
KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool, "dict": dict}
KINDS |= {"dict[str, str]": dict}

T = TypeVar("T")


def own_root() -> Path:
    """Where builds go."""
    return own_folder() / "indexes"


@dataclass(frozen=True)
class Key:
    """What makes one set of vectors differ from another."""

    gallery: str
    encoder: str
    transform: str = "own"  # of the encoder: "own" | "full"
    metric: str = "ip"
    limit: int | None = None  # only this many pictures, balanced over classes

    @property
    def folder(self) -> Path:
        """gallery/encoder, with what is not the usual after the encoder's name."""
        unusual = [self.transform] * (self.transform != "own") + [self.metric] * (self.metric != "ip")
        unusual += [f"n{self.limit}"] * (self.limit is not None)
        gallery = self.gallery
        kind, _, place = gallery.partition(":")
        if place and kind in ("folder", "list"):
            gallery = name_for(kind, Path(place).resolve())
        elif gallery.startswith("hf:"):
            # no path, unless the command line made it whole
            gallery = name_for("hf", Path(gallery.removeprefix("hf:")))
        elif gallery.startswith("hub:"):
            gallery = packed.folder_of(gallery.removeprefix("hub:"))
        elif gallery.startswith("vectors:"):
            gallery = folder_of(gallery.removeprefix("vectors:"))
        return Path(gallery) / "-".join([self.encoder, *unusual])

    @property
    def map_command(self) -> str:
        return f"{self.build_command} --map"

    @property
    def rebuild_command(self) -> str:
        """Makes the vectors again, where `build_command` only adds what is missing."""
        if self.gallery.startswith("vectors:"):
            name = self.gallery.removeprefix("vectors:")
            return f"python -m searchdemo import --name {name} --vectors FILE --replace"
        return f"{self.build_command} --rebuild"

    @property
    def build_command(self) -> str:
        """Options may follow."""
        words = ["python -m searchdemo build", f"--gallery {shlex.quote(self.gallery)}", f"--encoder {self.encoder}"]
        words += [f"--transform {self.transform}"] * (self.transform != "own")
        words += [f"--metric {self.metric}"] * (self.metric != "ip")
        words += [f"--limit {self.limit}"] * (self.limit is not None)
        return " ".join(words)


@dataclass(frozen=True)
class Manifest:
    """What the vectors in a folder belong to."""

    gallery: str
    gallery_fingerprint: str
    encoder: str
    weights_sha256: str
    transform: str
    metric: str
    dim: int
    vectors: int
    queries: int
    files: dict[str, str]  # name -> SHA-256
    stand_in: bool = False  # made with a test's weights
    precision: str = ""  # of the encoder's forward pass
    embed_seconds: float = 0.0  # gallery and queries together
    built: dict = field(default_factory=dict)  # when, on what, with which versions
    format: int = FORMAT
    tiles: int = 0  # per side: each picture has vectors of so many squared parts, too, see tiles.py

    @property
    def each(self) -> int:
        """Vectors per picture."""
        return per_picture(self.tiles)

    @property
    def pictures(self) -> int:
        return self.vectors // self.each

    @property
    def embedded(self) -> int:
        """Pictures and queries that `embed_seconds` were spent on: all but those whose vectors were stored already."""
        return self.pictures + self.queries - self.built.get("reused", 0)

    @property
    def unreadable(self) -> dict[str, str]:
        """ "row 4" or "query 4" -> why the build left its picture out. Of files, the gallery's report says it."""
        of_each = self.built.get("unreadable", {})
        found = (
            (part, reason, row) for part, those in of_each.items() for reason, rows in those.items() for row in rows
        )
        return {f"{part} {row}": reason for part, reason, row in found}


@dataclass(frozen=True)
class Artifact:
    """A folder whose manifest was read. Files are verified when they are asked for."""

    key: Key
    folder: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """The path of a file whose checksum holds. Raises BadArtifact."""
        path = self.folder / name
        try:
            digest = sha256_of(shipped.check(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadArtifact(f"{path} is missing; build it again with `{self.key.rebuild_command}`.") from error
        except OSError as error:
            said = f"cannot be read ({error.strerror}); mend it with `{self.key.rebuild_command}`."
            raise BadArtifact(f"{path} {said}") from error
        if digest != self.manifest.files.get(name):
            raise BadArtifact(f"{path} does not match its checksum; mend it with `{self.key.rebuild_command}`.")
        return path

    def has(self, name: str) -> bool:
        return name in self.manifest.files

    @property
    def vectors_sha256(self) -> str:
        """Two artifacts of equal digest hold the same vectors in the same order."""
        return self.manifest.files[VECTORS]

    def check_gallery(self, fingerprint: str) -> None:
        if self.manifest.gallery_fingerprint != fingerprint:
            said = f"were made from other pictures than {self.key.gallery!r} holds now; mend it with"
            raise BadArtifact(f"The vectors in {self.folder} {said} `{self.key.rebuild_command}`.")

    def check_weights(self, weights_sha256: str) -> None:
        if self.manifest.weights_sha256 != weights_sha256:
            raise BadArtifact(
                f"The vectors in {self.folder} were made with other weights of {self.key.encoder!r} "
                f"({self.manifest.weights_sha256[:12]}) than are loaded ({weights_sha256[:12]}); "
                f"load those with --weights FILE, or mend it with `{self.key.rebuild_command}` "
                "and the --weights, if any, that you search with."
            )


@dataclass(frozen=True)
class Extra:
    """A further file over some vectors, with what its card says of it."""

    path: Path
    card: dict


class Store:
    """Finds artifacts in its two roots, the person's own first. New ones go to the person's own."""

    def __init__(self, own: Path | None = None, shipped: Path | None = None):
        self.own = own or own_root()
        self.roots = (self.own, shipped or assets.INDEXES)

    def folders(self) -> list[Path]:
        """Folders (gallery/encoder) that hold vectors, in either root."""
        found = {path.parent.relative_to(root) for root in self.roots for path in root.glob("*/*/manifest.json")}
        return sorted(folder for folder in found if folder.suffix not in (BUILDING, TRAINING, OLD))

    def has(self, key: Key) -> bool:
        paths = [root / key.folder / "manifest.json" for root in self.roots]
        return self._settled(key, lambda: any(path.is_file() for path in paths))

    def open(self, key: Key) -> Artifact:
        """Raises NotBuilt when there is none, BadArtifact when its manifest cannot be read."""
        artifact = self._settled(key, lambda: self._find(key))
        if artifact is None:
            raise NotBuilt(
                f"{key.encoder!r} has no vectors for {key.gallery!r} yet; build them with `{key.build_command}`."
            )
        return artifact

    def holds(self, artifact: Artifact) -> bool:
        """Whether these vectors are those that are in place now: they may have been built again meanwhile."""
        try:
            return self.open(artifact.key).vectors_sha256 == artifact.vectors_sha256
        except (NotBuilt, BadArtifact):
            return False

    def _find(self, key: Key) -> Artifact | None:
        for root in self.roots:
            path = root / key.folder / "manifest.json"
            try:
                return Artifact(key, path.parent, read_manifest(shipped.check(path), key))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except scratch.DAMAGE as error:
                fix = scratch.remedy(error, f"build it again with `{key.rebuild_command}`")
                raise BadArtifact(f"{path} is not a manifest that this version reads ({error}); {fix}.") from error
        return None

    def _settled(self, key: Key, look: Callable[[], T]) -> T:
        """What `look` finds. Between the two renames of `publish` there is no folder: it looks again for a while."""
        found, latest = look(), time.monotonic() + SWAP_SECONDS
        while not found and self.beside(key, OLD).exists() and time.monotonic() < latest:
            time.sleep(0.01)
            found = look()
        if not found and self.beside(key, OLD).exists():
            self._mend(key)
        return found or look()  # the renames may have ended between the last look and the check

    def _mend(self, key: Key) -> None:
        """Ends what a process that was killed between the two renames of `publish` had begun."""
        folder = self.own / key.folder
        with contextlib.suppress(SearchDemoError, OSError), self._alone(key):  # else it lives, and ends it itself
            if folder.exists():
                return
            complete = [self.beside(key, suffix) / "manifest.json" for suffix in (BUILDING, TRAINING)]
            there = sorted((path for path in complete if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
            (there[-1].parent if there else self.beside(key, OLD)).rename(folder)

    def beside(self, key: Key, suffix: str) -> Path:
        """A folder beside the one of the vectors, which a rebuild leaves alone."""
        return self.own / key.folder.with_name(key.folder.name + suffix)

    def work_folder(self, key: Key) -> Path:
        """Where a build of this key is prepared. After a kill the next build finds it here."""
        return make_folder(self.beside(key, BUILDING))

    @contextlib.contextmanager
    def building(self, key: Key) -> Iterator[Path]:
        """The work folder, for one build at a time. Raises SearchDemoError when another process has it."""
        with self._alone(key):
            work = self.work_folder(key)  # made in here, because another process may have moved it into place
            discard(work / "manifest.json")  # what is in there is not complete from now on
            yield work

    @contextlib.contextmanager
    def training(self, key: Key) -> Iterator[Path]:
        """An empty folder for what is made of stored vectors; what a killed build left stays. Raises as `building`."""
        with self._alone(key):
            shutil.rmtree(folder := self.beside(key, TRAINING), ignore_errors=True)
            yield make_folder(folder)

    def _alone(self, key: Key) -> contextlib.AbstractContextManager[None]:
        lock = make_folder((self.own / key.folder).parent) / f"{key.folder.name}{BUILDING}.lock"
        return exclusive(lock, f"{key.encoder!r} is being built for {key.gallery!r}")

    def publish(self, key: Key, work: Path, manifest: Manifest, last: Callable[[Artifact], object] = id) -> Artifact:
        """Write the manifest into the prepared folder, then put the folder in the place of the old one.

        last: adds further files to the artifact in the prepared folder, so that all of it is there at once.
        """
        write_json(work / "manifest.json", asdict(manifest))
        last(Artifact(key, work, manifest))
        folder, old = self.own / key.folder, self.beside(key, OLD)
        discard(old)  # left by a process that was killed between the two renames
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        return Artifact(key, folder, manifest)

    def adopt(self, former: str, gallery: str) -> None:
        """What was built of a person's folder under its former name belongs to the folder that it is now."""
        old, new = (self.own / Key(name, "any").folder.parent for name in (former, gallery))
        if not old.is_dir() or new.exists():
            return
        old.rename(new)
        for path in new.glob("*/manifest.json"):
            if said := scratch.json_of(path):
                write_json(path, said | {"gallery": gallery})

    def limits(self, whole: Key) -> list[int]:
        """The sizes of the balanced parts of this gallery that are built."""
        prefix = f"{whole.folder.name}-n"
        names = (folder.name for folder in self.folders() if folder.parent == whole.folder.parent)
        sizes = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
        return [int(size) for size in sizes if size.isdigit()]

    def extra(self, artifact: Artifact, name: str) -> Extra | None:
        """A verified further file over these very vectors, or None when there is none.

        One that is damaged, or made from other vectors, is none. Raises BadArtifact for a damaged one that ships,
        because it is not made again.
        """
        for root in self.roots:
            path = root / artifact.key.folder / name
            for file in (card_file(path), path):
                shipped.check(file)
            if (card := scratch.json_of(card_file(path))) is None:
                continue
            files = scratch.read(path, lambda file: digests(artifact.vectors_sha256, file))
            if {what: fact for what, fact in card.items() if what.endswith("sha256")} == files:
                return Extra(path, card)
        return None

    def extra_path(self, artifact: Artifact, name: str) -> Path:
        """Where a further file over these vectors is to be written: beside them, unless they ship."""
        own = artifact.folder.is_relative_to(self.own)
        return make_folder(artifact.folder if own else self.own / artifact.key.folder) / name

    def add_extra(self, artifact: Artifact, path: Path, build_seconds: float, **made: str | int) -> None:
        """Register a further file that was written to extra_path. made: what its card is to say of it."""
        write_card(path, made | digests(artifact.vectors_sha256, path) | {"build_seconds": build_seconds})


def read_manifest(path: Path, key: Key | None = None) -> Manifest:
    """Raises ValueError, TypeError or AttributeError when it is not one, or not one of this key, where one is given."""
    content = json.loads(path.read_text(encoding="utf-8"))
    scratch.check_format(content.get("format"), FORMAT)
    manifest = Manifest(**content)
    for each in fields(Manifest):
        if not isinstance(value := getattr(manifest, each.name), KINDS[str(each.type)]):
            raise ValueError(f"{each.name} {value!r}, wanted {each.type}")
    for name, wanted in (("transform", key.transform), ("metric", key.metric)) if key else ():
        if wanted and getattr(manifest, name) != wanted:
            raise ValueError(f"{name} {getattr(manifest, name)!r}, wanted {wanted!r}")
    if manifest.tiles not in SIZES:
        raise ValueError(f"tiles {manifest.tiles}, wanted one of {SIZES}")
    if VECTORS not in manifest.files:
        raise ValueError(f"no checksum of {VECTORS}")
    return manifest


def name_for(kind: str, pictures: Path) -> str:
    """The name of our folder for pictures that lie elsewhere: readable, short, and different for each path."""
    digest = hashlib.sha256(os.fsencode(pictures)).hexdigest()[:8]
    legible = re.sub(r"\W+", "-", f"{kind}-{pictures.name}").encode()[:NAME_BYTES].decode(errors="ignore")
    return f"{legible}-{digest}"


def digests(vectors_sha256: str, path: Path) -> dict[str, str]:
    """What the card beside a further file says of its bytes, and of the vectors that it belongs to."""
    more = {f"{what}_sha256": sha256_of(file) for what, file in beside(path).items()}
    return {"sha256": sha256_of(path), "vectors_sha256": vectors_sha256} | more


def card_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def write_card(path: Path, card: dict) -> None:
    """It is written last: files that it does not fit count as absent."""
    write_json(card_file(path), card)


def index_file(spec: IndexSpec) -> str:
    """ "hnsw.faiss", "annoy.annoy": the name, and the library that reads the file."""
    return re.sub(r"[^\w-]+", "_", spec.name) + f".{spec.library}"

"""A gallery under each of the AUGMENTATIONS, embedded by the encoder: ten times as many vectors of the same pictures.

    <own root>/<gallery>/<encoder>.augmented/<augmentation>.npy     half floats (n, dim), in the stored vectors' order
                                             <augmentation>.json    their pictures, weights and augmentation
                                             *.partial, *.npy.json  an unfinished one, found again after a kill

The vectors of the originals are those of the built gallery. The separate folder survives a rebuild, and its vectors
stay valid when pictures and weights are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.bench.augment import AUGMENTATIONS, ORIGINAL, Augmentation
from searchdemo.collection.build import available
from searchdemo.collection.collection import Collection
from searchdemo.collection.embed import BATCH_SIZE, embed, readable
from searchdemo.collection.progress import Progress, Report
from searchdemo.errors import NoPictures
from searchdemo.files import exclusive, make_folder, replacing, write_json
from searchdemo.galleries.base import Pictures
from searchdemo.indexes.vectors import unit

WANTED = tuple(name for name in AUGMENTATIONS if name != ORIGINAL)


class AugmentedPictures(Pictures):
    """The pictures of a gallery under one augmentation. Each is made when it is asked for."""

    def __init__(self, pictures: Pictures, augmentation: Augmentation):
        self.labels, self.pictures, self.augmentation = pictures.labels, pictures, augmentation

    def has(self, row: int) -> bool:
        return self.pictures.has(row)

    def encoded(self, row: int) -> bytes | None:
        """The picture as PPM, which is lossless and quick to write. Bytes that are not a picture stay as they are."""
        encoded = self.pictures.encoded(row)
        picture = readable(encoded)
        if picture is None:
            return encoded
        buffer = io.BytesIO()
        self.augmentation(picture, row).save(buffer, "PPM")
        return buffer.getvalue()


@dataclass(frozen=True)
class Augmented:
    """The stored vectors of a gallery under the augmentations, as an encoder sees it."""

    collection: Collection

    @property
    def folder(self) -> Path:
        return self.collection.shelf.store.beside(self.collection.artifact.key, ".augmented")

    @property
    def rows(self) -> np.ndarray:
        """(n,) rows of the gallery whose originals are stored."""
        return self.collection.gallery_rows(np.arange(len(self.collection)))

    def missing(self) -> list[str]:
        """The augmentations that are not embedded yet."""
        return [name for name in WANTED if self.stored(name) is None]

    def stored(self, name: str) -> np.ndarray | None:
        """(n, dim) half floats, mapped; None when they are not there, or belong to other pictures or weights."""
        path = self.folder / f"{name}.npy"
        with contextlib.suppress(OSError, ValueError):  # a damaged file is made again
            if json.loads(path.with_suffix(".json").read_text()) == self._identity(name):
                vectors = np.load(path, mmap_mode="r")
                if vectors.shape == (len(self.collection), self.collection.vectors.dim):
                    return vectors
        return None

    def vectors(self) -> np.ndarray:
        """(10 n, dim) float32 unit rows: the originals, then each augmentation in the order of the table.

        All must be stored, see missing().
        """
        originals = self.collection.vectors.all()
        n, dim = originals.shape
        rows = np.empty((len(AUGMENTATIONS), n, dim), np.float32)
        for part, name in zip(rows, AUGMENTATIONS, strict=True):
            part[:] = originals if name == ORIGINAL else self.stored(name)
            if name != ORIGINAL:
                unit(part)
        return rows.reshape(-1, dim)

    def keep(self, name: str, vectors: np.ndarray) -> None:
        path = self.folder / f"{name}.npy"
        path.with_suffix(".json").unlink(missing_ok=True)  # it must never lie beside vectors of another identity
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, vectors.astype(np.float16))
        write_json(path.with_suffix(".json"), self._identity(name))

    def fingerprint(self, name: str) -> str:
        return f"{self.collection.gallery.fingerprint} {name}: {AUGMENTATIONS[name].what}"

    def _identity(self, name: str) -> dict:
        return {
            "pictures": self.fingerprint(name),
            "rows": hashlib.sha256(self.rows.astype(np.int64).tobytes()).hexdigest(),
            "weights": self.collection.artifact.manifest.weights_sha256,
        }

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """The folder, for one process at a time. Raises SearchDemoError when another has it."""
        folder = make_folder(self.folder)
        with exclusive(folder / "lock", f"The augmented pictures are being embedded into {folder}"):
            yield folder


def embed_missing(
    collection: Collection, report: Report = lambda progress: None, batch_size: int = BATCH_SIZE
) -> Augmented:
    """Embed the gallery under each augmentation that is not stored yet. It goes on where a killed run stopped.

    Raises NoPictures, NoWeights, BadArtifact when the weights are not those of the stored vectors, SearchDemoError when
    another process does the same.
    """
    augmented = Augmented(collection)
    if not augmented.missing():
        return augmented
    opened, rows = collection.gallery, augmented.rows
    if (here := len(available(opened.pictures, rows))) < len(rows):
        raise NoPictures(
            opened.missing
            or f"{len(rows) - here:,} of {len(rows):,} pictures of {opened.name!r} are not on this machine."
        )
    network = collection.encoder()
    with augmented.writing() as folder:
        missing = augmented.missing()  # asked again, because another process may have finished some
        for number, name in enumerate(missing):

            def tell(progress: Progress, before: int = number * len(rows)) -> None:
                report(Progress(progress.stage, before + progress.done, len(missing) * len(rows), progress.rate))

            pictures = AugmentedPictures(opened.pictures, AUGMENTATIONS[name])
            scratch, stage = folder / f"{name}.partial", f"embedding the augmentation {name!r}"
            vectors = embed(
                pictures, rows, network, scratch, tell, stage, batch_size, augmented.fingerprint(name)
            ).vectors
            if np.isnan(vectors).any():
                raise NoPictures(
                    f"{int(np.isnan(vectors[:, 0]).sum()):,} pictures of {opened.name!r} cannot be read now."
                )
            augmented.keep(name, vectors)
            scratch.unlink()
    return augmented

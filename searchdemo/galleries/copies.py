"""A copy of a data set on this machine: encoded pictures in whatever layout and order the copy has them.

There are two layouts: the formats of `datasets` (parquet, Arrow, save_to_disk), mapped into memory, and picture files
in folders (the unpacked tiny-imagenet-200 zip, or any other). Nothing is read before it is needed.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from searchdemo.cache import Cache
from searchdemo.errors import NoPictures
from searchdemo.extras import imported, pip_command
from searchdemo.files import expanded, own_folder

PICTURE_SUFFIXES = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif"}
DATASET_FILES = ("*.parquet", "*/*.parquet", "*.arrow", "*/*.arrow")
DEPTH = 4  # train/n01443537/images/n01443537_0.JPEG; deeper files are not looked for, so a wrong folder is refused soon
BATCH = 1000  # pictures in memory at a time while `read_all` reads all of them


class Copy(ABC):
    """Positions are the copy's own and mean nothing elsewhere.

    Reading raises NoPictures when the copy cannot be read, NotInstalled without the library that reads it.
    """

    def __init__(self, folder: Path, where: str = "", revision: str = ""):
        """where: a name for people; revision: of the hub's repository, "" when the copy is not from there."""
        self._folder, self.where, self.revision = folder, where or str(folder), revision

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, position: int) -> bytes | None: ...

    def read_all(self) -> Iterator[bytes | None]:
        """Every picture once, in order of position."""
        return map(self.read, range(len(self)))

    @abstractmethod
    def labels(self, label_names: Sequence[str]) -> np.ndarray:
        """(len,) int16: each picture's label as an index into label_names, -1 where the copy does not tell."""


def open_copy(folder: Path) -> Copy:
    """It looks at names alone. Raises NoPictures when the folder is missing or holds pictures in neither layout."""
    folder = expanded(folder)
    if not folder.is_dir():
        raise NoPictures(f"There is no folder '{folder}'; --data or SEARCHDEMO_DATA names a copy of tiny-ImageNet.")
    if any(path for pattern in DATASET_FILES for path in folder.glob(pattern)):
        return DatasetCopy(folder)
    if any(_picture_files(folder)):
        return FilesCopy(folder)
    raise NoPictures(
        f"'{folder}' holds neither parquet or Arrow files nor pictures; give --data or SEARCHDEMO_DATA a folder that "
        "datasets.load_dataset reads, or the unpacked tiny-imagenet-200.zip."
    )


class DatasetCopy(Copy):
    """A data set with a column `image` and perhaps a column `label`, all splits one after the other."""

    def __init__(self, folder: Path, where: str = "", revision: str = ""):
        super().__init__(folder, where, revision)
        self._opened: Cache[list] = Cache(1)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, position: int) -> bytes | None:
        image = self._images[position]
        stored = image["bytes"].as_py()  # without a string of its path, which is made only where it has to be read
        return picture_bytes(image.as_py(), self._folder) if stored is None else stored

    def read_all(self) -> Iterator[bytes | None]:
        for start in range(0, len(self), BATCH):
            for image in self._images.slice(start, BATCH).to_pylist():
                yield picture_bytes(image, self._folder)

    def labels(self, label_names: Sequence[str]) -> np.ndarray:
        return np.concatenate([_split_labels(split, list(label_names)) for split in self._splits])

    def split_sizes(self) -> dict[str, int]:
        """In the order of positions."""
        return {str(split.split): len(split) for split in self._splits}

    @property
    def _splits(self) -> list:
        return self._opened.get("splits", self._load)

    def _load(self) -> list:
        datasets = imported("datasets", f"The data set '{self.where}'", pip_command("encoders"))
        try:
            splits = _load_splits(self._folder, datasets)
        except Exception as error:  # `datasets` passes on whatever pyarrow, fsspec and the file system raise
            raise NoPictures(
                f"'{self.where}' cannot be read as a data set: {reason(error)}; give --data another copy."
            ) from error
        for split in splits:
            if type(split.features.get("image")).__name__ != "Image":
                raise NoPictures(
                    f"'{self.where}' has no column 'image' of pictures (its columns: {', '.join(split.features)}); "
                    "give --data a copy of tiny-ImageNet."
                )
        return splits

    @cached_property
    def _images(self) -> Any:  # pyarrow.ChunkedArray of struct<bytes, path>, mapped from disk
        import pyarrow

        return pyarrow.chunked_array([chunk for s in self._splits for chunk in s.data.column("image").chunks])


def _load_splits(folder: Path, datasets: ModuleType) -> list:
    if (folder / "dataset_dict.json").exists():
        return list(datasets.load_from_disk(str(folder)).values())
    if (folder / "state.json").exists():
        return [datasets.load_from_disk(str(folder))]
    if (folder / "dataset_info.json").exists():  # the cache of load_dataset
        return [datasets.Dataset.from_file(str(path)) for path in sorted(folder.glob("*.arrow"))]
    return list(loaded(folder, datasets).values())


def loaded(folder: Path, datasets: ModuleType, config: str | None = None) -> Any:
    """datasets.load_dataset of a folder. It writes an Arrow copy into its cache: where that may not be written to, into
    the person's own folder."""
    try:
        return datasets.load_dataset(str(folder), config)
    except OSError:
        cache = own_folder() / "datasets"
        return datasets.load_dataset(str(folder), config, cache_dir=str(cache))


def reason(error: Exception) -> str:
    """Why `datasets` could not read: often it only says that it could not, and the cause says more."""
    said = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return said[:300].rstrip(".")


def picture_bytes(image: dict | bytes | None, folder: Path) -> bytes | None:
    """Of a row of a data set in `folder`; None where it is empty or its file is gone."""
    if isinstance(image, bytes):
        return image
    if image and image["bytes"] is None and image.get("path"):
        return _read_file(folder / image["path"])  # a data set of paths; an absolute one stays as it is
    return image["bytes"] if image else None


def _split_labels(split: Any, label_names: list[str]) -> np.ndarray:
    """The copy's own names translate its numbers. In a copy without names, numbers are places in the sorted names."""
    found = np.full(len(split), -1, dtype=np.int16)
    if "label" not in split.features or split.features["label"].dtype not in ("int64", "int32", "int16", "uint8"):
        return found
    names = getattr(split.features["label"], "names", None) or sorted(label_names)
    own = np.array([label_names.index(name) if name in label_names else -1 for name in names], dtype=np.int16)
    numbers = split.data.column("label").to_numpy()
    inside = (numbers >= 0) & (numbers < len(own))
    found[inside] = own[numbers[inside]]
    return found


class FilesCopy(Copy):
    """Picture files in folders. It keeps their names (about 100 bytes per file), never their pictures."""

    def __len__(self) -> int:
        return len(self._names)

    def read(self, position: int) -> bytes | None:
        return _read_file(self._folder / self._names[position])

    def labels(self, label_names: Sequence[str]) -> np.ndarray:
        """The label of a picture is the WordNet id in its path, else its id in the zip's list of val pictures."""
        number = {name: i for i, name in enumerate(label_names)}
        listed = self._folder / "val" / "val_annotations.txt"  # "val_0.JPEG \t n03444034 \t box", one per line
        lines = listed.read_text().splitlines() if listed.is_file() else []
        val = {f"val/images/{line.split()[0]}": line.split()[1] for line in lines if len(line.split()) > 1}
        ids = (val.get(name) or (re.findall(r"n\d{8}", name) or [""])[0] for name in self._names)
        return np.fromiter((number.get(wordnet_id, -1) for wordnet_id in ids), dtype=np.int16, count=len(self))

    @cached_property
    def _names(self) -> list[str]:
        return sorted(_picture_files(self._folder))


def _picture_files(folder: Path) -> Iterator[str]:
    """Relative names of picture files, at most DEPTH levels down, unsorted."""
    for here, folders, names in os.walk(folder):
        inside = os.path.relpath(here, folder)
        level = 0 if inside == "." else inside.count(os.sep) + 1
        if level + 1 >= DEPTH:
            folders.clear()
        for name in names:
            if Path(name).suffix.lower() in PICTURE_SUFFIXES:
                yield name if level == 0 else f"{inside}{os.sep}{name}".replace(os.sep, "/")


def _read_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # gone since it was listed
        return None

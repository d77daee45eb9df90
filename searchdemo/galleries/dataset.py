"""Any data set of pictures that `datasets` reads: hf:NAME or hf:NAME:SPLIT of the hub, hf:PATH or hf:PATH:SPLIT here.

The pictures are those of the split, else of "train", else of the first; the held-out queries those of another split,
where no split was named. Columns are found by the types of their features, and by their names where a type does not
tell; `hf:NAME?image=COLUMN&label=COLUMN&caption=COLUMN&config=NAME` names them.

From the hub only Parquet files are taken, which most data sets have, and which the hub makes of the others (its branch
refs/convert/parquet). No code of a data set is run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from searchdemo import hub
from searchdemo.errors import BadQuery, NoPictures
from searchdemo.extras import imported, pip_command
from searchdemo.galleries.base import Gallery, Pictures, content_digest
from searchdemo.galleries.copies import picture_bytes
from searchdemo.galleries.hub_files import download
from searchdemo.types import Count

HELD_OUT = ("validation", "valid", "val", "test")  # the first of them with labels holds the queries
LABELS, CAPTIONS = ("label", "labels", "fine_label", "class", "category"), ("caption", "text", "description", "prompt")
OPTIONS = ("image", "label", "caption", "config")
CONVERTED = "refs/convert/parquet"
FOOTER = 64 * 1024  # bytes at a file's end: Parquet's and Arrow's offsets and statistics, which change with the content
TOLD = "README.md"  # tells `datasets` the split of each file


@dataclass(frozen=True)
class Wanted:
    """What a person asked for."""

    name: str  # of the hub's repository, or a folder
    split: str = ""
    image: str = ""
    label: str = ""
    caption: str = ""
    config: str = ""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, where the name is one."""
        path = Path(self.name).expanduser()
        return path if path.is_dir() else None


def parse(argument: str) -> Wanted:
    """Raises NoPictures for an empty name, BadQuery for an option that there is not."""
    place, _, asked = argument.partition("?")
    options = dict(parse_qsl(asked, keep_blank_values=True))
    if unknown := [name for name in options if name not in OPTIONS]:
        raise BadQuery(f"hf: has no option {unknown[0]!r}; there are {', '.join(OPTIONS)}.")
    name, split = place, ""
    if not Path(place).expanduser().is_dir() and ":" in place:
        name, _, split = place.rpartition(":")
    if not name:
        raise NoPictures(
            "hf: needs a name: hf:food101, hf:food101:validation, or hf:PATH of a folder with Parquet files."
        )
    return Wanted(name, split, **options)


def open_dataset(
    argument: str = "", download: bool = False, progress: Count | None = None, **options: object
) -> Gallery:
    """argument: as above, without "hf:". download: fetch what is not here; progress: (bytes here, bytes in all).

    Raises NoPictures where it cannot be read or is not here, BadQuery for a column or a split that there is not.
    """
    wanted = parse(argument)
    folder, revision = wanted.folder, ""
    if folder is None:
        folder, revision = _from_hub(wanted, download, progress)
    splits = _splits(folder, wanted)
    chosen = wanted.split or ("train" if "train" in splits else next(iter(splits)))
    if chosen not in splits:
        raise BadQuery(f"{wanted.name!r} has no split {chosen!r}; it has {', '.join(splits)}.")
    columns = Columns(splits[chosen], wanted)
    pictures = DatasetPictures(splits[chosen], columns, folder, f"{wanted.name}, split {chosen}", revision)
    held_out = [name for name in HELD_OUT if name in splits and name != chosen and not wanted.split]
    queries = next((found for name in held_out if (found := _queries(splits[name], columns, folder)) is not None), None)
    return Gallery(
        name=f"hf:{argument}",
        label_names=columns.names,
        class_names=tuple(name.replace("_", " ") for name in columns.names),
        pictures=pictures,
        queries=queries or DatasetPictures(splits[chosen].select([]), columns, folder),
        fingerprint=_fingerprint(folder, chosen, wanted),
        captions=columns.captions(splits[chosen]),
    )


class Columns:
    """Which columns are what, and the names of the labels."""

    def __init__(self, split: Any, wanted: Wanted):
        """Raises BadQuery for a column that is not there or holds something else, NoPictures without pictures."""
        self._features, self._of = split.features, wanted.name
        pictures = [name for name, feature in self._features.items() if _type(feature) == "Image"]
        self.image = self._known("image", wanted.image) or (pictures or [""])[0]
        if not self.image or _type(self._features[self.image]) != "Image":
            raise NoPictures(f"{self._of!r} has no column of pictures (its columns: {', '.join(self._features)}).")
        classes = [name for name, feature in self._features.items() if _classes(feature) is not None]
        named = [name for name in LABELS if name in self._features and _plain(self._features[name]) is not None]
        self.label = self._known("label", wanted.label) or (classes + named + [""])[0]
        texts = [name for name in CAPTIONS if name in self._features and _plain(self._features[name]) == "string"]
        self.caption = (
            self._known("caption", wanted.caption) or ([name for name in texts if name != self.label] + [""])[0]
        )
        self._names = self._named(split)
        self.names = tuple(map(str, self._names))

    def labels(self, split: Any) -> list[tuple[int, ...]]:
        """Of each row, as indices into `names`; -1 and what has no name are left out."""
        if not self.label or self.label not in split.features:
            return [()] * len(split)
        values = split.data.column(self.label).to_pylist()
        if _classes(self._features[self.label]) is not None:
            count = len(self._names)
            return [tuple(number for number in _several(value) if 0 <= number < count) for value in values]
        number_of = {name: number for number, name in enumerate(self._names)}
        return [tuple(number_of[one] for one in _several(value) if one in number_of) for value in values]

    def captions(self, split: Any) -> tuple[str, ...]:
        """One for each row; none at all without a column of them."""
        if not self.caption:
            return ()
        return tuple((_several(value) or ("",))[0] or "" for value in split.data.column(self.caption).to_pylist())

    def _known(self, what: str, name: str) -> str:
        if name and name not in self._features:
            raise BadQuery(f"{self._of!r} has no column {name!r} for {what}; it has {', '.join(self._features)}.")
        return name

    def _named(self, split: Any) -> Sequence[Any]:
        if not self.label:
            return ()
        if (names := _classes(self._features[self.label])) is not None:
            return names
        if _plain(self._features[self.label]) is None:
            raise BadQuery(f"The column {self.label!r} of {self._of!r} holds no labels: name one of numbers or words.")
        values = split.data.column(self.label).to_pylist()
        return sorted({one for value in values for one in _several(value)})


class DatasetPictures(Pictures):
    """The rows of one split, in its order. Pictures stay in the files, which are mapped into memory."""

    def __init__(self, split: Any, columns: Columns, folder: Path, source: str = "", revision: str = ""):
        self.source, self.revision, self._folder = source, revision, folder
        self._split, self._column, self._labels = split, columns.image, columns.labels(split)
        self.labels = np.array([those[0] if those else -1 for those in self._labels], np.int16)
        self.several_labels = any(len(those) > 1 for those in self._labels)

    def all_labels(self, row: int) -> tuple[int, ...]:
        return self._labels[row]

    def encoded(self, row: int) -> bytes | None:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return picture_bytes(self._images[row].as_py(), self._folder)

    def key(self, row: int) -> bytes:
        encoded = self.encoded(row)
        return b"" if encoded is None else content_digest(encoded)

    @cached_property
    def _images(self) -> Any:  # pyarrow.ChunkedArray of struct<bytes, path>
        return self._split.data.column(self._column)


def _queries(split: Any, columns: Columns, folder: Path) -> DatasetPictures | None:
    """None for a split without that column of pictures, or without a known label where the gallery has labels."""
    if columns.image not in split.features:
        return None
    found = DatasetPictures(split, columns, folder)
    return found if len(found) and ((found.labels >= 0).any() or not columns.names) else None


def _from_hub(wanted: Wanted, fetch: bool, progress: Count | None) -> tuple[Path, str]:
    """The folder of the snapshot and its revision. Raises NoPictures."""
    mark = hub.repo_folder(wanted.name, "dataset") / "searchdemo" / (wanted.split or "all")
    if mark.is_file() and (folder := _snapshot(wanted.name, mark.read_text())).is_dir():
        return folder, folder.name
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", wanted.name):
        raise NoPictures(f"There is no folder {wanted.name!r}, and no data set of the hub has such a name.")
    if not fetch:
        raise NoPictures(
            f"{wanted.name} is not on this machine; `python -m searchdemo build --gallery hf:{wanted.name}` fetches it."
        )
    otherwise = "name a folder with its Parquet files: hf:PATH"
    for revision in (None, CONVERTED):
        folder, commit = download(wanted.name, _chooser(wanted), progress, revision, otherwise)
        if any(folder.rglob("*.parquet")):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(commit)
            return folder, commit
    raise NoPictures(f"{wanted.name} has no Parquet files on the hub, and no code of a data set is run.")


def _snapshot(name: str, commit: str) -> Path:
    return hub.repo_folder(name, "dataset") / "snapshots" / commit.strip()


def _chooser(wanted: Wanted) -> Any:
    """Which of a repository's files are fetched: Parquet, of the split where one is named."""
    split = re.compile(rf"(^|[/_-]){re.escape(wanted.split)}([/._-]|$)") if wanted.split else None

    def chosen(name: str) -> bool:
        return name == TOLD or (name.endswith(".parquet") and (split is None or bool(split.search(name))))

    return chosen


def _splits(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """By name. Raises NoPictures with the reason of `datasets`."""
    datasets = imported("datasets", f"The data set '{wanted.name}'", pip_command("encoders"))
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(str(folder), wanted.config or None)
    except Exception as error:  # `datasets` passes on whatever pyarrow, fsspec and the file system raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NoPictures(f"{wanted.name!r} cannot be read as a data set: {reason[:300].rstrip('.')}.") from error
    return dict(found) if hasattr(found, "keys") else {str(found.split or "train"): found}


def _fingerprint(folder: Path, split: str, wanted: Wanted) -> str:
    """SHA-256 over what was asked for, and over the size and the end of each file of the data set."""
    digest = hashlib.sha256(f"{split}\0{wanted.config}\0{wanted.image}".encode())
    for path in _files(folder):
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - FOOTER))
            digest.update(f"\0{path.relative_to(folder).as_posix()}\0{size}\0".encode() + file.read())
    return digest.hexdigest()


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for pattern in ("*.parquet", "*.arrow") for path in folder.rglob(pattern))


def _type(feature: Any) -> str:
    return type(feature).__name__


def _inner(feature: Any) -> Any:
    """The feature of a list's items, of any other feature itself."""
    return feature.feature if _type(feature) in ("List", "LargeList", "Sequence") else feature


def _classes(feature: Any) -> Sequence[str] | None:
    """The names of a column of labels."""
    return _inner(feature).names if _type(_inner(feature)) == "ClassLabel" else None


def _plain(feature: Any) -> str | None:
    """ "string" or "int64" of a column, or of a column of lists, of words or whole numbers; None for any other."""
    kind = getattr(_inner(feature), "dtype", "") if _type(_inner(feature)) == "Value" else ""
    return kind if kind in ("string", "large_string") or kind.startswith(("int", "uint")) else None


def _several(value: Any) -> tuple:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)

"""Any data set of pictures that `datasets` reads: hf:NAME or hf:NAME:SPLIT of the hub, hf:PATH or hf:PATH:SPLIT here.

The pictures are those of the split, else of "train", else of the first; the held-out queries those of another split,
where no split was named. Of a split a part may be named: train[:10%], train[1000:2000]. Columns are found by the types
of their features, and by their names where a type does not tell;
`hf:NAME?image=COLUMN&label=COLUMN&caption=COLUMN&config=NAME` names them.

From the hub only Parquet files are taken, which most data sets have, and which the hub makes of the others (its branch
refs/convert/parquet). No code of a data set is run. Files with pictures are fetched by a build, when it comes to them.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from searchdemo import hub, scratch
from searchdemo.errors import BadQuery, NoPictures, NotWritten
from searchdemo.extras import imported, pip_command
from searchdemo.files import write_json
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.class_labels import readable
from searchdemo.galleries.copies import loaded, reason
from searchdemo.galleries.dataset_columns import Columns, Split, Wanted, parse
from searchdemo.galleries.dataset_pictures import DatasetPictures
from searchdemo.galleries.hub_files import listing
from searchdemo.galleries.hub_layout import DEFAULT, Layout, converted_layout, layout
from searchdemo.galleries.hub_pictures import HubPictures
from searchdemo.galleries.report import GalleryReport
from searchdemo.galleries.shards import Shards
from searchdemo.types import Count

HELD_OUT = ("validation", "valid", "val", "test")  # the first of them with labels holds the queries
CONVERTED = "refs/convert/parquet"
FOOTER = 64 * 1024  # bytes at a file's end: Parquet's and Arrow's offsets and statistics, which change with the content
CARD = "README.md"  # tells the split of each file
OTHERWISE = "name a folder with its Parquet files: hf:PATH"


def open_dataset(
    argument: str = "", download: bool = False, progress: Count | None = None, **options: object
) -> Gallery:
    """argument: as above, without "hf:". download: what is not here may be fetched, pictures by a build.

    Raises NoPictures where it cannot be read or is not here, BadQuery for a column or a split that there is not.
    """
    wanted = parse(argument)
    imported("datasets", f"The data set '{wanted.name}'", pip_command("encoders"))
    source: Source = Local(wanted.folder, wanted) if wanted.folder else Hub(wanted, download)
    chosen = wanted.split or ("train" if "train" in source.names else next(iter(source.names)))
    if chosen not in source.names:
        raise BadQuery(f"{wanted.name!r} has no split {chosen!r}; it has {', '.join(source.names)}.")
    split = source.split(chosen)
    columns, rows = Columns(split, wanted), wanted.rows(len(split))
    held_out = [name for name in HELD_OUT if name in source.names and name != chosen and not wanted.split]
    queries = next((found for name in held_out if (found := _queries(source, name, columns)) is not None), None)
    part = "".join(f"[{':'.join(wanted.part)}]" * any(wanted.part))
    captions = columns.captions(split)
    return Gallery(
        name=f"hf:{argument}",
        label_names=columns.names,
        class_names=tuple(map(readable, columns.names)),
        pictures=source.pictures(split, columns, rows, f"{wanted.name}, split {chosen}{part}"),
        queries=queries or source.pictures(split, columns, range(0), ""),
        fingerprint=source.fingerprint(chosen + part + f"\0{columns.image}" * bool(columns.others), split),
        captions=captions[rows.start : rows.stop],
        report=GalleryReport(layout=columns.choice()),
    )


class Source(ABC):
    """Where the splits of a data set are."""

    names: Sequence[str]  # of the splits

    @abstractmethod
    def split(self, name: str) -> Split: ...

    @abstractmethod
    def pictures(self, split: Any, columns: Columns, rows: range, source: str) -> DatasetPictures: ...

    @abstractmethod
    def fingerprint(self, part: str, split: Any) -> str: ...


def _queries(source: Source, name: str, columns: Columns) -> DatasetPictures | None:
    """None for a split without that column of pictures, or without a known label where the gallery has labels."""
    split = source.split(name)
    if columns.image not in split.features:
        return None
    found = source.pictures(split, columns, range(len(split)), "")
    return found if len(found) and ((found.labels >= 0).any() or not columns.names) else None


class Local(Source):
    """A folder on this machine, in any layout that `datasets` reads."""

    def __init__(self, folder: Path, wanted: Wanted):
        """Raises NoPictures with the reason of `datasets`."""
        import datasets

        self._folder, self._wanted = folder, wanted
        try:
            if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
                found = datasets.load_from_disk(str(folder))
            else:
                found = loaded(folder, datasets, wanted.config or None)
        except Exception as error:  # `datasets` passes on whatever pyarrow, fsspec and the file system raise
            said = "its files have no rows: write them again" if _without_rows(folder) else reason(error)
            raise NoPictures(f"{wanted.name!r} cannot be read as a data set: {said}.") from error
        self._splits = dict(found) if hasattr(found, "keys") else {str(found.split or "train"): found}
        self.names = [*self._splits]

    def split(self, name: str) -> Split:
        return self._splits[name]

    def pictures(self, split: Any, columns: Columns, rows: range, source: str) -> DatasetPictures:
        return DatasetPictures(split, columns, self._folder, rows, source)

    def fingerprint(self, part: str, split: Any) -> str:
        """SHA-256 over what was asked for, and over the size and the end of each file of the data set."""
        digest = _asked(part, self._wanted)
        for path in _files(self._folder):
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - FOOTER))
                digest.update(f"\0{path.relative_to(self._folder).as_posix()}\0{size}\0".encode() + file.read())
        return digest.hexdigest()


class Hub(Source):
    """A data set of the hub: its layout is asked for once and remembered beside the downloads."""

    def __init__(self, wanted: Wanted, online: bool):
        """Raises NoPictures, BadQuery for a configuration that there is not."""
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", wanted.name):
            raise NoPictures(f"There is no folder {wanted.name!r}, and no data set of the hub has such a name.")
        self._wanted, self._online = wanted, online
        kept = hub.repo_folder(wanted.name, "dataset") / "searchdemo" / "layout.json"
        if (known := scratch.read(kept, _kept_layout)) is None and online:
            known = _asked_hub(wanted)
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_json(kept, known)
            except (OSError, NotWritten) as error:
                raise NoPictures(
                    f"Pictures of {wanted.name} cannot be kept in the hub's cache, {kept.parents[2]} ({error}): "
                    "make it writable, or set HF_HUB_CACHE to another folder."
                ) from error
        if known is None:
            raise NoPictures(
                f"{wanted.name} is not on this machine; `python -m searchdemo build --gallery hf:{wanted.name}` "
                "fetches it."
            )
        self._commit, self._sizes = known["commit"], known["sizes"]
        self._splits = _chosen(known["configs"], wanted)
        self.names = [*self._splits]

    def split(self, name: str) -> Shards:
        files = [(file, self._sizes[file]) for file in self._splits[name]]
        return Shards(self._wanted.name, self._commit, files, self._online)

    def pictures(self, split: Any, columns: Columns, rows: range, source: str) -> DatasetPictures:
        return HubPictures(split, columns, rows, source, self._online)

    def fingerprint(self, part: str, split: Any) -> str:
        digest = _asked(part, self._wanted)
        digest.update(split.fingerprint.encode())
        return digest.hexdigest()


def _kept_layout(path: Path) -> dict:
    """As `_asked_hub` found it. Raises what tells `scratch.read` that it is no such file."""
    known = json.loads(path.read_text())
    files = [file for splits in known["configs"].values() for split in splits.values() for file in split]
    if not files or not all(isinstance(known["sizes"][file], int) for file in files) or not known["commit"].isalnum():
        raise ValueError("it names no files")
    return known


def _asked_hub(wanted: Wanted) -> dict:
    """The commit, the configurations with their splits and files, and the bytes of each file. Raises NoPictures."""
    commit, sizes = listing(wanted.name, None, OTHERWISE)
    card = ""
    if CARD in sizes:
        card = hub.fetch(wanted.name, CARD, kind="dataset", revision=commit).read_text(errors="replace")
    configs = layout(sizes, card)
    if not configs:
        try:
            commit, sizes = listing(wanted.name, CONVERTED, OTHERWISE)
        except NoPictures:
            sizes = {}
        configs = converted_layout(sizes)
    if not configs:
        raise NoPictures(f"{wanted.name} has no Parquet files on the hub, and no code of a data set is run.")
    return {"commit": commit, "configs": configs, "sizes": sizes}


def _chosen(configs: Layout, wanted: Wanted) -> dict[str, list[str]]:
    """The splits of the configuration that is asked for. Raises BadQuery."""
    if wanted.config in configs:
        return configs[wanted.config]
    listed = ", ".join(configs)
    if wanted.config:
        raise BadQuery(f"{wanted.name!r} has no configuration {wanted.config!r}; it has {listed}.")
    if len(configs) == 1 or DEFAULT in configs:
        return configs.get(DEFAULT) or next(iter(configs.values()))
    first = next(iter(configs))
    raise BadQuery(f"{wanted.name!r} has several configurations, {listed}: name one, hf:{wanted.name}?config={first}.")


def _asked(part: str, wanted: Wanted) -> Any:
    """A SHA-256 over what was asked for."""
    return hashlib.sha256(f"{part}\0{wanted.config}\0{wanted.image}".encode())


def _without_rows(folder: Path) -> bool:
    """Whether there are Parquet files, and none has a row: `datasets` then tells of the size of a batch."""
    import pyarrow
    from pyarrow import parquet

    try:
        counts = [parquet.read_metadata(path).num_rows for path in folder.rglob("*.parquet")]
    except (OSError, pyarrow.ArrowException):
        return False
    return bool(counts) and not any(counts)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for pattern in ("*.parquet", "*.arrow") for path in folder.rglob(pattern))

"""Pictures that a visitor brought, as files or in zips: read into memory, and never written to a disk.

A zip comes from anybody. It is read one file after the other and only up to the bounds below; the names in it are never
used as paths, and what is not taken is counted with its reason.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from searchdemo.errors import BadPicture, NoPictures
from searchdemo.extras import is_installed
from searchdemo.facts import facts_of
from searchdemo.formats import PACKAGES, VIDEO, kind_of
from searchdemo.galleries.archive import Unread, is_zip, members
from searchdemo.galleries.base import Frame, Gallery, Pictures, content_digest
from searchdemo.galleries.class_labels import ClassLabels, readable
from searchdemo.galleries.described import Lines, is_metadata, lines_of, said_by
from searchdemo.galleries.folder import NoQueries
from searchdemo.galleries.looked import HELD_OUT, TRAIN, first_named
from searchdemo.galleries.report import GalleryReport
from searchdemo.galleries.thumbnails import shown_as_it_is, smaller
from searchdemo.jpeg import smaller_jpeg
from searchdemo.pictures import check_whole, open_picture
from searchdemo.types import Count
from searchdemo.video import frame_at, named, scenes

MAX_PICTURES = 2000
MAX_FILE_BYTES = 50 * 10**6  # of one picture
MAX_TABLE_BYTES = 4 * 2**20  # of a metadata file: 2 KB for each picture
MAX_KEPT_BYTES = 256 * 10**6  # that the pictures of one visitor take in memory
AS_IT_IS_BYTES = 256 * 1024  # a larger file is kept as a JPEG
KEPT_SIDE = 1280  # whose longer side has so many pixels: encoders take 128 to 288
QUALITY = 92


@dataclass(frozen=True)
class Brought:
    """One picture in memory."""

    name: str  # with the folders that it had in the zip
    kept: bytes  # what encoders read: the file itself, or a smaller JPEG of it
    shown: bytes  # the file itself, or a thumbnail
    facts: dict[str, str]  # of the file itself
    frame: Frame | None = None  # where it is of a video, which is not kept

    @property
    def size(self) -> int:
        return len(self.kept) + (len(self.shown) if self.shown is not self.kept else 0)


class UploadedPictures(Pictures):
    source = "brought by a visitor, in memory"

    def __init__(self, brought: Sequence[Brought], labels: Mapping[str, tuple[str, ...]] | None = None):
        """labels: those that a file beside the pictures says, by name."""
        self._brought, said = brought, labels or {}
        folders = _classes([one.name for one in brought])
        classes = [(folder,) if folder else () for folder in folders]
        numbered = ClassLabels.of([said.get(one.name, those) for one, those in zip(brought, classes, strict=True)])
        self.label_names, self.labels, self._several = numbered.names, numbered.first, numbered.several
        self.several_labels = bool(self._several)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(one.size for one in self._brought)

    def encoded(self, row: int) -> bytes | None:
        return self._brought[row].kept

    def shown(self, row: int) -> bytes | None:
        return self._brought[row].shown

    def file(self, row: int) -> str:
        return self._brought[row].name

    def facts(self, row: int) -> dict[str, str]:
        return self._brought[row].facts

    def all_labels(self, row: int) -> tuple[int, ...]:
        return self._several[row] if row in self._several else super().all_labels(row)

    def frame(self, row: int) -> Frame | None:
        return self._brought[row].frame

    def fingerprint(self) -> str:
        return content_digest(b"".join(content_digest(one.kept) for one in self._brought)).hex()


def open_uploaded(name: str, files: Sequence[Path], progress: Count | None = None) -> Gallery:
    """The pictures in these files and zips. progress: (bytes read, bytes in all); what it raises ends the reading.

    Raises NoPictures when there is none among them, which says what was found.
    """
    reading, done = _Reading(), 0
    total = sum(path.stat().st_size for path in files)
    for path in files:
        start, size = done, path.stat().st_size
        reading.together(path.as_posix() if is_zip(path) else "")
        for share, file, data in contents(path):
            reading.take(file, data)
            if progress is not None:
                progress(start + int(share * size), total)
        done += size
    captions, labels, tables = reading.described()
    pictures, report = UploadedPictures(reading.taken, labels), reading.report(tables)
    if not reading.taken:
        said = " ".join(report.lines()) or "These files are empty."
        raise NoPictures(f"There is no picture that can be read in what you brought. {said}")
    return Gallery(
        name=name,
        label_names=pictures.label_names,
        class_names=tuple(map(readable, pictures.label_names)),
        pictures=pictures,
        queries=NoQueries(),
        fingerprint=pictures.fingerprint(),
        captions=tuple(captions.get(one.name, "") for one in reading.taken) if captions else (),
        report=report,
        private=True,
    )


def contents(path: Path) -> Iterator[tuple[float, str, bytes | Unread]]:
    """(how much of the file is read, a name, its bytes or why there are none) of a file, or of each file in a zip."""
    if is_zip(path):
        yield from members(path, MAX_FILE_BYTES)
    elif path.stat().st_size > MAX_FILE_BYTES:
        yield 1.0, path.name, Unread(too_large())
    else:
        yield 1.0, path.name, path.read_bytes()


def too_large() -> str:
    return f"is larger than {MAX_FILE_BYTES // 10**6} MB"


@dataclass
class _Reading:
    taken: list[Brought] = field(default_factory=list)
    size: int = 0
    names: set[str] = field(default_factory=set)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unreadable: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    _named: dict[str, str] = field(default_factory=dict)  # of the zip that is read: name in it -> name here
    _tables: dict[str, Lines] = field(default_factory=dict)  # of the zip that is read: metadata file -> its lines
    _groups: dict[str, tuple[dict[str, str], dict[str, Lines]]] = field(default_factory=dict)

    def together(self, group: str) -> None:
        """What comes now belongs together: a zip of this name, or "" for the files that were dropped."""
        self._named, self._tables = self._groups.setdefault(group, ({}, {}))

    def described(self) -> tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, str]]:
        """By name: captions, labels, and what came of each metadata file."""
        captions, labels, tables = dict[str, str](), dict[str, tuple[str, ...]](), dict[str, str]()
        for here, lines in self._groups.values():
            said = said_by(lines, here)
            captions |= {here[name]: caption for name, caption in said.captions.items()}
            labels |= {here[name]: those for name, those in said.labels.items()}
            tables |= {here[name]: what for name, what in said.files.items()}
        return captions, labels, tables

    def take(self, name: str, data: bytes | Unread, frame: Frame | None = None) -> None:
        if isinstance(data, Unread) and data.counted:
            self.left_out[data.reason] += data.count
            return
        original, name = name, self._unique(name)
        self._named.setdefault(original, name)
        if isinstance(data, bytes) and is_metadata(original) and len(data) <= MAX_TABLE_BYTES:
            self._tables[original] = lines_of(original, data)
        elif isinstance(data, Unread):
            self.unreadable[name] = data.reason
        elif (kind := kind_of(io.BytesIO(data), name)) == VIDEO and is_installed(PACKAGES[VIDEO]):
            self._take_frames(name, data)
        elif kind:
            self.skipped[kind].append(name)
        elif len(data) > MAX_FILE_BYTES:
            self.unreadable[name] = too_large()
        elif len(self.taken) >= MAX_PICTURES:
            self.left_out[f"picture beyond the first {MAX_PICTURES:,}"] += 1
        elif self.size >= MAX_KEPT_BYTES:
            self.left_out[f"picture beyond the {MAX_KEPT_BYTES // 10**6} MB that are kept"] += 1
        else:
            try:
                brought = kept(name, data, frame)
            except BadPicture as error:
                self.unreadable[name] = str(error).removeprefix("This file ")
            else:
                self.taken.append(brought)
                self.size += brought.size

    def _take_frames(self, name: str, data: bytes) -> None:
        try:
            for seconds in scenes(io.BytesIO(data)):
                self.take(named(name, seconds), frame_at(io.BytesIO(data), seconds), Frame(name, seconds))
        except BadPicture as error:
            self.unreadable[name] = str(error).removeprefix("This video ").removeprefix("This file ")

    def _unique(self, name: str) -> str:
        """Two files that were dropped may have one name."""
        number, wanted = 1, name
        while name in self.names:
            number += 1
            name = f"{wanted} ({number})"
        self.names.add(name)
        return name

    def report(self, described: dict[str, str]) -> GalleryReport:
        skipped = {kind: tuple(names) for kind, names in sorted(self.skipped.items())}
        return GalleryReport(
            len(self.taken),
            skipped=skipped,
            unreadable=self.unreadable,
            left_out=dict(self.left_out),
            described=described,
            layout=_splits([one.name for one in self.taken]),
        )


def kept(name: str, data: bytes, frame: Frame | None = None) -> Brought:
    """Raises BadPicture."""
    check_whole(data)
    image = open_picture(data)
    facts = facts_of(data)
    if len(data) > AS_IT_IS_BYTES:
        data = smaller_jpeg(image, KEPT_SIDE, QUALITY)
    shown = data if shown_as_it_is(data) else smaller(data)
    return Brought(name, data, shown, facts, frame)


def _classes(names: Sequence[str]) -> list[str]:
    """The deepest folder of each picture, as of folders on a disk; "" where it lies in those alone that all share."""
    return [parts[-2] if len(parts) > 1 else "" for parts in _below_shared(names)]


def _below_shared(names: Sequence[str]) -> list[list[str]]:
    """The parts of each path, without the folders that all share."""
    paths = [name.split("/") for name in names]
    while paths and all(len(parts) > 1 for parts in paths) and len({parts[0] for parts in paths}) == 1:
        paths = [parts[1:] for parts in paths]
    return paths


def _splits(names: Sequence[str]) -> str:
    """What is to be told of pictures in train/ and val/, which only a folder on a disk keeps apart."""
    folders = sorted({parts[0] for parts in _below_shared(names) if len(parts) > 2})
    train, held_out = (first_named(folders, known) for known in (TRAIN, HELD_OUT))
    return f"Pictures of {train}/ and {held_out}/ are searched together here" if train and held_out else ""

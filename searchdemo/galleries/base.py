"""The parts of a gallery: pictures by row, their labels, and held-out queries."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from searchdemo.galleries.report import GalleryReport
from searchdemo.types import SEVERAL, Blur

if TYPE_CHECKING:
    from PIL import Image

DIGEST_BYTES = 16  # of a SHA-256: two of a billion pictures are alike by chance in one of 10^20 cases


@dataclass(frozen=True)
class Frame:
    """Where in a video a picture is."""

    video: str  # the readable path within the folder
    seconds: float
    path: Path | None = None  # of the video on the disk, where it is a person's own file


class Arriving:
    """What is on its way to this machine: nothing, where all pictures are here."""

    def said(self) -> str:
        """For people; "" for nothing."""
        return ""

    def end(self) -> None:
        """Nobody needs it any more. It may be called several times."""


class Pictures(ABC):
    """Pictures by row. They are read one at a time, so memory does not grow with their number.

    A subclass sets `labels` and reads the files. It overrides the other facts where they differ from the defaults here.
    """

    labels: np.ndarray  # (n,) int16: index into Gallery.label_names; -1 where unknown
    source: str = ""  # tells people where the pictures come from; "" when none is on this machine
    revision: str = ""  # of the hub's repository that they came from; manifests name it
    own_files = False  # whether they are a person's own, whose headers say when and where they were taken
    several_labels = False  # whether a picture may have more than one

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def count(self) -> int:
        """How many pictures there are; rows of pictures that went away do not count."""
        return len(self)

    @property
    def missing(self) -> str:
        """One sentence that says which pictures are not on this machine and how to get them, or ""."""
        return ""

    @abstractmethod
    def encoded(self, row: int) -> bytes | None:
        """The file's own bytes (JPEG, PNG, WebP ...), or None when this row's picture is not on the machine."""

    def shown(self, row: int) -> bytes | None:
        """What a search result shows: the file's own bytes, or a kept thumbnail of a large picture."""
        return self.encoded(row)

    def opened(self, row: int) -> BinaryIO | None:
        """As `encoded`, as an open file of which no more has to be read than is asked for."""
        encoded = self.encoded(row)
        return None if encoded is None else io.BytesIO(encoded)

    def has(self, row: int) -> bool:
        """Whether this row's picture is on the machine, without reading it."""
        return True

    def listed(self, row: int) -> bool:
        """Whether this row belongs to a picture of the gallery, on the machine or not; no more once it went away."""
        return True

    def all_labels(self, row: int) -> tuple[int, ...]:
        """Indices into Gallery.label_names, the one of `labels` first; several where the pictures have several."""
        number = int(self.labels[row])
        return (number,) if number >= 0 else ()

    def key(self, row: int) -> bytes:
        """The first bytes of the SHA-256 of the content, as many as are known; b"" for none."""
        return b""

    def size_and_time(self, row: int) -> tuple[int | None, int | None]:
        """Of the file: its bytes, and its time of change in nanoseconds; None where there is no file."""
        return None, None

    def file(self, row: int) -> str:
        """The readable path within the folder where the pictures are a person's own files, else ""."""
        return ""

    def facts(self, row: int) -> dict[str, str]:
        """What the row's file says of itself, for people: see facts.py."""
        from searchdemo.facts import facts_of  # with Pillow, which the table of galleries does without

        encoded = self.encoded(row)
        return facts_of(encoded) if encoded is not None else {}

    def path(self, row: int) -> Path | None:
        """The file that the picture is, where the pictures are a person's own files."""
        return None

    def within(self, limit: int) -> int:
        """A balanced part of `limit` pictures is to be taken from so many first rows: all, where all are here."""
        return len(self)

    def arriving(self, rows: np.ndarray) -> Arriving:
        """Has pictures of these rows that are elsewhere come one after the other, until it is ended. `encoded` waits
        for them meanwhile."""
        return Arriving()

    def frame(self, row: int) -> Frame | None:
        """Of a video, where the picture is taken from one."""
        return None

    def blur(self, row: int) -> Blur | None:
        """A blurred stand-in for a picture that is not on the machine, where the gallery has one."""
        return None


class LivingPictures(Pictures):
    """Pictures that come, change and go: each is known by its content, and a build looks only at what is new.

    A row belongs to one content for ever. The row of a picture that went away has no picture and no label, and a
    picture that nobody has read yet has a row that may change when it is read (see `rows_in`).
    """

    digests: np.ndarray  # (n, DIGEST_BYTES) uint8 of the content of each row; zeros where it was never read
    present: np.ndarray  # (n,) bool: whether the row has a picture now, or had one when it was looked for
    unread: frozenset[int]  # rows whose picture is to be read by a build: new files, and files that were changed

    @property
    def count(self) -> int:
        return int(self.present.sum())

    @abstractmethod
    def digest(self, row: int) -> bytes:
        """DIGEST_BYTES of the content, as `encoded` gave it; b"" for an unread row before that."""

    @abstractmethod
    def failed(self, row: int) -> str:
        """Why `encoded` gave nothing of a file that is there; "" where it did, and where there is no file."""

    @abstractmethod
    def looked_at(self, problems: dict[int, str]) -> None:
        """Told by a build: what it found in unread rows. "" for a picture, else the reason why it is none."""

    def opened_as(self, row: int, encoded: bytes, image: Image.Image) -> None:
        """Told by a build of a picture that it has opened, from several threads; `image` is not to be changed."""
        return

    @abstractmethod
    def remember(self) -> None:
        """Keeps all that `looked_at` and `opened_as` were told."""

    @abstractmethod
    def rows_in(self, now: Pictures, rows: np.ndarray) -> np.ndarray:
        """The rows that these have in the same pictures as they are opened later; MISSING for those that are gone."""

    @abstractmethod
    def outdated(self) -> bool:
        """Whether it is time to look again for what was added or removed."""


@dataclass(frozen=True)
class Gallery:
    """A set of pictures to search in, and queries that are not in it."""

    name: str  # as on the command line
    label_names: tuple[str, ...]  # the data set's own: "n01443537"
    class_names: tuple[str, ...]  # readable: "goldfish"; one for each label name
    pictures: Pictures  # that are searched
    queries: Pictures  # held out, of the same classes; may be empty
    fingerprint: str  # SHA-256 over the content in row order; the manifest of an index names it
    captions: tuple[str, ...] = ()  # one sentence per picture, where the gallery has them
    example_texts: tuple[str, ...] = ()  # queries in words for people to click
    report: GalleryReport = field(default_factory=GalleryReport)  # of a person's own files: what became of each
    described: str = ""  # changes with what names classes and captions, other than the pictures and their paths
    former: str = ""  # the name that a person's folder had before it was moved
    reopen: Callable[[], Gallery] | None = None  # opens a person's folder again, as it is by then
    private: bool = False  # one visitor's, in memory: nothing of it is kept
    encoder: str = ""  # that alone has seen it, where the vectors came without what they were made of; "": any

    @property
    def source(self) -> str:
        return self.pictures.source

    @property
    def revision(self) -> str:
        return self.pictures.revision

    @property
    def missing(self) -> str:
        return self.pictures.missing

    def file(self, row: int) -> str:
        return self.pictures.file(row)

    def blur(self, row: int) -> Blur | None:
        return self.pictures.blur(row)

    def caption(self, row: int) -> str:
        return self.captions[row] if row < len(self.captions) else ""

    def more_labels(self, row: int) -> tuple[tuple[str, str], ...]:
        """(label, class name) of each label after the first."""
        return tuple((self.label_names[n], self.class_names[n]) for n in self.pictures.all_labels(row)[1:])

    def truth(self, number: int) -> str:
        """The class names of a held-out picture, for people; see `names_right`."""
        return SEVERAL.join(self.class_names[n] for n in self.queries.all_labels(number))

    def label(self, row: int) -> str:
        number = self.pictures.labels[row]
        return self.label_names[number] if number >= 0 else ""

    def class_name(self, row: int) -> str:
        number = self.pictures.labels[row]
        return self.class_names[number] if number >= 0 else ""


def names_right(guess: str, truth: str) -> bool:
    """Whether a class name is among those that `Gallery.truth` joined: of several, one right is right."""
    return bool(guess) and guess in truth.split(SEVERAL)


def content_digest(data: bytes) -> bytes:
    """DIGEST_BYTES that tell one content from all others."""
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


@dataclass(frozen=True)
class GallerySpec:
    """One entry of the GALLERIES table: facts that are known without opening it, and the function that opens it."""

    name: str
    title: str  # one line for people
    size: int | None  # pictures; None when they are counted only on opening
    open: Callable[..., Gallery]  # open(argument="", data_dir=None, download=False, progress=None), see table.py
    in_store: bool = False  # whether it lies beside its vectors: `open` is told the root of the `store` too
    accepts_argument: bool = False  # "folder:PATH": the words after the colon go to `open`
    on_page: bool = True  # False hides it from the page, the command line has it
    terms: str = ""  # the origin of the pictures, and what people may do with them

"""The galleries by name. To add one, write a file with a function that returns a Gallery, and give it an entry here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from searchdemo.errors import UnknownName
from searchdemo.galleries.base import Gallery, GallerySpec
from searchdemo.table import Table
from searchdemo.types import Count


def _opener(module: str, function: str) -> Callable[..., Gallery]:
    """A function of a file in galleries/, which is imported on first use."""
    return lambda **options: getattr(import_module(f"{__package__}.{module}"), function)(**options)


_SPECS = (
    GallerySpec(
        name="tiny-imagenet",
        title="tiny-ImageNet: 100,000 pictures of 200 classes, 64 x 64 pixels",
        size=100_000,
        open=_opener("tiny_imagenet", "open_tiny_imagenet"),
        terms="From ImageNet (image-net.org), for non-commercial research and education; not part of this project.",
    ),
    GallerySpec(
        name="scenes",
        title="Scenes: 2,000 drawings of known content, in colours, places and settings",
        size=2_000,
        open=_opener("scenes", "open_scenes"),
        terms="Drawn by this project's own code, under its licence.",
    ),
    GallerySpec(
        name="folder",
        title="Your own pictures: folder:PATH, flat or one sub-folder per class",
        size=None,
        open=_opener("folder", "open_folder"),
        accepts_argument=True,
        on_page=False,  # a path typed into a page would expose the disk
        terms="Yours; read where they lie, never copied.",
    ),
    GallerySpec(
        name="list",
        title="A list of pictures: list:FILE, one path per line, perhaps a tab and a label",
        size=None,
        open=_opener("list_file", "open_list"),
        accepts_argument=True,
        on_page=False,  # as for folders
        terms="Yours; read where they lie, never copied.",
    ),
    GallerySpec(
        name="hf",
        title="A data set: hf:NAME or hf:NAME:SPLIT of the Hugging Face hub, or hf:PATH with Parquet files",
        size=None,
        open=_opener("dataset", "open_dataset"),
        accepts_argument=True,
        on_page=False,  # a name typed into a page would make the server download it
        terms="Those of the data set; its page on the hub names them.",
    ),
    GallerySpec(
        name="vectors",
        title="Vectors that were made elsewhere: vectors:NAME, which `import` takes in",
        size=None,
        open=_opener("imported", "open_vectors"),
        accepts_argument=True,
        on_page=False,  # a person's own
        in_store=True,
        terms="Yours.",
    ),
    GallerySpec(
        name="hub",
        title="What somebody built and pushed: hub:USER/REPO or hub:USER/REPO@REVISION of the Hugging Face hub",
        size=None,
        open=_opener("packed", "open_packed"),
        accepts_argument=True,
        on_page=False,  # a name typed into a page would make the server download it
        in_store=True,
        terms="Those of the data set; its page on the hub names them.",
    ),
)

GALLERIES: Table[GallerySpec] = Table("gallery", ((spec.name, spec) for spec in _SPECS))


def open_gallery(
    name: str,
    data_dir: Path | None = None,
    download: bool = False,
    progress: Count | None = None,
    store: Path | None = None,
) -> Gallery:
    """name: as in GALLERIES, or "folder:PATH", "list:FILE". data_dir: a copy of the data set.

    download: fetch missing pictures.

    progress: called with (done, in all), which are bytes of a download or files of a folder. store: the root of
    what is built; None: the person's own.
    Raises UnknownName; NoPictures or BadArtifact when the gallery cannot be opened.
    """
    base, _, argument = name.partition(":")
    spec = GALLERIES.get(base)
    if spec is None or (argument and not spec.accepts_argument):
        known = [
            f"{key}:{'NAME' if spec.in_store else 'PATH'}" if spec.accepts_argument else key
            for key, spec in GALLERIES.items()
        ]
        raise UnknownName(GALLERIES.kind, name, known)
    placed = {"store": store} if spec.in_store else {}
    return spec.open(argument=argument, data_dir=data_dir, download=download, progress=progress, **placed)

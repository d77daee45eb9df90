"""The galleries by name. To add one, write a function that returns a Gallery and give it an entry here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from searchdemo.errors import UnknownName
from searchdemo.galleries.base import Gallery, GallerySpec

Progress = Callable[[int, int], None]  # (done, in all): bytes of a download, files of a folder

# Each opener takes (argument, data_dir, download, progress), uses what concerns it, and imports on first use.


def _open_tiny_imagenet(argument="", data_dir=None, download=False, progress=None) -> Gallery:
    from searchdemo.galleries.tiny_imagenet import open_tiny_imagenet

    return open_tiny_imagenet(argument, data_dir, download, progress)


def _open_scenes(argument="", data_dir=None, download=False, progress=None) -> Gallery:
    from searchdemo.galleries.scenes import open_scenes

    return open_scenes(argument, data_dir)


def _open_folder(argument="", data_dir=None, download=False, progress=None) -> Gallery:
    from searchdemo.galleries.folder import open_folder

    return open_folder(argument, progress)


GALLERIES: dict[str, GallerySpec] = {
    spec.name: spec
    for spec in (
        GallerySpec(
            name="tiny-imagenet",
            title="tiny-ImageNet: 100,000 pictures of 200 classes, 64 x 64 pixels",
            size=100_000,
            open=_open_tiny_imagenet,
            terms="From ImageNet (image-net.org), for non-commercial research and education; not part of this project.",
        ),
        GallerySpec(
            name="scenes",
            title="Scenes: 2,000 drawings of known content, in colours, places and settings",
            size=2_000,
            open=_open_scenes,
            terms="Drawn by this project's own code, under its licence.",
        ),
        GallerySpec(
            name="folder",
            title="Your own pictures: folder:PATH, flat or one sub-folder a class",
            size=None,
            open=_open_folder,
            on_page=False,  # a path typed into a page would expose the disk
            terms="Yours; read where they lie, never copied.",
        ),
    )
}


def open_gallery(
    name: str, data_dir: Path | None = None, download: bool = False, progress: Progress | None = None
) -> Gallery:
    """name: as in GALLERIES, or "folder:PATH". data_dir: a copy of the data set; download: fetch what is missing.

    Raises UnknownName; NoPictures or BadArtifact when the gallery cannot be opened.
    """
    base, _, argument = name.partition(":")
    if base not in GALLERIES or (argument and base != "folder"):
        raise UnknownName("gallery", name, [key if key != "folder" else "folder:PATH" for key in GALLERIES])
    return GALLERIES[base].open(argument, data_dir, download=download, progress=progress)

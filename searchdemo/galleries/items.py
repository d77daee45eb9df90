"""A gallery of vectors that came without pictures: for each row its labels, a caption and an id, from one JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.errors import BadArtifact
from searchdemo.files import replacing
from searchdemo.galleries.base import Gallery, Pictures

FILE = "items.json"  # beside the vectors; the manifest has its SHA-256


@dataclass(frozen=True)
class Items:
    """What is known of n rows."""

    label_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()  # one for each label name
    labels: tuple[tuple[int, ...], ...] = ()  # of each row, indices into label_names; () where it has none
    captions: tuple[str, ...] = ()  # of each row, "" where it has none; none at all without a column of them
    ids: tuple[str, ...] = ()  # of each row, as its maker calls it; none at all without a column of them
    source: str = ""  # for people: where the vectors come from

    def write(self, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(vars(self), ensure_ascii=False))

    @classmethod
    def read(cls, path: Path) -> Items:
        """Raises BadArtifact."""
        try:
            content = json.loads(path.read_text())
            items = cls(
                tuple(content["label_names"]),
                tuple(content["class_names"]),
                tuple(tuple(some) for some in content["labels"]),
                tuple(content["captions"]),
                tuple(content["ids"]),
                content["source"],
            )
            return items._checked()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadArtifact(f"{path} does not say what its vectors are ({error}): take them in again.") from error

    def _checked(self) -> Items:
        """Itself. Raises ValueError where its parts do not fit each other."""
        rows, names = len(self.labels), len(self.label_names)
        if len(self.class_names) != names or any(len(some) not in (0, rows) for some in (self.captions, self.ids)):
            raise ValueError(f"{rows:,} rows and {names:,} labels, and other numbers of what is said of them")
        if any(type(number) is not int or not 0 <= number < names for some in self.labels for number in some):
            raise ValueError("rows with labels that it does not have")
        return self

    def gallery(self, name: str, fingerprint: str, encoder: str, queries: Pictures | None = None) -> Gallery:
        """encoder: that alone has seen it."""
        pictures = ItemPictures(self)
        nobody = ItemPictures(Items())
        return Gallery(
            name,
            self.label_names,
            self.class_names,
            pictures,
            queries or nobody,
            fingerprint,
            self.captions,
            encoder=encoder,
        )


def labelled(labels: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The names in order, and those of each row as indices into them."""
    names = tuple(sorted({name for some in labels for name in some}))
    number = {name: n for n, name in enumerate(names)}
    return names, tuple(tuple(number[name] for name in some) for some in labels)


class ItemPictures(Pictures):
    """Rows without pictures. An id stands where a person's picture has its file name."""

    def __init__(self, items: Items):
        self._items, self.source = items, items.source
        self.labels = np.array([some[0] if some else -1 for some in items.labels], np.int32)
        self.several_labels = any(len(some) > 1 for some in items.labels)

    def all_labels(self, row: int) -> tuple[int, ...]:
        return self._items.labels[row]

    def encoded(self, row: int) -> bytes | None:
        return None

    def has(self, row: int) -> bool:
        return False

    def file(self, row: int) -> str:
        return self._items.ids[row] if self._items.ids else ""

"""The classes of pictures as numbers: those of a file beside them, or the folders that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.files import printable


@dataclass(frozen=True)
class ClassLabels:
    names: tuple[str, ...]  # sorted, and such that none acts on a terminal
    first: np.ndarray  # (n,) int16 or int32: of each picture the first class as an index into `names`, -1 for none
    several: dict[int, tuple[int, ...]]  # picture -> all its classes, where there are more

    @classmethod
    def of(cls, classes: Sequence[tuple[str, ...]]) -> ClassLabels:
        """classes: (n,) of each picture."""
        names = tuple(sorted({name for those in classes for name in those}))
        number_of = {name: number for number, name in enumerate(names)}
        whole = np.int16 if len(names) < 2**15 else np.int32
        first = np.array([number_of[those[0]] if those else -1 for those in classes], dtype=whole)
        several = {row: tuple(number_of[name] for name in those) for row, those in enumerate(classes) if len(those) > 1}
        return cls(tuple(map(printable, names)), first, several)


def readable(label: str) -> str:
    """A folder's name as people read it. One of "_" alone stays, because nothing else would be left of it."""
    return label.replace("_", " ") if label.strip("_ ") else label


def in_words(label: str | float) -> str:
    """A label that is no word. Of a whole number some libraries make a float where others are missing: 3.0 is "3"."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)

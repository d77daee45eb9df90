"""A table of names: one for each thing that can be added to searchdemo (galleries, encoders, indexes, benchmarks)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from searchdemo.errors import UnknownName

T = TypeVar("T")


class Table(dict[str, T]):
    """A dict, in the order in which people see its names. `find` looks a name up that a person gave."""

    def __init__(self, kind: str, entries: Iterable[tuple[str, T]]):
        """kind: what an entry is called in a sentence, "encoder"."""
        super().__init__(entries)
        self.kind = kind

    def find(self, name: object) -> T:
        """Raises UnknownName, which names the nearest known name and all of them."""
        if not isinstance(name, str) or name not in self:
            raise UnknownName(self.kind, name, self)
        return self[name]

"""What vectors stand for, as an index in a database keeps it beside them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

MOST_BYTES = 65_535  # of a text that an index keeps; Milvus's own bound
MOST_LABELS, NAME_BYTES = 256, 1_024  # of one row: names and readable names; bytes of one


@dataclass(frozen=True)
class Described:
    """What n vectors stand for, and what they belong to: for indexes that keep more than vectors."""

    name: str  # for people who look into a server
    digest: str  # of the vectors, as the manifest has it
    state: str  # changes with the facts
    columns: dict[str, list[Any]]  # of filters -> (n,) values by position, texts folded; None: unknown; labels: lists
    replace: bool  # whether an index that is there and belongs to others may be replaced
    command: str  # that makes an index of these vectors again, with --index NAME

    def digests(self) -> list[int]:
        """(n,) of what is known of each position."""
        lines = (repr(line).encode() for line in zip(*self.columns.values(), strict=True))
        return [int.from_bytes(blake2b(line, digest_size=7).digest(), "big") for line in lines]

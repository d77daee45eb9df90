"""What changed in a person's folder since its vectors were made. A search goes on meanwhile, and says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from searchdemo.collection.snapshot import Snapshot
from searchdemo.collection.store import Key
from searchdemo.galleries.base import Gallery, LivingPictures, Pictures


@dataclass(frozen=True)
class Behind:
    """Numbers of pictures."""

    added: int = 0
    changed: int = 0  # files that were written again
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def sentence(self, key: Key) -> str:
        """For people, "" where nothing changed: "3 pictures were added, 1 removed since the last build; run `...`"."""
        named = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        first, *others = [(what, count) for what, count in named if count] or [("", 0)]
        if not first[1]:
            return ""
        pictures = "1 picture was" if first[1] == 1 else f"{first[1]:,} pictures were"
        more = "".join(f", {count:,} {what}" for what, count in others)
        return f"{pictures} {first[0]}{more} since the last build; run `{key.build_command}`"


UP_TO_DATE = Behind()


def behind(snapshot: Snapshot, gallery: Gallery, whole: bool) -> Behind:
    """snapshot: as `placed` in this gallery. whole: whether it is to hold all pictures, not a part."""
    found = _changes(snapshot.digests, len(snapshot.gone), gallery.pictures, whole)
    queries = _changes(snapshot.query_digests, snapshot.queries_gone, gallery.queries, whole)
    return Behind(found.added + queries.added, found.changed + queries.changed, found.removed + queries.removed)


def _changes(digests: np.ndarray | None, removed: int, pictures: Pictures, whole: bool) -> Behind:
    """digests: (n, DIGEST_BYTES) of what is stored; removed: how many of them have no picture any more."""
    if not isinstance(pictures, LivingPictures):
        return Behind(removed=removed)
    stored = Counter(map(bytes, () if digests is None else digests))
    changed = sum(pictures.digests[row].tobytes() in stored for row in pictures.unread)
    if not whole:
        return Behind(changed=changed, removed=removed)
    read = [row for row in np.flatnonzero(pictures.present).tolist() if row not in pictures.unread]
    now = Counter(pictures.digests[row].tobytes() for row in read)
    return Behind(sum((now - stored).values()) + len(pictures.unread) - changed, changed, removed)

"""What travels between the rooms: small frozen dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

Count = Callable[[int, int], None]  # told of progress: (done, in all), bytes of a download or files of a folder

MISSING = -1  # a row number that stands for "fewer than k were found"


@dataclass(frozen=True)
class Neighbors:
    """What an index returns for q queries: best first, MISSING at the end where fewer than k were found."""

    positions: np.ndarray  # (q, k) int64, among the vectors that were searched
    scores: np.ndarray  # (q, k) float32, the index's own; higher is better


class Blur(bytes):
    """A blurred stand-in of a picture, as galleries/blurs.py keeps it: no file format that a viewer knows."""


@dataclass(frozen=True)
class Hit:
    rank: int  # from 1
    row: int  # of the gallery
    label: str  # the data set's own name of the class, "n01443537"
    class_name: str  # for people, "goldfish"
    score: float  # cosine similarity, from the stored vectors
    file: str = ""  # the path within the folder, where the gallery is a person's own folder
    # encoded (JPEG, WebP ...); None: not here, or not asked for
    picture: bytes | None = field(default=None, repr=False, compare=False)
    blur: Blur | None = field(default=None, repr=False, compare=False)  # of a picture that is not here, where one ships


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each step of one query."""

    preprocess_ms: float
    encode_ms: float
    search_ms: float
    fetch_ms: float

    def __str__(self) -> str:
        return (
            f"preprocess {self.preprocess_ms:.1f} ms, encode {self.encode_ms:.1f} ms, "
            f"search {self.search_ms:.1f} ms, fetch {self.fetch_ms:.1f} ms"
        )


@dataclass(frozen=True)
class SearchResult:
    hits: tuple[Hit, ...]
    timing: Timing
    notice: str = ""  # what the person should know: "only 7 of 10 were found; raise nprobe"
    vector: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)  # the query (dim,)

    def to_json(self) -> dict:
        """The JSON of the command line and of the API; pictures and the vector stay out."""
        hits = [
            {"rank": h.rank, "row": h.row, "label": h.label, "class_name": h.class_name, "score": h.score}
            | ({"file": h.file} if h.file else {})
            for h in self.hits
        ]
        return {"hits": hits, "timing": asdict(self.timing)} | ({"notice": self.notice} if self.notice else {})

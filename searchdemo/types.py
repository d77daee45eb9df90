"""What travels between the rooms: small frozen dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

Count = Callable[[int, int], None]  # told of progress: (done, in all), bytes of a download or files of a folder

SEVERAL = " · "  # between the class names of a picture that has several
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
    # encoded (JPEG, WebP ...), of a large file a thumbnail; None: not here, or not asked for
    picture: bytes | None = field(default=None, repr=False, compare=False)
    blur: Blur | None = field(default=None, repr=False, compare=False)  # of a picture that is not here, where one ships
    position: int = field(default=MISSING, repr=False, compare=False)  # of its vector in the collection
    more_labels: tuple[tuple[str, str], ...] = ()  # (label, class name) after the first, of a picture with several
    shares: tuple[float, ...] = ()  # of a query of several terms: what each adds to the score, which is their sum
    box: str = ""  # the part of the picture that matched best, "x,y,width,height"; "": the whole

    @property
    def class_names(self) -> str:
        """All of them, for people: "dog · cat"."""
        return SEVERAL.join(filter(None, (self.class_name, *(name for _, name in self.more_labels))))

    @property
    def unsaid(self) -> str:
        """The class names that its file, which is shown in their place, does not say; "" where its folder does."""
        said = not self.label or (f"{self.label}/" in self.file and not self.more_labels)
        return "" if said else self.class_names

    def to_json(self) -> dict:
        content: dict = {"rank": self.rank, "row": self.row, "label": self.label, "class_name": self.class_name}
        if self.more_labels:
            content["labels"] = [self.label, *(label for label, _ in self.more_labels)]
        content |= {"score": self.score} | ({"shares": list(self.shares)} if self.shares else {})
        content |= {"box": self.box} if self.box else {}
        return content | ({"file": self.file} if self.file else {})


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
class Remedy:
    """A higher value of a search parameter, and what it was seen to find."""

    param: str  # "nprobe" | "ef_search" ...
    value: int
    found: int  # of the exact answer


@dataclass(frozen=True)
class Missed:
    """The exact answer to one query beside an approximate one."""

    exact: np.ndarray  # (k,) positions
    found: np.ndarray  # (k,) positions, MISSING at the end
    missed: frozenset[int]  # positions that the approximate index did not return
    cell_ranks: dict[int, int] | None  # position of each missed -> nprobe that visits its cell; None when not an IVF
    remedy: Remedy | None  # None when nothing was missed, or no parameter helps

    def __str__(self) -> str:
        k, remedy = len(self.exact), self.remedy
        if not self.missed:
            return f"all {k} found"
        sentence = f"{len(self.missed)} of {k} missed"
        if remedy is None and self.cell_ranks is not None:
            return f"{sentence}, though every cell of the exact answer was visited: the index rounds its vectors"
        if remedy is None:
            return sentence
        if remedy.found == k:
            return f"{sentence}; {remedy.param} {remedy.value} would have found all {k}"
        return f"{sentence}; even {remedy.param} {remedy.value} would have found only {remedy.found}"


@dataclass(frozen=True)
class Comparison:
    """What an approximate answer lost against the exact one, and what the exact one costs."""

    missed: Missed
    hits: tuple[Hit, ...]  # of the exact answer, those that were not returned
    exact_ms: float  # of the fastest such search so far

    def to_json(self) -> dict:
        remedy = asdict(self.missed.remedy) if self.missed.remedy else None
        return {"hits": [hit.to_json() for hit in self.hits], "remedy": remedy, "exact_ms": self.exact_ms}

    @property
    def cells(self) -> dict[int, int]:
        """Row of each missed hit -> the nprobe at which its cell is visited; empty when not an IVF."""
        ranks = self.missed.cell_ranks or {}
        return {hit.row: ranks[hit.position] for hit in self.hits if hit.position in ranks}


UNKNOWN = "A query of several terms has no probability: the curve was made for single texts."


@dataclass(frozen=True)
class Presence:
    """How probably a gallery shows what a text says."""

    probability: float  # by the curve of the gallery and the encoder
    error: float  # of the curve: share of known words that it put on the wrong side of 0.5, both kinds weighing alike
    words: int  # so many, whose pictures are known to be here or not to be

    @property
    def unlikely(self) -> bool:
        return self.probability < 0.5

    def __str__(self) -> str:
        said = "probably nothing here shows this" if self.unlikely else "pictures here probably show this"
        wrong = f"{percent(self.error)} of" if self.error else "none of"
        return f"{said} ({self.percent}; wrong for {wrong} {self.words:,} known words)"

    @property
    def percent(self) -> str:
        return percent(self.probability)


def percent(share: float) -> str:
    if not 0.01 <= share <= 0.99:
        return "under 1 %" if share < 0.01 else "over 99 %"
    return f"{100 * share:.0f} %"


@dataclass(frozen=True)
class SearchResult:
    hits: tuple[Hit, ...]
    timing: Timing
    notice: str = ""  # what the person should know: "only 7 of 10 were found; raise nprobe"
    vector: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)  # the query (dim,)
    comparison: Comparison | None = None  # where it was asked for and the index is approximate
    matching: int | None = None  # pictures that meet the filter; None where there is none
    terms: tuple[
        tuple[str, float], ...
    ] = ()  # (as it is written, weight) of a query of several, as Hit.shares has them
    presence: Presence | None = None  # of a single text, where the gallery is calibrated
    by_themselves: tuple[tuple[str, Presence], ...] = ()  # of the texts that a sum adds, each asked for alone

    @property
    def without_probability(self) -> str:
        """What to tell of a sum; "" for another query."""
        if not self.terms:
            return ""
        alone = ", ".join(f"{term} {found.percent}" for term, found in self.by_themselves)
        return f"{UNKNOWN} Each text by itself: {alone}." if alone else UNKNOWN

    def to_json(self) -> dict:
        """The JSON of the command line and of the API; pictures and the vector stay out."""
        content: dict = {"hits": [hit.to_json() for hit in self.hits], "timing": asdict(self.timing)}
        if self.presence:
            content["presence"] = asdict(self.presence)
        if self.by_themselves:
            content["by_themselves"] = [{"term": term} | asdict(found) for term, found in self.by_themselves]
        if self.terms:
            content["terms"] = [{"term": term, "weight": weight} for term, weight in self.terms]
        if self.comparison:
            content["missed"] = self.comparison.to_json()
        if self.matching is not None:
            content["matching"] = self.matching
        return content | ({"notice": self.notice} if self.notice else {})

"""One query by several encoders: a column of pictures for each, which pictures columns share, and their fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from searchdemo.collection.classify import Classification, classified
from searchdemo.collection.collection import EXACT, Collection
from searchdemo.collection.query import Query, check_k
from searchdemo.errors import BadQuery, NoWeights, SearchDemoError
from searchdemo.measure.faceoff.asked import asked_of
from searchdemo.measure.faceoff.fusion import Fused, K, fused
from searchdemo.measure.faceoff.judged import Judged
from searchdemo.measure.faceoff.sides import Side
from searchdemo.types import Hit, SearchResult

Ask = Callable[[Collection], Query]
NO_PARAMS: Mapping[str, int] = {}


@dataclass(frozen=True)
class Column:
    """What one encoder answers."""

    encoder: str
    result: SearchResult | None = None
    said: str = ""  # why it does not answer
    vectors: int = 0  # that were searched
    stand_in: bool = False
    classes: Classification | None = None  # by the vote of these pictures, and by names, where the gallery has classes

    @property
    def hits(self) -> tuple[Hit, ...]:
        return self.result.hits if self.result else ()

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(hit.row for hit in self.hits)

    def to_json(self, shared: dict[int, tuple[str, ...]]) -> dict:
        if self.result is None:
            return {"encoder": self.encoder, "said": self.said}
        content = {"encoder": self.encoder, "vectors": self.vectors} | self.result.to_json()
        content["hits"] = [hit | {"shared_by": list(shared[hit["row"]])} for hit in content["hits"]]
        if self.classes:
            content["classes"] = {
                "neighbours": [guess.to_json() for guess in self.classes.guesses],
                "class_names": [guess.to_json() for guess in self.classes.by_class_names],
                "both": [guess.to_json() for guess in self.classes.both],
                "names_notice": self.classes.names_notice,
                "names_left_out": list(self.classes.names_left_out),
            }
        return content | ({"stand_in": True} if self.stand_in else {})


@dataclass(frozen=True)
class FaceOff:
    gallery: str
    fingerprint: str  # of the gallery: rows mean these pictures
    k: int
    index: str
    columns: tuple[Column, ...]
    asked: dict  # what was searched with, see asked.py; empty where no column answered
    notices: tuple[str, ...] = ()  # what a person should know of the columns together

    @cached_property
    def answered(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.result is not None)

    @cached_property
    def shared(self) -> dict[int, tuple[str, ...]]:
        """Row -> the encoders in whose columns it stands."""
        found: dict[int, tuple[str, ...]] = {}
        for column in self.answered:
            for row in column.rows:
                found[row] = (*found.get(row, ()), column.encoder)
        return found

    @cached_property
    def hits(self) -> dict[int, Hit]:
        """Row -> one of its hits, for its picture and its names."""
        return {hit.row: hit for column in reversed(self.answered) for hit in column.hits}

    @cached_property
    def fusion(self) -> list[Fused]:
        """The best k of all columns together; none where only one answered."""
        if len(self.answered) < 2:
            return []
        return fused({column.encoder: column.rows for column in self.answered}, self.k)

    @property
    def in_all(self) -> list[int]:
        """Rows that every column has, where there are two or more."""
        several = len(self.answered) > 1
        return [row for row, names in self.shared.items() if several and len(names) == len(self.answered)]

    def judged(self, right: Sequence[int]) -> Judged:
        """right: rows that a person marked. Raises BadQuery where no column answered."""
        if not self.answered:
            raise BadQuery("No encoder answered this query, so there is nothing to judge.")
        columns = {column.encoder: column.rows for column in self.answered}
        return Judged(self.asked, columns, tuple(dict.fromkeys(right)), self.k, self.fingerprint)

    def to_json(self) -> dict:
        """As the command line prints it; pictures stay out."""
        pairs = [
            {"encoders": [one.encoder, other.encoder], "shared": len({*one.rows} & {*other.rows})}
            for one, other in combinations(self.answered, 2)
        ]
        content: dict = {
            "gallery": self.gallery,
            "k": self.k,
            "index": self.index,
            "columns": [column.to_json(self.shared) for column in self.columns],
            "agreement": {"in_all": self.in_all, "pairs": pairs},
        }
        if self.fusion:
            content["fusion"] = {
                "method": "reciprocal rank fusion",
                "constant": K,
                "hits": [*map(self._fused, self.fusion)],
            }
        return content | ({"notices": list(self.notices)} if self.notices else {})

    def _fused(self, one: Fused) -> dict:
        told = self.hits[one.row].to_json()
        told = {name: told[name] for name in ("label", "class_name", "labels", "file") if name in told}
        return {"rank": one.rank, "row": one.row, "score": one.score, "ranks": one.ranks} | told


def face_off(
    taking_part: Sequence[Side],
    ask: Ask,
    k: int = 10,
    index: str = EXACT,
    where: str = "",
    *,
    pictures: bool = False,
    fetch: bool = True,
    params: Mapping[str, int] = NO_PARAMS,
) -> FaceOff:
    """ask: the query as each of the collections takes it; an error that it raises stands in the place of its column.

    index: exact by default, so that encoders are compared and no index has a say in it. where: a filter
    params: of the search in the index, as Collection.search takes them
    fetch: get weights that are not on this machine, else the column says that they are not
    Raises BadQuery for a k out of bounds; what else goes wrong is said by the columns.
    """
    k = check_k(k)
    answers: dict[int, tuple[Column, Query | None]] = {}
    # Only some encoders stay loaded: those that are come first, because each one that is loaded puts another one out.
    for number in sorted(range(len(taking_part)), key=lambda number: not _is_loaded(taking_part[number])):
        answers[number] = _column(taking_part[number], ask, k, index, where, pictures, fetch, params)
    columns = [answers[number][0] for number in range(len(taking_part))]
    asked: dict = {}
    for number, side in enumerate(taking_part):
        query = answers[number][1]
        if query is not None and side.collection is not None and not asked:
            asked = asked_of(query, side.collection, where)
    opened = [side.collection for side in taking_part if side.collection]
    first = opened[0].gallery if opened else None
    most = max((column.vectors for column in columns), default=0)
    notices = [
        f"{column.encoder} is built of {column.vectors:,} of the {most:,} pictures: it cannot find the others"
        for column in columns
        if 0 < column.vectors < most
    ]
    name, fingerprint = (first.name, first.fingerprint) if first else ("", "")
    return FaceOff(name, fingerprint, k, index, tuple(columns), asked, tuple(notices))


def _is_loaded(side: Side) -> bool:
    return side.collection is not None and side.collection.encoder_is_loaded()


def _column(
    side: Side, ask: Ask, k: int, index: str, where: str, pictures: bool, fetch: bool, params: Mapping[str, int]
) -> tuple[Column, Query | None]:
    """The column, and the query that it answers."""
    collection = side.collection
    if collection is None:
        return Column(side.encoder, said=side.said), None
    try:
        query = ask(collection)
        if query.reads_words and not collection.encoder_spec.text:
            return Column(side.encoder, said=f"{side.encoder} reads no words: it has no answer to this query."), None
        if query.needs_encoder and not fetch and not collection.has_weights():
            raise NoWeights(f"The weights of {side.encoder} are not on this machine: search with it once to get them.")
        found = collection.search(
            query, index, k, pictures=pictures, where=where, compare=False, min_probability=0.0, **params
        )
    except SearchDemoError as error:
        return Column(side.encoder, said=str(error)), None
    classes = classified(collection, found) if collection.gallery.label_names else None
    return Column(side.encoder, found, "", len(collection), collection.stand_in, classes), query

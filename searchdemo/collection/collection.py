"""A gallery as an encoder sees it: all that is answered from one set of vectors.

One query, start to end:
    query -> encoder -> unit row (1, dim) -> index -> positions (1, k) -> true cosines -> gallery rows, labels, pictures
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from searchdemo.collection import knn
from searchdemo.collection.allowed import matching, without
from searchdemo.collection.asked import labelled
from searchdemo.collection.behind import UP_TO_DATE, Behind
from searchdemo.collection.classify import Classification, classified
from searchdemo.collection.embedded import Embedded, embed
from searchdemo.collection.exact import exact_once
from searchdemo.collection.hits import hits
from searchdemo.collection.labelled import all_labels
from searchdemo.collection.maps import Map
from searchdemo.collection.missed import compared
from searchdemo.collection.notices import ALONE, filter_notice, remedy, shortfall
from searchdemo.collection.presence import by_themselves, check_probability, presence, withheld
from searchdemo.collection.pushed import described, positions
from searchdemo.collection.query import Query, check_k
from searchdemo.collection.reading import reader
from searchdemo.collection.scores import rescored
from searchdemo.collection.shelf import Shelf
from searchdemo.collection.snapshot import Snapshot
from searchdemo.collection.store import Artifact
from searchdemo.collection.terms import ROW, Term
from searchdemo.collection.why import Why, why
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.encoders.templates import ClassRows, readable_classes
from searchdemo.errors import BadQuery, NoPictures, NotHere
from searchdemo.galleries.base import Gallery
from searchdemo.indexes.base import Index, uncounted
from searchdemo.indexes.vectors import ArrayVectors, Vectors
from searchdemo.types import MISSING, Comparison, Count, Hit, Missed, SearchResult, Timing

FEW = 0.01  # share of the pictures: where a filter leaves no more, comparing all of them is faster, see `bench filter`
EXACT = "brute"  # what others are compared with: NumPy, which shares no code with FAISS


@dataclass(frozen=True)
class Collection:
    """Opened by Library.open. It answers from the same vectors for as long as it is held, whatever is built meanwhile.

    Safe for several threads, and cheap to open again: a Library keeps what is behind it.
    """

    gallery: Gallery
    encoder_spec: EncoderSpec
    artifact: Artifact
    snapshot: Snapshot
    shelf: Shelf
    behind: Behind = UP_TO_DATE  # what changed in a person's folder since the vectors were made

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def vectors(self) -> Vectors:
        return self.snapshot.vectors

    @property
    def stand_in(self) -> bool:
        """Whether the vectors were made with weights of a test: figures made with them must say so."""
        return self.artifact.manifest.stand_in

    def part(self, size: int) -> Collection:
        """The same with only `size` of the vectors, always the same ones; itself when it has no more than that."""
        if size < 1:
            raise BadQuery(f"A gallery of {size:,} pictures cannot be searched: choose 1 or more.")
        if size >= len(self):
            return self
        part = self.shelf.snapshots.get((self.snapshot.identity, size), lambda: self.snapshot.part(size))
        return replace(self, snapshot=part)

    def wholes(self) -> Collection:
        """The same without vectors of parts of pictures; itself where there are none."""
        snapshot = self.snapshot
        if snapshot.vectors.each == 1:
            return self
        vectors = ArrayVectors(snapshot.vectors.all())
        return replace(self, snapshot=replace(snapshot, identity=(snapshot.identity, "wholes"), vectors=vectors))

    # Positions and rows

    def gallery_rows(self, positions: np.ndarray) -> np.ndarray:
        """Positions among the vectors -> rows of the gallery, of the same shape; MISSING stays."""
        return self.snapshot.gallery_rows(positions)

    def labels(self) -> np.ndarray:
        """(n,) int64 label of each position, an index into gallery.label_names; -1 where unknown."""
        rows = self.gallery_rows(np.arange(len(self)))
        return np.where(rows == MISSING, -1, np.asarray(self.gallery.pictures.labels, np.int64)[rows])

    def position(self, row: int) -> int:
        """Raises BadQuery when the row of the gallery is not among the vectors."""
        if self.snapshot.rows is None:
            if not 0 <= row < len(self):
                raise BadQuery(f"There is no row {row}: choose from 0 to {len(self) - 1:,}.")
            return row
        found = np.flatnonzero(self.snapshot.rows == row)
        if not len(found):
            raise BadQuery(f"Row {row} is not among the {len(self):,} pictures that were embedded.")
        return int(found[0])

    # Held-out queries

    @property
    def queries(self) -> np.ndarray:
        """(q, dim) float32 unit rows of the held-out queries; (0, dim) when there are none."""
        return self.snapshot.queries

    @property
    def truth(self) -> np.ndarray:
        """(q,) int64 label of each held-out query."""
        labels = np.asarray(self.gallery.queries.labels, np.int64)[: None if len(self.queries) else 0]
        return labels if self.snapshot.query_rows is None else labels[self.snapshot.query_rows]

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """(queries, truth), one at least. Raises NotHere when there are none."""
        if not len(self.queries):
            raise NotHere(
                f"No held-out queries of {self.gallery.name!r} are stored, so accuracy cannot be measured; "
                "choose a gallery that has them, such as 'tiny-imagenet' or 'scenes'."
            )
        return self.queries, self.truth

    def query_rows(self) -> np.ndarray:
        """(queries,) which of the gallery's held-out pictures each query is."""
        rows = self.snapshot.query_rows
        return np.arange(len(self.queries)) if rows is None else rows

    def query_row(self, number: int) -> int:
        """Which of the gallery's held-out pictures the query `number` is."""
        rows = self.snapshot.query_rows
        return int(number if rows is None else rows[number])

    def query_number(self, row: int) -> int:
        """The query that is the gallery's held-out picture `row`. Raises BadQuery when it was not embedded."""
        found = np.flatnonzero(self.query_rows() == row)
        if not len(found):
            raise BadQuery(f"The held-out picture {row} is not among the {len(self.queries):,} that were embedded.")
        return int(found[0])

    def query_picture(self, number: int) -> bytes | None:
        """The picture of a held-out query; None when it is not on this machine."""
        return self.gallery.queries.encoded(self.query_row(number))

    def stored_picture(self, query: Query) -> bytes | None:
        """The picture of a query whose vector is stored; None when it is not on this machine."""
        if query.held_out is not None:
            return self.query_picture(query.held_out)
        return self.gallery.pictures.encoded(query.row) if query.row is not None else None

    # Encoder and indexes

    def encoder(self) -> Encoder:
        """The encoder that made the vectors. Raises NoWeights, NotInstalled, BadArtifact (its weights have changed)."""
        encoder = self.shelf.encoder(self.encoder_spec.name)
        self.artifact.check_weights(encoder.weights_sha256)
        return encoder

    def has_weights(self) -> bool:
        """Whether `encoder` answers without going online."""
        return self.shelf.has_weights(self.encoder_spec.name)

    def encoder_is_loaded(self) -> bool:
        return self.shelf.is_loaded(self.encoder_spec.name)

    def index(self, name: str, progress: Count = uncounted, anew: bool = False) -> Index:
        """Loaded, or built from the stored vectors. Raises UnknownName, BadQuery, NotInstalled.

        anew: built though one is there, which goes away

        progress: told of a build, (vectors so far, in all); what it raises ends the build
        """
        if anew:
            self.shelf.forget(name, self.artifact, self.snapshot)
        return self.shelf.index(name, self.artifact, self.snapshot, progress, lambda: described(self, anew))

    def has_index(self, name: str) -> bool:
        """Whether the index would answer without being built first. Raises UnknownName."""
        return self.shelf.has_index(name, self.artifact, self.snapshot)

    def class_name_rows(self) -> ClassRows:
        """Rows of the class names that the encoder reads. Raises BadQuery without a text tower, and as `encoder`."""
        encoder, names = self.encoder(), self.gallery.class_names
        key = (encoder.weights_sha256, names)
        return self.shelf.class_rows.get(key, lambda: readable_classes(encoder, names, self.encoder_spec.prompts))

    def map(self) -> Map | None:
        """Where each position lies in two dimensions; None where no map of these very vectors is stored.

        Raises BadArtifact. `maps.build_map` makes one.
        """
        return self.shelf.map(self.artifact, self.snapshot)

    # Answers

    def embed(self, query: Query) -> Embedded:
        """Raises BadQuery, BadPicture, NoPictures, and what `encoder` does."""
        return embed(self.with_picture(query), lambda: reader(self.encoder()), self.stored_row)

    def stored_row(self, term: Term) -> np.ndarray:
        """(1, dim) of a picture of the gallery or a held-out one. Raises BadQuery."""
        number = int(term.value)
        if term.kind == ROW:
            return self.vectors.take(np.array([self.position(number)]))
        if not 0 <= number < len(self.queries):
            raise BadQuery(f"There is no held-out query {number}: choose below {len(self.queries):,}.")
        return self.queries[number : number + 1]

    def with_picture(self, query: Query) -> Query:
        """A part of a stored picture as the part of the picture itself. Raises NoPictures where that is not here."""
        if query.box is None or query.picture is not None:
            return query
        if (picture := self.stored_picture(query)) is None:
            raise NoPictures("The picture that the box is a part of is not on this machine: search with all of it.")
        return replace(query, picture=picture, row=None, held_out=None)

    def search(
        self,
        query: Query,
        index: str = "ivf",
        k: int = 10,
        *,
        pictures: bool = True,
        compare: bool = False,
        where: str = "",
        min_probability: float = 0.0,
        **params: int,
    ) -> SearchResult:
        """The k nearest pictures of the gallery. Raises SearchDemoError of every kind, each a sentence for a person.

        where: a filter, such as "label in ('dog', 'cat') and year >= 2020", see metadata/grammar.py; "": all pictures.

        pictures: with their files' bytes, thumbnails of large ones, or what stands in for them; False: read none, for
        answers that show none.
        min_probability: no hits where the gallery shows what a text says with less than that, see presence.py
        compare: an approximate answer with what it missed of the exact one, which is searched for that.
        """
        k = check_k(k)
        least, searched = check_probability(min_probability), self.index(index)
        embedded = self.embed(query)
        started = time.perf_counter()
        meeting = self.meeting(where)
        only = self._left(query, meeting)
        left = len(self) if only is None else int(np.count_nonzero(only))
        wanted, few = min(k, left), meeting is not None and left <= FEW * len(self) and not searched.spec.exact
        if few:
            found = self.exact(embedded.vector, k, only)[None]
        else:
            found = positions(self, searched, embedded.vector, k, only, where, meeting, params)
        search_ms = (time.perf_counter() - started) * 1000
        started = time.perf_counter()
        hits = self.hits(embedded, found[:, found[0] != MISSING], pictures)
        fetch_ms = (time.perf_counter() - started) * 1000
        count = None if meeting is None else int(np.count_nonzero(meeting))
        told = ("" if wanted else ALONE) if count is None else filter_notice(searched, wanted, few, count)
        short = shortfall(len(hits), wanted, searched)
        likely = presence(self, embedded, only)
        if (held := withheld(likely, least)) and likely:
            hits, short = (), ""
        notice = "; ".join(filter(None, (embedded.notice, told, short, held, self.behind.sentence(self.artifact.key))))
        timing = Timing(embedded.preprocess_ms, embedded.encode_ms, search_ms, fetch_ms)
        comparison = None
        if compare and hits and not searched.spec.exact and not few:
            comparison = self._comparison(embedded, searched, wanted, found[0], only, pictures, params)
        terms = tuple((str(term), term.weight) for term in embedded.terms) if query.composed else ()
        alone = by_themselves(self, embedded, only)
        return SearchResult(hits, timing, notice, embedded.vector[0], comparison, count, terms, likely, alone)

    def _comparison(
        self,
        embedded: Embedded,
        index: Index,
        k: int,
        found: np.ndarray,
        only: np.ndarray | None,
        pictures: bool,
        params: dict[str, int],
    ) -> Comparison:
        exact, exact_ms, _ = exact_once(self, embedded.vector, k, only)
        missed = compared(exact, found, index, embedded.vector, params, only)
        lost = np.array([[position for position in exact if position in missed.missed]], np.int64)
        return Comparison(missed, self.hits(embedded, lost, pictures) if lost.size else (), exact_ms)

    def meeting(self, where: str) -> np.ndarray | None:
        """(n,) bool: the positions whose pictures meet a filter; None for "". Raises BadFilter, BadArtifact."""
        return None if isinstance(where, str) and not where.strip() else matching(self, where)

    def allowed(self, query: Query | None = None, where: str = "") -> np.ndarray | None:
        """(n,) bool: the positions that an answer may hold; None: all. Left out are pictures that are no more, the
        query itself, and what does not meet a filter. Raises BadQuery."""
        return self._left(query, self.meeting(where))

    def _left(self, query: Query | None, meeting: np.ndarray | None) -> np.ndarray | None:
        itself = [] if query is None else [self.position(row) for row in query.rows]
        out = np.append(self.snapshot.gone, itself) if itself else self.snapshot.gone
        return without(len(self), out, meeting)

    def exact(self, vector: np.ndarray, k: int, only: np.ndarray | None = None) -> np.ndarray:
        """Positions (k,) of the nearest to a query (1, dim) among the allowed; fewer where there are not k."""
        return self.index(EXACT).search(vector, k, only).positions[0]

    def hits(self, embedded: Embedded, positions: np.ndarray, pictures: bool = True) -> tuple[Hit, ...]:
        """What an index found (1, k) for a query as hits, best first by their true cosines."""
        return hits(self, embedded, positions, pictures)

    def classify(
        self,
        query: Query,
        index: str = "ivf",
        k: int = 20,
        temperature: float | None = knn.TEMPERATURE,
        *,
        pictures: bool = True,
        where: str = "",
        max_degrees: float = knn.ANY_ANGLE,
        **params: int,
    ) -> Classification:
        """The class by the vote of the k nearest, and by class names when the encoder reads words.

        max_degrees: neighbours that are further away from the query have no vote, and such names of classes are no
        guesses. `bench classnames` finds the angle that tells right names from wrong best.
        temperature None: every neighbour counts alike. Raises BadQuery for a temperature of 0 or below, an angle
        outside of 0 < degrees <= 180, or a gallery without classes, and all that `search` raises.
        """
        knn.check_temperature(temperature)
        knn.check_degrees(max_degrees)
        if not self.gallery.label_names:
            raise BadQuery(
                f"The gallery {self.gallery.name!r} has no classes: put the pictures of each class in a folder of "
                "its own."
            )
        result = self.search(query, index, k, pictures=pictures, compare=False, where=where, **params)
        return classified(self, result, temperature, max_degrees)

    def evaluate(
        self,
        index: str,
        ks: tuple[int, ...] = knn.KS,
        temperature: float = knn.TEMPERATURE,
        max_degrees: float = knn.ANY_ANGLE,
        **params: int,
    ) -> knn.Evaluation:
        """kNN accuracy: every held-out query against the gallery, at each k, by the weighted and by the plain vote.

        max_degrees: neighbours further away have no vote, and a query whose neighbours all are is answered wrongly.
        Without held-out queries it is measured leave-one-out, see asked.py. Raises NotHere without labels, BadQuery for
        a k, a temperature or an angle out of bounds, and what `index` raises.
        """
        ks = tuple(check_k(k) for k in ks)
        knn.check_temperature(temperature)
        knn.check_degrees(max_degrees)
        asked = labelled(self)
        searched, most = self.index(index), max(ks)
        started = time.perf_counter()
        # One more than is needed: of two equal ones at the end, the first counts.
        found = asked.search(searched, most + 1, self.allowed(), **params)
        seconds = time.perf_counter() - started
        best = rescored(asked.vectors, self.vectors, found)
        positions, cosines = best.positions[:, :most], knn.near(best.scores[:, :most], max_degrees)
        labels = np.where(positions[:, :, None] == MISSING, -1, all_labels(self)[positions])
        accuracies = knn.evaluate(cosines, labels, asked.labels, len(self.gallery.label_names), ks, temperature)
        short = int((positions == MISSING).any(axis=1).sum())
        said = f"{short:,} of {len(asked):,} queries found fewer than {positions.shape[1]}{remedy(searched)}"
        cut = knn.cut(positions != MISSING, np.isfinite(cosines), max_degrees)
        few = knn.beyond(ks, positions.shape[1])
        told = "; ".join(filter(None, (asked.notice, few, said if short else "", cut)))
        return knn.Evaluation(len(asked), tuple(accuracies), seconds, told, asked.own is not None)

    def why(self, query: Query, row: int) -> Why:
        """Which parts of a picture of the gallery carry its score for a query. Raises what `embed` does."""
        return why(self, query, row)

    def missed(self, vector: np.ndarray, index: str, found: np.ndarray, **params: int) -> Missed:
        """What an approximate index lost on a query (1, dim): the exact answer beside the positions (k,) it found."""
        return compared(exact_once(self, vector, len(found)).positions, found, self.index(index), vector, params)

"""The input of a benchmark: vectors with labels, held-out queries with theirs, and the exact answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from searchdemo.collection.asked import asked
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.collection import Collection
from searchdemo.collection.labelled import all_labels
from searchdemo.collection.library import Library
from searchdemo.collection.progress import Progress
from searchdemo.collection.store import Key
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.encoders.table import IMPORTED, find
from searchdemo.encoders.templates import NAME_ALONE, readable_classes, unread_note
from searchdemo.errors import NotBuilt, NotHere, NoWeights, SearchDemoError
from searchdemo.indexes.table import INDEXES
from searchdemo.indexes.vectors import unit
from searchdemo.measure.cards import Figures

SYNTHETIC_CLASSES = 200
LEFT_OUT, LEFT_OUT_SHARE = 2_000, 10  # pictures that ask where nothing is held out: at most so many, and one in ten


@dataclass
class Workload:
    """Vectors of a gallery, queries that were held out from it, and the labels of both."""

    vectors: np.ndarray  # (n, dim) float32 unit rows
    labels: np.ndarray  # (n,) int64
    queries: np.ndarray  # (q, dim) float32 unit rows
    truth: np.ndarray  # (q,) int64
    label_names: tuple[str, ...]
    class_names: tuple[str, ...]
    subject: dict  # for the run card
    # Where pictures have several labels: all of the vectors, (n, L), and of the queries, (q, L), with -1 for none
    all_labels: np.ndarray | None = None
    all_truth: np.ndarray | None = None
    kept: np.ndarray | None = None  # (n,) positions of the vectors in the collection; None: all of it in its order
    words: np.ndarray | None = None  # (w, dim) unit rows of the names of classes, a second set of queries
    word_classes: np.ndarray | None = None  # (w,) int64: the class that each of them names
    _exact: np.ndarray | None = field(default=None, init=False, repr=False)
    _exact_words: np.ndarray | None = field(default=None, init=False, repr=False)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def every_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the vectors (n, L) and of the queries (q, M); L and M are 1 where no picture has several."""
        labels = self.labels[:, None] if self.all_labels is None else self.all_labels
        return labels, self.truth[:, None] if self.all_truth is None else self.all_truth

    @property
    def labelled(self) -> bool:
        """Whether accuracy can be measured: some query and some vector have a label."""
        return bool((self.truth >= 0).any() and (self.labels >= 0).any())

    def of_labelled(self) -> Workload:
        """With those queries alone that have a label. Raises NotHere where there is none, or no vector has one."""
        if not self.labelled:
            raise NotHere("No query and vector here have labels, which accuracy needs: recall does without them.")
        return self._asking(np.flatnonzero(self.truth >= 0), "without_label")

    def of_classes(self, classes: np.ndarray) -> Workload:
        """With those queries alone that are of one of these classes, numbers (c,); other labels of theirs go.

        Raises NotHere where there is none.
        """
        truth = self.every_label()[1]
        truth = np.where(np.isin(truth, classes), truth, -1)
        truth = np.take_along_axis(truth, np.argsort(truth < 0, axis=1, kind="stable"), axis=1)  # the first is one
        of_them = replace(self, truth=truth[:, 0], all_truth=None if self.all_truth is None else truth)
        if not (truth >= 0).any():
            raise NotHere("No query here is of a class whose name can be read: ask by neighbours, with `bench knn`.")
        return of_them._asking(np.flatnonzero(truth[:, 0] >= 0), "of_classes_left_out")

    def _asking(self, known: np.ndarray, others: str) -> Workload:
        """With these queries alone, numbers (k,). others: what the subject calls the rest."""
        if len(known) == len(self.truth):
            return self
        subject = self.subject | {"queries": len(known), others: len(self.truth) - len(known)}
        return replace(
            self,
            queries=self.queries[known],
            truth=self.truth[known],
            all_truth=taken(self.all_truth, known),
            subject=subject,
        )

    def exact(self, k: int) -> np.ndarray:
        """(q, min(k, n)) positions of the nearest by brute force in NumPy.

        They are the same for the inner product and for L2, because the rows are unit.
        """
        k = min(k, len(self.vectors))
        if self._exact is None or self._exact.shape[1] < k:
            self._exact = INDEXES["brute"].build(self.vectors).search(self.queries, k).positions
        return self._exact[:, :k]

    def exact_words(self, k: int) -> np.ndarray:
        """The same for `words`, which must be there: (w, min(k, n))."""
        assert self.words is not None
        k = min(k, len(self.vectors))
        if self._exact_words is None or self._exact_words.shape[1] < k:
            self._exact_words = INDEXES["brute"].build(self.vectors).search(self.words, k).positions
        return self._exact_words[:, :k]

    def part(self, size: int | None = None, queries: int | None = None, seed: int = 0) -> Workload:
        """At most `size` vectors and `queries` queries, balanced over the classes. None keeps all."""
        rows = balanced_rows(self.labels, size, seed)
        asked = balanced_rows(self.truth, queries, seed)
        if len(rows) == len(self.vectors) and len(asked) == len(self.queries):
            return self
        return replace(
            self,
            vectors=self.vectors[rows],
            labels=self.labels[rows],
            queries=self.queries[asked],
            truth=self.truth[asked],
            all_labels=taken(self.all_labels, rows),
            kept=taken(self.kept, rows),
            all_truth=taken(self.all_truth, asked),
            subject=self.subject | {"vectors": len(rows), "queries": len(asked)},
        )


def taken(each: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if each is None else each[rows]


def stored(collection: Collection) -> Workload:
    """The workload of what was built. Raises NotHere where there are fewer than two pictures.

    Where nothing is held out, some of the gallery's pictures ask and are left out of the vectors that are searched, as
    `left_out` in the subject says: no library of indexes can leave out another one for each query.
    """
    if (each := collection.vectors.each) > 1:
        raise NotHere(
            f"Benchmarks measure one vector per picture, and here are {each}: build it with "
            f"`{collection.artifact.key.build_command} --tiles 0`; `bench tiles` measures what parts of pictures find."
        )
    asking = asked(collection, max(1, min(LEFT_OUT, len(collection) // LEFT_OUT_SHARE)))
    kept = np.delete(np.arange(len(collection)), [] if asking.own is None else asking.own)
    queries, truth = asking.vectors, asking.labels[:, 0]
    manifest, gallery = collection.artifact.manifest, collection.gallery
    subject = {
        "vectors": len(kept),
        "dim": collection.vectors.dim,
        "queries": len(queries),
        "weights_sha256": manifest.weights_sha256,
        "vectors_sha256": collection.artifact.vectors_sha256,
        "precision": manifest.precision,
        "stand_in": manifest.stand_in,
        "synthetic": False,
    }
    vectors, labels = collection.vectors.all(), collection.labels()
    if asking.own is not None:
        subject["left_out"] = len(queries)
        vectors, labels = vectors[kept], labels[kept]
    work = Workload(vectors, labels, queries, truth, gallery.label_names, gallery.class_names, subject)
    work.kept = None if asking.own is None else kept
    every = all_labels(collection)[kept]
    if max(every.shape[1], asking.labels.shape[1]) > 1:
        subject["several_labels"] = True
        work.all_labels, work.all_truth = every, asking.labels
    return work


def synthetic(vectors: int, queries: int, dim: int, seed: int = 0) -> Workload:
    """Random unit rows around SYNTHETIC_CLASSES centres. Their times count; their accuracies mean nothing."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((SYNTHETIC_CLASSES, dim), dtype=np.float32)
    labels = rng.integers(0, SYNTHETIC_CLASSES, vectors + queries)
    rows = centres[labels]
    rows += rng.standard_normal(rows.shape, dtype=np.float32)
    unit(rows)
    names = tuple(f"class {number}" for number in range(SYNTHETIC_CLASSES))
    subject = {"vectors": vectors, "dim": dim, "queries": queries, "synthetic": True}
    return Workload(rows[:vectors], labels[:vectors], rows[vectors:], labels[vectors:], names, names, subject)


@dataclass(frozen=True)
class Asked:
    """What `latency` asks of every index. Other benchmarks sweep these by themselves."""

    k: int = 10
    metric: str = "ip"
    params: dict[str, int] = field(default_factory=dict)  # those that an index does not know are not for it

    def __str__(self) -> str:
        """What is unusual: "k 100, l2, nprobe 4", or ""."""
        said = [f"k {self.k}"] * (self.k != Asked.k) + [self.metric] * (self.metric != Asked.metric)
        return ", ".join(said + [f"{name} {value}" for name, value in self.params.items()])


@dataclass
class Bench:
    """One run of a benchmark: its input and its options. A benchmark takes one and returns Figures (see table.py)."""

    library: Library
    key: Key
    weights: Path | None = None  # custom ones, which the library was given too
    quick: bool = False  # the run takes less than a minute
    synthetic: bool = False  # take random vectors where none are built
    threads: tuple[int, ...] = (1,)
    seed: int = 0
    report: Callable[[Progress], None] = lambda progress: None
    keep: Callable[[Figures], object] = lambda figures: None  # gets what a long run has, in case that it is broken off
    indexes: tuple[str, ...] = ()  # names in the INDEXES table, for `latency`; (): all
    asked: Asked = field(default_factory=Asked)  # for `latency`
    options: dict = field(default_factory=dict)  # that only one benchmark understands
    notes: list[str] = field(default_factory=list)  # for its card, beside those of the benchmark
    _collection: Collection | None = field(default=None, repr=False)
    _workload: Workload | None = field(default=None, repr=False)

    def tell(self, stage: str, done: int = 0, total: int = 1, rate: float = 0.0) -> None:
        """Reports how far the run is. rate: per second; 0 when unknown."""
        self.report(Progress(stage, done, total, rate))

    @property
    def encoder_spec(self) -> EncoderSpec:
        """Raises UnknownName."""
        return find(self.key.encoder)

    def encoder(self) -> Encoder:
        """Raises NoWeights, also where the vectors were made elsewhere, NotInstalled, BadArtifact."""
        if self.encoder_spec is IMPORTED:
            raise NoWeights("These vectors were made elsewhere, so no encoder here makes one as their maker did.")
        return self.library.encoder(self.key.encoder)

    @property
    def trained_on_gallery(self) -> bool:
        """Whether the encoder has seen the gallery's pictures with their labels."""
        return self.encoder_spec.trained_on == self.key.gallery

    def collection(self) -> Collection:
        """The same collection for the whole run. Raises NotBuilt, BadArtifact."""
        if self._collection is None:
            self._collection = self.library.open(self.key.gallery, self.key.encoder)
        return self._collection

    def workload(self, quick_size: int = 10_000, quick_queries: int = 500) -> Workload:
        """The workload of the collection; of a quick run, at most this much of it. Raises NotBuilt, NotHere."""
        if self._workload is None:
            try:
                self._workload = stored(self.collection())
                self._read_words(self._workload)
            except NotBuilt:
                if not self.synthetic:
                    raise
                self._workload = synthetic(100_000, 2_000, self.encoder_spec.dim, self.seed)
        return self._workload.part(quick_size, quick_queries, self.seed) if self.quick else self._workload

    def _read_words(self, work: Workload) -> None:
        """The names of the classes as queries, unless the encoder reads none or its weights are not here."""
        if not (self.encoder_spec.text and any(work.class_names)):
            return
        try:
            encoder = self.encoder()
            self.collection().artifact.check_weights(encoder.weights_sha256)
            read = readable_classes(encoder, work.class_names, (NAME_ALONE,))
        except SearchDemoError:  # no weights, or others: indexes are measured without the encoder too
            return
        self.notes += filter(None, [unread_note(self.encoder_spec.name, read.unread, len(work.class_names))])
        if len(read.classes):
            work.words, work.word_classes = read.rows.astype(np.float32), read.classes

    def pictures(self, number: int) -> tuple[list[bytes], str]:
        """Encoded pictures, and the gallery that they come from: this one, or `scenes` when its own are not here."""
        for name in (self.key.gallery, "scenes"):
            pictures = self.library.gallery(name).pictures
            rows = balanced_rows(np.asarray(pictures.labels), number, self.seed)
            found = [picture for row in rows if (picture := pictures.encoded(int(row))) is not None]
            if len(found) == len(rows):
                break
        return found, name

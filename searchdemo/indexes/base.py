"""What an index is: unit rows in, the positions of the nearest out."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.errors import BadArtifact, BadQuery, SearchDemoError, UnknownName
from searchdemo.extras import imported, is_installed, pip_command
from searchdemo.files import replacing, unwritable
from searchdemo.indexes import beside
from searchdemo.indexes.among import filtered_afterwards
from searchdemo.indexes.described import Described
from searchdemo.indexes.nodes import Nodes, distinct
from searchdemo.indexes.unreached import Unreached
from searchdemo.indexes.walk import Walk
from searchdemo.types import MISSING, Count, Neighbors

DESCRIBING = ("pymilvus",)  # libraries whose indexes keep facts beside vectors
MAX_MADE = 256  # parameter objects that an index keeps for the next call
ALL_GPUS = "cuda:all"  # a device: FAISS's indexes in parts on all of them, an encoder and torch on the first
METRICS = ("ip", "l2")  # inner product, squared Euclidean distance: on unit rows both order alike


@dataclass(frozen=True)
class SearchParam:
    """A parameter that travels with each query."""

    name: str  # as on the command line, with "-" for "_"
    default: int
    minimum: int
    maximum: int
    help: str  # one line
    usual: int = 0  # the highest value that is of use on galleries as large as ours: where a slider ends


NPROBE = SearchParam("nprobe", 16, 1, 4096, "cells visited: more finds more and takes longer", usual=512)
EF_SEARCH = SearchParam("ef_search", 64, 1, 4096, "candidates kept while walking the graph", usual=1024)
K_FACTOR = SearchParam("k_factor", 8, 1, 256, "candidates per result that are scored again exactly", usual=64)
SEARCH_K = SearchParam("search_k", 4000, 1, 1_000_000, "vectors looked at, over all trees", usual=50_000)
PROBES = SearchParam("probes", 8, 1, 1024, "buckets looked at in each hash table", usual=64)
SEARCH_PARAMS = (NPROBE, EF_SEARCH, K_FACTOR, SEARCH_K, PROBES)


def uncounted(done: int, total: int) -> None:
    """Progress that nobody wants to know."""


def checked_params(index: str, known: tuple[SearchParam, ...], given: dict[str, int]) -> dict[str, int]:
    """A value for every known parameter. Raises UnknownName for others, BadQuery for a number out of bounds."""
    by_name = {param.name: param for param in known}
    for name, value in given.items():
        if name not in by_name:
            raise UnknownName(f"search parameter of {index!r}", name, by_name or ["(none)"])
        low, high = by_name[name].minimum, by_name[name].maximum
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            wrong = f"{value:,} is out of bounds" if whole else f"{value!r} is not a whole number"
            raise BadQuery(f"{name} = {wrong}: choose from {low} to {high:,}.")
    return {param.name: int(given.get(param.name, param.default)) for param in known}


@dataclass(frozen=True)
class IndexSpec:
    """One entry of the INDEXES table: a kind of index, how it is built, and what can be asked of it."""

    name: str
    family: str  # for the colour in a plot: "exact" | "ivf" | "graph" | "quantised" | "hash" | "tree"
    help: str  # one line for people
    made_by: str  # the file in this folder and the class in it, imported on first use: "annoy_index.AnnoyIndex"
    factory: Callable[[int, int], str] | None = None  # (vectors, dim) -> the factory string, of FAISS's indexes
    build_params: tuple[tuple[str, Any], ...] = ()  # by the names that the library or its class here gives them
    params: tuple[SearchParam, ...] = ()
    exact: bool = False  # whether it finds all of the nearest
    saved: bool = True  # whether an index of this kind is kept on disk; the others are made from the vectors each time
    library: str = ""  # the Python module that it needs
    package: str = ""  # what pip calls that library; "": it comes with requirements.txt

    @property
    def installed(self) -> bool:
        return not self.library or is_installed(self.library)

    @property
    def is_graph(self) -> bool:
        """Whether a walk from vector to vector finds the nearest; not where only centroids lie in a graph, and not
        where equal vectors cannot share a node, because each stands for facts of its own."""
        return EF_SEARCH in self.params and NPROBE not in self.params and self.library not in DESCRIBING

    @property
    def pip_command(self) -> str:
        """What brings the library that it needs."""
        return f"pip install {self.package}" if self.package else pip_command("encoders")

    def recipe(self, vectors: int, dim: int) -> str:
        """How it is built over so many vectors, for people and for the card: FAISS's factory string, or parameters."""
        if self.factory:
            return self.factory(vectors, dim)
        return ", ".join(f"{name} {value}" for name, value in self.build_params)

    def built_with(self, **build_params: Any) -> IndexSpec:
        """The same kind of index, built with these parameters instead."""
        return replace(self, build_params=tuple(build_params.items()))

    def build(
        self,
        vectors: np.ndarray,
        metric: str = "ip",
        progress: Count = uncounted,
        described: Callable[[], Described] | None = None,
    ) -> Index:
        """An index over unit rows (n, dim) float32, whose positions it returns. All cores may build.

        progress: told of (vectors so far, in all) where the library takes them in parts; what it raises ends the build
        described: what the vectors stand for, asked for where the index keeps that too
        Raises NotInstalled, UnknownName for a metric, BadQuery when these vectors cannot be indexed this way.
        """
        if metric not in METRICS:
            raise UnknownName("metric", metric, METRICS)
        kind = self._kind()  # before the clock: a build does not contain a first import
        started = time.perf_counter()
        with self.refusals(vectors):
            if self.is_graph or kind.shares:
                first, of = distinct(vectors)
                some = vectors if len(first) == len(vectors) else vectors[first]
                index = kind.from_vectors(self, some, metric, progress)
                index.stand_for(Nodes(of, len(first)))
                if self.is_graph:
                    index.reach(some, progress)
            else:
                more = {"described": described()} if kind.describes and described else {}
                index = kind.from_vectors(self, vectors, metric, progress, **more)
        index.load_ms = (time.perf_counter() - started) * 1000
        return index

    def load(self, path: Path, vectors: int, dim: int) -> Index:
        """An index that was saved over (vectors, dim) unit rows. The libraries trust their files: verify them first.

        Raises NotInstalled, BadArtifact.
        """
        kind = self._kind()
        started = time.perf_counter()
        try:
            nodes = beside.read_nodes(path)
            count = vectors if nodes is None else nodes.count
            index = kind.from_file(self, path, count, dim)
            if nodes is not None:
                index.stand_for(nodes)
            index.unreached = beside.read_unreached(path, count, dim)
        except SearchDemoError:
            raise
        except Exception as error:  # of whatever kind a library raises
            raise BadArtifact(
                f"{path} cannot be read as an index {self.name!r} ({reason(error)}); "
                "build it again with `python -m searchdemo build --rebuild`."
            ) from error
        if (index.count, index.dim) != (vectors, dim):
            raise BadArtifact(
                f"{path} holds {index.count:,} vectors of {index.dim} dimensions, not {vectors:,} of {dim}; "
                "build it again with `python -m searchdemo build --rebuild`."
            )
        index.load_ms = (time.perf_counter() - started) * 1000
        index.size_bytes = sum(file.stat().st_size for file in (path, *beside.beside(path).values()))
        return index

    def _kind(self) -> type[Index]:
        file, _, name = self.made_by.partition(".")
        return getattr(imported(f"searchdemo.indexes.{file}", f"The index {self.name!r}", self.pip_command), name)

    @contextmanager
    def refusals(self, vectors: np.ndarray) -> Iterator[None]:
        """Turns what a library raises while it builds an index over (n, dim) into BadQuery."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            n, dim = vectors.shape
            raise BadQuery(
                f"The index {self.name!r} cannot be built as {self.recipe(n, dim)!r} from {n:,} vectors of {dim} "
                f"dimensions: {reason(error)}. The index 'flat' works with any number."
            ) from error


def reason(error: Exception) -> str:
    """A library's own words, without the C++ around them: "Error in void f() at a.cpp:1: Error: 'x > 0' failed: ..."""
    words = re.split(r"\.cpp:\d+: (?:Error: )?", str(error))[-1].strip() or type(error).__name__
    return re.sub(r"^'.*' failed:\s*(?=\S)", "", words.splitlines()[0]).rstrip(".:")


class Index(ABC):
    """An index over positions 0 ... n-1 of some vectors. Safe for concurrent readers: parameters travel per call.

    A library adds a class: `from_vectors`, `_search`, and where it keeps its index on disk, `from_file` and `_write`.
    """

    filters = False  # whether it leaves out while it searches; else more is asked for, and filtered afterwards
    shares = False  # whether equal vectors share one place of it, as they do in each graph: see nodes.py
    describes = False  # whether it keeps what the vectors stand for, too: see Described
    state = ""  # of the facts that it keeps; "": none
    columns: frozenset[str] = frozenset()  # of the facts that it keeps
    load_ms = 0.0  # from a verified file, or from vectors in memory, to ready
    nodes: Nodes | None = None  # where they are not simply the positions
    unreached: Unreached | None = None  # of a graph, where its walks do not reach all of its nodes

    def __init__(
        self, spec: IndexSpec, index: Any, shape: tuple[int, int], size_bytes: int | None = None, recipe: str = ""
    ):
        """index: the library's own object; shape: (vectors, dim); size_bytes: None means counted when asked for."""
        self.spec, self.index, (self.count, self.dim) = spec, index, shape
        self.recipe = recipe or spec.recipe(*shape)
        self._size_bytes = size_bytes
        self._lock = threading.Lock()  # for libraries that keep search parameters in the index
        self._made: dict[tuple, Any] = {}  # given -> made; an lru_cache would refer to its index, and keep it in memory

    @classmethod
    @abstractmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> Index:
        """Through IndexSpec.build, which tells time and errors. One that `describes` is given `described` as well."""

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> Index:
        """Through IndexSpec.load, which tells time and errors."""
        raise NotImplementedError(f"the index {spec.name!r} is not kept on disk")

    @abstractmethod
    def _search(self, queries: np.ndarray, k: int, made: Any) -> tuple[np.ndarray, np.ndarray]:
        """Positions (q, k) int64 and scores (q, k) float32 for q >= 1 and k <= n; `made`: of `_parameters`."""

    def _search_among(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `_search`, but only what is true in `only` (n,) is found; k of them at least are.

        A library that can leave out while it searches says so in `filters` and overrides this.
        """
        return filtered_afterwards(lambda some, more: self._search(some, more, made), queries, k, only)

    def _parameters(self, values: dict[str, int]) -> Any:
        """Makes what `_search` gets of the checked parameters, once for the same values."""
        return values

    def _write(self, path: Path) -> None:
        raise NotImplementedError(f"the index {self.spec.name!r} is not kept on disk")

    def _made_of(self, params: dict[str, int]) -> Any:
        given, kept = tuple(params.items()), self._made
        if given not in kept:
            if len(kept) >= MAX_MADE:
                kept = self._made = {}  # a new one: another thread may be reading the old
            kept[given] = self._parameters(checked_params(self.spec.name, self.spec.params, params))
        return kept[given]

    def search(self, queries: np.ndarray, k: int, only: np.ndarray | None = None, /, **params: int) -> Neighbors:
        """Unit rows (q, dim) float32 -> Neighbors (q, k) of positions; k is cut to the number of vectors.

        only: (n,) bool, the positions that may be found, to whose number k is cut; None: all. See `filters`.

        Scores are the index's own estimate of the cosine (LSH: minus the Hamming distance). Where fewer than k are
        found, the last are MISSING, with the score -inf.
        Raises UnknownName for a parameter that this index does not have, BadQuery for a value outside its bounds.
        """
        made, k = self._made_of(params), min(k, self.count if only is None else int(np.count_nonzero(only)))
        if not len(queries) or not k:
            return Neighbors(*filled([((), ())] * len(queries), k))
        queries, nodes = np.ascontiguousarray(queries, dtype=np.float32), self.nodes
        if nodes is None:
            return Neighbors(*self._found(queries, k, made, only))
        live = nodes.standing_for(only) if only is not None else nodes.live if nodes.buried else None
        most = nodes.count if live is None else int(np.count_nonzero(live))
        return Neighbors(*nodes.expanded(*self._found(queries, min(k, most), made, live), k, only))

    def _found(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        found = self._walked(queries, k, made, only)
        return found if self.unreached is None else self.unreached.merged(queries, *found, only)

    def _walked(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self._search(queries, k, made) if only is None else self._search_among(queries, k, made, only)

    def reach(self, vectors: np.ndarray, progress: Count = uncounted) -> None:
        """Told the vectors (nodes, dim) of a graph's nodes: keeps those beside it that a usual search does not find."""
        made, live = self._made_of({}), self.nodes.live if self.nodes is not None and self.nodes.buried else None
        self.unreached = Unreached.of(lambda rows, k: self._walked(rows, k, made, live)[0], vectors, live, progress)

    @property
    def in_place(self) -> str:
        """How it takes additions and removals without being built again, for people; "" where it cannot."""
        return ""

    def stand_for(self, nodes: Nodes) -> None:
        """Told which positions its nodes stand for. Raises ValueError where it has other nodes."""
        if nodes.count != self.count:
            raise ValueError(f"it has {self.count:,} nodes, not {nodes.count:,}")
        self.nodes, self.count = (None if nodes.plain else nodes), len(nodes.of)

    def follow(self, described: Described, vectors: Callable[[], np.ndarray]) -> None:  # noqa: B027 most keep no facts
        """Checks that it belongs to these (n, dim) vectors, and takes over what changed of their facts.

        Raises BadArtifact where it belongs to others.
        """

    def belong(self, digest: str) -> None:  # noqa: B027 others have it in the card beside their file
        """Told the digest of the vectors after a change."""

    def search_where(
        self, queries: np.ndarray, k: int, expression: str, without: np.ndarray, /, **params: int
    ) -> np.ndarray:
        """Positions (q, k) that meet an expression of its own language, without some. Of those that `describes`."""
        raise NotImplementedError(f"the index {self.spec.name!r} knows no facts")

    def change(self, was: np.ndarray, vectors: np.ndarray) -> None:
        """Takes additions and removals, where `in_place` says that it can. Nobody may search it meanwhile.

        was: (n,) int64, the position that each vector had in this index until now; MISSING: it is added. Positions
        that are not named are removed. vectors: (n, dim) float32 unit rows, all of them.
        """
        raise NotImplementedError(f"the index {self.spec.name!r} takes no changes")

    def burden(self, queries: np.ndarray) -> float:
        """How many times as much a search for (q, dim) looks at, as it would in an index built anew; 1 is as much."""
        return 1.0

    def save(self, path: Path) -> None:
        """Writes a file, whole or not at all, of any index whose kind is kept on disk; see also beside.py.

        Raises NotWritten where the disk is full, or the place may not be written to.
        """
        with replacing(path) as temporary:
            try:
                self._write(temporary)
            except NotImplementedError:
                raise
            except RuntimeError as error:  # a library's own, without the system's reason
                raise unwritable(path, reason(error)) from error
        beside.write(path, self.nodes, self.unreached)

    @property
    def size_bytes(self) -> int:
        """By its own account: of the file that it is saved as, or of the vectors that it searches."""
        if self._size_bytes is None:
            with tempfile.TemporaryDirectory() as folder:
                self._write(path := Path(folder) / "index")
                self._size_bytes = path.stat().st_size
        return self._size_bytes

    @size_bytes.setter
    def size_bytes(self, value: int) -> None:
        self._size_bytes = value

    def cell_ranks(self, query: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
        """For inverted files: at which nprobe each position's cell is first visited, (m,) from 1. None for others.

        query: (dim,); positions: (m,)
        """
        ranks, cells = self.visit_ranks(query), self.cells()
        return None if ranks is None or cells is None else ranks[cells[positions]]

    def cells(self) -> np.ndarray | None:
        """For inverted files: the cell that holds each position, (n,) int32 from 0. None for others. It is kept."""
        return None

    def visit_ranks(self, query: np.ndarray) -> np.ndarray | None:
        """For inverted files: at which nprobe a query (dim,) visits each cell, (nlist,) from 1. None for others."""
        return None

    def walk(self, query: np.ndarray, **params: int) -> Walk | None:
        """For graphs whose edges can be read: the steps of a search for a query (dim,). None for others.

        Raises as `search` does.
        """
        return None

    def to_gpu(self, device: str = "cuda:0") -> None:  # noqa: B027 not abstract: most stay where they are
        """Moves to this GPU where the library can; others stay where they are."""


def cosines(squared: np.ndarray) -> np.ndarray:
    """Of pairs of unit rows whose squared Euclidean distances are given: |a - b|^2 = 2 - 2 cos."""
    return 1 - squared / 2


def filled(found: Sequence[tuple[Sequence[int] | np.ndarray, Any]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """(positions, scores) per query, of any length up to k, as arrays (q, k) that end with MISSING and -inf."""
    rows, scores = np.full((len(found), k), MISSING, np.int64), np.full((len(found), k), -np.inf, np.float32)
    for number, (some_rows, some_scores) in enumerate(found):
        rows[number, : len(some_rows)], scores[number, : len(some_rows)] = some_rows, some_scores
    return rows, scores

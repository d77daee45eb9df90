"""Any FAISS index: from vectors, from a file, and how each kind takes its search parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from searchdemo.errors import BadArtifact
from searchdemo.indexes import faiss_change
from searchdemo.indexes.base import ALL_GPUS, Index, IndexSpec, checked_params, cosines, reason
from searchdemo.indexes.factory import is_hash
from searchdemo.indexes.nodes import Nodes
from searchdemo.indexes.walk import Graph, Walk, walk
from searchdemo.types import MISSING, Count

PART = 10_000  # vectors that a graph takes at once
INVERTED = re.compile(r"IVF(\d+)")  # in a factory string
GPU_IVF: Any = getattr(faiss, "GpuIndexIVF", ())  # of faiss-gpu alone


def trained(spec: IndexSpec, vectors: np.ndarray, metric: str = "ip") -> Any:
    """FAISS's own index, trained with unit rows (n, dim) float32 and empty. Raises RuntimeError, FAISS's own."""
    factory = spec.recipe(*vectors.shape)
    inner_product = metric == "ip" and not is_hash(factory)  # FAISS refuses LSH under inner product
    metric_type = faiss.METRIC_INNER_PRODUCT if inner_product else faiss.METRIC_L2
    index = faiss.index_factory(vectors.shape[1], factory, metric_type)
    for name, value in spec.build_params:
        faiss.ParameterSpace().set_index_parameter(index, name, value)
    in_use = _set_clustering(index)
    index.train(vectors)
    del in_use
    return index


def _set_clustering(index: Any) -> list:
    """Bounds the time of k-means, and keeps it from warning on stderr about few training points.

    Returns objects to keep alive until training ends.
    """
    index, in_use = faiss.downcast_index(index), []
    if isinstance(index, faiss.IndexPreTransform):
        for step in transforms(index):
            if isinstance(step, faiss.OPQMatrix):  # instead of 50, 40 and 65,536
                step.niter, step.niter_pq_0, step.max_train_points = 10, 10, 16_384
                in_use.append(quantizer := faiss.ProductQuantizer(step.d_out, step.M, 8))
                quantizer.cp.min_points_per_centroid = 1
                step.pq = quantizer
        in_use += _set_clustering(index.index)
    if isinstance(index, faiss.IndexRefine):
        in_use += _set_clustering(index.base_index)
    if hasattr(index, "cp"):
        index.cp.min_points_per_centroid = 1
    if hasattr(index, "pq"):
        # The 256 centroids of each sub-quantiser settle on 64 points each; FAISS would take 256 and four times as long.
        index.pq.cp.min_points_per_centroid, index.pq.cp.max_points_per_centroid = 1, 64
    return in_use


def transforms(index: Any) -> list:
    """The steps before the index proper of an IndexPreTransform: PCA, OPQ ..."""
    return [faiss.downcast_VectorTransform(index.chain.at(number)) for number in range(index.chain.size())]


def read(path: Path, mapped: bool = True, beside: bool = False) -> Any:
    """FAISS's own index: maps a file whose checksum was verified, or reads all of it, as always on Windows.

    beside: its inverted lists lie in a file of their own in the same folder, which is mapped; see disk.py
    Raises BadArtifact when FAISS cannot read it.
    """
    mapped = mapped and hasattr(faiss, "OnDiskInvertedLists")  # not on Windows
    flags = faiss.IO_FLAG_ONDISK_SAME_DIR | faiss.IO_FLAG_READ_ONLY if beside else faiss.IO_FLAG_MMAP if mapped else 0
    try:
        index = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise BadArtifact(
            f"FAISS cannot read {path} ({reason(error)}); build it again with `python -m searchdemo build --rebuild`."
        ) from error
    if (lists := mapped_lists(index)) is not None:
        # FAISS starts up to 32 threads a search to read ahead, which a file that was just verified does not need:
        # 0.24 ms per query against 0.03 ms without (nprobe 8, 100,000 vectors of 128 dimensions).
        lists.prefetch_nthread = 0
    return index


def mapped_lists(index):
    """The inverted lists of an index that lie in a mapped file, or None."""
    ivf = faiss.try_extract_index_ivf(index)
    lists = ivf and faiss.downcast_InvertedLists(ivf.invlists)
    return lists if isinstance(lists, getattr(faiss, "OnDiskInvertedLists", ())) else None


@dataclass(frozen=True)
class Effort:
    """The search parameters of one call: by name, and as FAISS takes them."""

    values: dict[str, int]
    params: Any


@contextmanager
def io_errors() -> Iterator[Callable]:
    """Yields a wrapper of what FAISS calls to write: an OSError that it meets there comes out again as itself."""
    met: list[OSError] = []

    def told(write: Callable[[bytes], int]) -> Callable[[bytes], None]:
        def called(data: bytes) -> None:
            try:
                write(data)
            except OSError as error:
                met.append(error)
                raise

        return called

    try:
        yield told
    except Exception as error:
        if met:
            raise met[0] from error
        raise


def write(index: Any, path: Path) -> None:
    """Through Python's file: FAISS's own closes without a word when the last bytes find no room. Raises OSError."""
    with path.open("wb") as file, io_errors() as told:
        faiss.write_index(index, faiss.PyCallbackIOWriter(told(file.write)))


class FaissIndex(Index):
    """A FAISS index in memory or mapped. On a GPU, where FAISS is not safe for concurrent readers, behind a lock."""

    def __init__(self, spec: IndexSpec, index: Any, size_bytes: int | None = None, recipe: str = ""):
        """index: FAISS's own."""
        self.owner = index  # downcast_index returns a view that does not keep its index alive
        super().__init__(spec, None, (index.ntotal, index.d), size_bytes, recipe)
        if (ivf := faiss.try_extract_index_ivf(index)) is not None:
            # One that grew has the cells that it was trained with, not those that are right for so many vectors.
            self.recipe = INVERTED.sub(f"IVF{ivf.nlist}", self.recipe)
        self._hamming, self._euclidean = is_hash(self.recipe), index.metric_type == faiss.METRIC_L2
        self.on_gpu = False
        self._cells: np.ndarray | None = None
        self._use(faiss.downcast_index(index))

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str, progress: Count) -> FaissIndex:
        index = trained(spec, vectors, metric)
        # A graph takes its time for each vector: in parts, so that a person sees how far it is, and can end it.
        step = PART if isinstance(faiss.downcast_index(index), faiss.IndexHNSW) else len(vectors)
        for start in range(0, len(vectors), step):
            progress(start, len(vectors))
            index.add(vectors[start : start + step])
        return cls(spec, index, vectors.nbytes if spec.exact else None)

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> FaissIndex:
        return cls(spec, read(path))

    def _write(self, path: Path) -> None:
        if mapped_lists(self.owner) is not None:  # FAISS would write the path of the mapped file, not what is in it
            raise ValueError(f"the index {self.spec.name!r} lies in a file already: copy that")
        write(self.owner, path)

    def _use(self, index: Any) -> None:
        self.index = index
        base = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
        if isinstance(base, faiss.IndexIVFFastScan):
            base.implem = 11  # query by query, candidates in a reservoir: 0.0176 ms in place of 0.0205 for one query
        self._made = {}

    def to_gpu(self, device: str = "cuda:0") -> None:
        """Moves flat and IVF, when this is faiss-gpu and there is a GPU; ALL_GPUS: in equal parts to all of them."""
        gpus = getattr(faiss, "get_num_gpus", int)()
        if not gpus or self.spec.name not in ("flat", "ivf"):
            return
        if device == ALL_GPUS and gpus > 1:
            options = faiss.GpuMultipleClonerOptions()
            options.shard = True  # FAISS's copies on each GPU take no search parameters
            self._use(faiss.index_cpu_to_all_gpus(self.index, options))
        else:
            number = 0 if device == ALL_GPUS else int(device.partition(":")[2] or 0)
            self._resources = faiss.StandardGpuResources()  # FAISS keeps no hold on it
            self._use(faiss.index_cpu_to_gpu(self._resources, number, self.index))
        self.on_gpu = True

    def _parameters(self, values: dict[str, int]) -> Any:
        # Making FAISS's nested parameter objects took 22 of 62 us of an ivf-fastscan query; a search only reads them.
        return Effort(values, search_parameters(self.index, values))

    def stand_for(self, nodes: Nodes) -> None:
        super().stand_for(nodes)
        self._live = faiss.IDSelectorBitmap(np.packbits(nodes.live, bitorder="little"))
        self._made = {}

    @property
    def in_place(self) -> str:
        return faiss_change.in_place(self.owner)

    def change(self, was: np.ndarray, vectors: np.ndarray) -> None:
        if isinstance(faiss_change.innermost(self.owner), faiss.IndexHNSW):
            nodes = faiss_change.grown(self.owner, self.nodes or Nodes(np.arange(self.count), self.count), was, vectors)
            self.count = nodes.count
            self.stand_for(nodes)
            self.reach(
                vectors[nodes.first(np.arange(nodes.count))]
            )  # of tombstones any, because they are not asked for
        else:
            faiss_change.change(self.owner, was, vectors)
            self.count = len(was)
        self._cells, self._size_bytes, self._made = None, None, {}

    def burden(self, queries: np.ndarray) -> float:
        if self.nodes is not None:
            return self.nodes.burden
        ivf, cells = faiss.try_extract_index_ivf(self.owner), INVERTED.search(self.spec.recipe(self.count, self.dim))
        if ivf is None or cells is None:
            return 1.0
        nprobe, anew = self.spec.params[0].default, int(cells[1])
        visited = ivf.quantizer.search(np.ascontiguousarray(transformed(self.owner, queries)), min(nprobe, ivf.nlist))
        sizes = np.array([ivf.invlists.list_size(cell) for cell in range(ivf.nlist)])
        looked_at = sizes[visited[1]].sum(axis=1).mean()
        return float(looked_at / (self.count * min(1, nprobe / anew)))

    @property
    def filters(self) -> bool:  # type: ignore[override]
        return not self.on_gpu and takes_selector(self.owner)

    def _search_among(
        self, queries: np.ndarray, k: int, made: Effort, only: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """By an IDSelector where this kind of index takes one."""
        if not self.filters:
            return super()._search_among(queries, k, made, only)
        values = made.values
        if self.nodes is not None and self.nodes.buried:
            # A walk keeps tombstones among its candidates too: as many of the others as were asked for need more.
            values = values | {"ef_search": math.ceil(max(values["ef_search"], k) * self.nodes.burden)}
        usual = self.nodes is not None and only is self.nodes.live  # not a filter: the tombstones alone are left out
        allowed = self._live if usual else faiss.IDSelectorBitmap(np.packbits(only, bitorder="little"))
        return self._asked(queries, k, search_parameters(self.index, values, allowed))

    def _search(self, queries: np.ndarray, k: int, made: Effort) -> tuple[np.ndarray, np.ndarray]:
        return self._asked(queries, k, made.params)

    def _asked(self, queries: np.ndarray, k: int, params: Any) -> tuple[np.ndarray, np.ndarray]:
        if self.on_gpu:
            with self._lock:
                scores, rows = self.index.search(queries, k, params=params)
        else:
            scores, rows = self.index.search(queries, k, params=params)
        if self._hamming:
            scores = -scores
        elif self._euclidean:
            scores = cosines(scores)
        if len(rows) != 1 or rows.item(-1) == MISSING:  # they come last; a mask costs 1.5 us of a query's 25
            scores[rows == MISSING] = -np.inf
        return rows, scores

    def visit_ranks(self, query: np.ndarray) -> np.ndarray | None:
        ivf = faiss.try_extract_index_ivf(self.owner)  # not the one on a GPU, whose centroids are out of reach
        if ivf is None:
            return None
        _, visited = ivf.quantizer.search(np.ascontiguousarray(transformed(self.owner, query[None])), ivf.nlist)
        rank_of = np.full(ivf.nlist, ivf.nlist)  # a graph of centroids may not reach them all: those come last
        reached = visited[0][visited[0] != MISSING]
        rank_of[reached] = np.arange(1, len(reached) + 1)
        return rank_of

    def cells(self) -> np.ndarray | None:
        if self._cells is None and (ivf := faiss.try_extract_index_ivf(self.owner)) is not None:
            cells = np.empty(self.count, np.int32)
            for cell in range(ivf.nlist):
                if size := ivf.invlists.list_size(cell):
                    ids = ivf.invlists.get_ids(cell)
                    cells[faiss.rev_swig_ptr(ids, size)] = cell
                    ivf.invlists.release_ids(cell, ids)
            cells.flags.writeable = False
            self._cells = cells
        return self._cells

    def walk(self, query: np.ndarray, **params: int) -> Walk | None:
        graph = graph_of(faiss.downcast_index(self.owner))
        values = checked_params(self.spec.name, self.spec.params, params)
        if graph is None:
            return None
        steps = walk(graph, query, values["ef_search"])
        return steps if self.nodes is None else steps.over(self.nodes)


def transformed(index: Any, vectors: np.ndarray) -> np.ndarray:
    """Vectors (m, dim) after the steps that stand before an index's cells: PCA, OPQ ..."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        index = faiss.downcast_index(index.base_index)
    if isinstance(index, faiss.IndexPreTransform):
        for step in transforms(index):
            vectors = step.apply(vectors)
    return vectors


def graph_of(index: Any) -> Graph | None:
    """The graph of FAISS's own HNSW index, read in place; None for other indexes."""
    if not isinstance(index, faiss.IndexHNSW):
        return None
    hnsw, storage = index.hnsw, faiss.downcast_index(index.storage)
    edges = faiss.rev_swig_ptr(hnsw.neighbors.data(), hnsw.neighbors.size())
    inner_product = index.metric_type == faiss.METRIC_INNER_PRODUCT

    def neighbours(position: int, layer: int) -> np.ndarray:
        first, last = (hnsw.offsets.at(position) + hnsw.cum_nb_neighbors(end) for end in (layer, layer + 1))
        found = edges[first:last]
        return found[found != MISSING].astype(np.int64)  # unused places stand at the end

    def scores(query: np.ndarray, positions: np.ndarray) -> np.ndarray:
        vectors = storage.reconstruct_batch(positions)
        return vectors @ query if inner_product else -((vectors - query) ** 2).sum(axis=1)

    return Graph(hnsw.entry_point, hnsw.max_level, neighbours, scores)


def search_parameters(index: Any, values: dict[str, int], selector: Any = None) -> Any:
    """FAISS's parameter object for this index: handed to each call, because two visitors search one index at once.

    selector: FAISS's own, of what may be in an answer, for an index that `takes_selector`; None: all. It goes to the
    index that holds the vectors, because the steps before that do not hand it down where they hand down parameters.
    """
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexShards):
        return search_parameters(index.at(0), values)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=search_parameters(index.index, values, selector))
    if isinstance(index, faiss.IndexRefine):
        inner = search_parameters(index.base_index, values, selector)
        return faiss.IndexRefineSearchParameters(k_factor=values["k_factor"], base_index_params=inner)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=values["ef_search"], sel=selector)
    if isinstance(index, (faiss.IndexIVF, GPU_IVF)):
        # More cells than there are: fast-scan codes of residuals then give wrong answers without a word (FAISS 1.15).
        values = values | {"nprobe": min(values["nprobe"], index.nlist)}
    if isinstance(index, GPU_IVF):
        return faiss.SearchParametersIVF(nprobe=values["nprobe"])
    if isinstance(index, faiss.IndexIVF):
        quantizer = search_parameters(index.quantizer, values)
        return faiss.SearchParametersIVF(nprobe=values["nprobe"], quantizer_params=quantizer, sel=selector)
    return faiss.SearchParameters(sel=selector) if selector else None


def takes_selector(index: Any) -> bool:
    """Whether this kind of index leaves out while it searches. Others refuse (FAISS 1.15), or would not look."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        return takes_selector(index.base_index)
    if isinstance(index, faiss.IndexPreTransform):
        return takes_selector(index.index)
    kinds = (faiss.IndexFlat, faiss.IndexIVF, faiss.IndexHNSW, faiss.IndexScalarQuantizer)
    return isinstance(index, kinds)

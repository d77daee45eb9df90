"""Any FAISS index behind the VectorIndex protocol: build, save, load, search."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from searchdemo.errors import BadArtifact, BadQuery, UnknownName
from searchdemo.files import replacing
from searchdemo.indexes.base import METRICS, IndexSpec, SearchParam, checked_params, params_of
from searchdemo.types import MISSING, Neighbors


def build(spec: IndexSpec, vectors: np.ndarray, metric: str = "ip"):
    """Train and fill a FAISS index with unit rows (n, dim) float32; ids are their positions.

    Raises UnknownName for a metric, BadQuery when the factory string is wrong or there are too few vectors to train.
    """
    index = trained(spec, vectors, metric)
    with _told(spec, vectors):
        index.add(vectors)
    return index


def trained(spec: IndexSpec, vectors: np.ndarray, metric: str = "ip"):
    """As build, which adds the vectors too. Raises the same."""
    import faiss

    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    dim, factory = vectors.shape[1], spec.factory(*vectors.shape)
    inner_product = metric == "ip" and not is_hash(factory)  # FAISS refuses LSH under inner product
    with _told(spec, vectors):
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT if inner_product else faiss.METRIC_L2)
        for name, value in spec.build_params:
            faiss.ParameterSpace().set_index_parameter(index, name, value)
        in_use = _set_clustering(index)
        index.train(vectors)
        del in_use
    return index


@contextmanager
def _told(spec: IndexSpec, vectors: np.ndarray) -> Iterator[None]:
    """FAISS's refusals as a BadQuery."""
    try:
        yield
    except RuntimeError as error:
        n, dim = vectors.shape
        raise BadQuery(
            f"The index {spec.name!r} cannot be built as {spec.factory(n, dim)!r} from {n:,} vectors of {dim} "
            f"dimensions: {reason(error)}. The index 'flat' works with any number."
        ) from error


def is_hash(factory: str) -> bool:
    """LSH compares bits: its distances are Hamming's."""
    return "LSH" in factory


def reason(error: RuntimeError) -> str:
    """FAISS's own words, without the C++ around them: "Error in void f() at a.cpp:1: Error: 'x > 0' failed: ..."."""
    words = re.split(r"\.cpp:\d+: (?:Error: )?", str(error))[-1].strip()
    return re.sub(r"^'.*' failed:\s*(?=\S)", "", words.splitlines()[0]).rstrip(".:")


def _set_clustering(index) -> list:
    """Bound the time of k-means, and keep it from warning on stderr about few training points.

    Returns what must not be given up before the training is over.
    """
    import faiss

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


def transforms(index) -> list:
    """The steps before the index proper of an IndexPreTransform: PCA, OPQ ..."""
    import faiss

    return [faiss.downcast_VectorTransform(index.chain.at(number)) for number in range(index.chain.size())]


def save(index, path: Path) -> None:
    import faiss

    with replacing(path) as temporary:
        faiss.write_index(index, str(temporary))


def read(path: Path, mapped: bool = True):
    """Map a file whose checksum was verified, or read all of it, as always on Windows.

    Raises BadArtifact when FAISS cannot read it.
    """
    import faiss

    mapped = mapped and hasattr(faiss, "OnDiskInvertedLists")  # not on Windows
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP if mapped else 0)
    except RuntimeError as error:
        raise BadArtifact(
            f"FAISS cannot read {path} ({reason(error)}); build it again with `python -m searchdemo build --rebuild`."
        ) from error
    ivf = faiss.try_extract_index_ivf(index)
    lists = ivf and faiss.downcast_InvertedLists(ivf.invlists)
    if isinstance(lists, getattr(faiss, "OnDiskInvertedLists", ())):
        # FAISS starts up to 32 threads a search to read ahead, which a file that was just verified does not need:
        # 0.24 ms a query against 0.03 ms without (nprobe 8, 100,000 vectors of 128 dimensions).
        lists.prefetch_nthread = 0
    return index


class FaissIndex:
    """A FAISS index in memory. On a GPU, where FAISS is not safe for concurrent readers, behind a lock."""

    def __init__(self, spec: IndexSpec, index, size_bytes: int, load_ms: float):
        import faiss

        self.spec, self.size_bytes, self.load_ms = spec, size_bytes, load_ms
        self._owner = index  # downcast_index returns a view that does not keep its index alive
        self.factory = spec.factory(index.ntotal, index.d)
        self._hamming, self._euclidean = is_hash(self.factory), index.metric_type == faiss.METRIC_L2
        self._lock = nullcontext()
        self._use(faiss.downcast_index(index))

    @classmethod
    def from_vectors(cls, spec: IndexSpec, vectors: np.ndarray, metric: str = "ip") -> FaissIndex:
        import faiss

        started = time.perf_counter()
        index = build(spec, vectors, metric)
        load_ms = (time.perf_counter() - started) * 1000
        exact = spec.exact  # a flat index is its vectors; serialising 50 MB to count them is waste
        return cls(spec, index, vectors.nbytes if exact else len(faiss.serialize_index(index)), load_ms)

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path) -> FaissIndex:
        started = time.perf_counter()
        index = read(path)
        return cls(spec, index, path.stat().st_size, (time.perf_counter() - started) * 1000)

    def _use(self, index) -> None:
        import faiss

        self.index = index
        base = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
        if isinstance(base, faiss.IndexIVFFastScan):
            base.implem = 11  # query by query, candidates in a reservoir: 0.0176 ms in place of 0.0205 for one query
        # Making FAISS's nested parameter objects took 22 of 62 us of an ivf-fastscan query; a search only reads them.
        make = functools.partial(parameters_for, self.spec.name, params_of(self.factory), index)
        self._parameters = functools.lru_cache(maxsize=256)(make)

    def to_gpu(self) -> None:
        """Move flat and IVF to the first GPU, when this is faiss-gpu and there is one; else stay."""
        import faiss

        if getattr(faiss, "get_num_gpus", int)() and self.spec.name in ("flat", "ivf"):
            self._use(faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, self.index))
            self._lock = threading.Lock()

    def search(self, queries: np.ndarray, k: int, **params: int) -> Neighbors:
        parameters = self._parameters(**params)
        k = min(k, self.index.ntotal)
        with self._lock:
            scores, positions = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), k, params=parameters)
        if self._hamming:
            scores = -scores
        elif self._euclidean:
            scores = 1 - scores / 2  # |a - b|^2 = 2 - 2 cos for unit rows
        if len(positions) != 1 or positions.item(-1) == MISSING:  # they come last; a mask costs 1.5 us of a query's 25
            scores[positions == MISSING] = -np.inf
        return Neighbors(positions, scores)

    def cell_ranks(self, query: np.ndarray, vectors: np.ndarray) -> np.ndarray | None:
        """For IVF: at which nprobe each vector's cell is first visited, (m,) from 1. None for others.

        query (dim,), vectors (m, dim): stored vectors, whose cell is that of their nearest centroid.
        """
        import faiss

        index = faiss.downcast_index(self._owner)  # not the one on a GPU, whose centroids are out of reach
        ivf = faiss.try_extract_index_ivf(index)
        if ivf is None:
            return None
        if isinstance(index, faiss.IndexRefine):
            index = faiss.downcast_index(index.base_index)
        if isinstance(index, faiss.IndexPreTransform):
            for step in transforms(index):
                query, vectors = step.apply(query[None])[0], step.apply(vectors)
        _, visited = ivf.quantizer.search(np.ascontiguousarray(query[None]), ivf.nlist)
        _, cells = ivf.quantizer.search(np.ascontiguousarray(vectors), 1)
        rank_of = np.full(ivf.nlist, ivf.nlist)  # a graph of centroids may not reach them all: those come last
        reached = visited[0][visited[0] != MISSING]
        rank_of[reached] = np.arange(1, len(reached) + 1)
        return rank_of[cells[:, 0]]


def parameters_for(name: str, known: tuple[SearchParam, ...], index, /, **given: int):
    """What `index.search` takes as `params`. Raises UnknownName, BadQuery (see checked_params)."""
    return search_parameters(index, checked_params(name, known, given))


def search_parameters(index, values: dict[str, int]):
    """FAISS's parameter object for this index: handed to each call, because two visitors search one index at once."""
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=search_parameters(index.index, values))
    if isinstance(index, faiss.IndexRefine):
        inner = search_parameters(index.base_index, values)
        return faiss.IndexRefineSearchParameters(k_factor=values["k_factor"], base_index_params=inner)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=values["ef_search"])
    if isinstance(index, (faiss.IndexIVF, getattr(faiss, "GpuIndexIVF", ()))):
        # More cells than there are: fast-scan codes of residuals then give wrong answers without a word (FAISS 1.15).
        values = values | {"nprobe": min(values["nprobe"], index.nlist)}
    if isinstance(index, getattr(faiss, "GpuIndexIVF", ())):
        return faiss.SearchParametersIVF(nprobe=values["nprobe"])
    if isinstance(index, faiss.IndexIVF):
        quantizer = search_parameters(index.quantizer, values)
        return faiss.SearchParametersIVF(nprobe=values["nprobe"], quantizer_params=quantizer)
    return None

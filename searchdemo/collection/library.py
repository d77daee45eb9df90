"""The SearchEngine: holds what is loaded, and takes one query from picture or words to hits.

One query, start to end:
    query -> encoder -> unit row (1, dim) -> index -> positions (1, k) -> gallery rows -> cosines, labels, pictures
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from searchdemo.cache import Kept
from searchdemo.collection.build import Report, build
from searchdemo.collection.collection import Prepared
from searchdemo.collection.store import VECTORS, Artifact, Key, Store
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.device import pick_device
from searchdemo.encoders.templates import class_rows
from searchdemo.errors import BadQuery, NotBuilt
from searchdemo.galleries.base import Gallery
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import find
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.pictures import open_picture
from searchdemo.types import MISSING, Hit, SearchResult, Timing

MOST_RESULTS = 1000
LONGEST_TEXT = 1000  # characters; every text tower here stops reading long before


@dataclass(frozen=True)
class Query:
    """What is searched with: exactly one of these."""

    picture: bytes | Path | Image.Image | None = None
    text: str | None = None
    row: int | None = None  # of the gallery: its stored vector, and the row itself is left out of the results
    held_out: int | None = None  # number among the gallery's queries: its stored vector

    def __post_init__(self):
        if sum(value is not None for value in (self.picture, self.text, self.row, self.held_out)) != 1:
            raise BadQuery("Give exactly one of a picture, a text or a row to search with.")


@dataclass(frozen=True)
class Embedded:
    """A query as a unit row, and what that cost."""

    vector: np.ndarray  # (1, dim) float32
    preprocess_ms: float
    encode_ms: float


class SearchEngine:
    """Loads what is asked for, keeps it, answers queries. Safe for several threads."""

    def __init__(
        self,
        store: Store | None = None,
        data_dir: Path | None = None,
        device: str | None = None,
        transform: str = "own",
        metric: str = "ip",
        weights: dict[str, Path] | None = None,
        limit: int | None = None,
    ):
        """limit: keep to the vectors of this many pictures, whatever else is built."""
        self.store = store or Store()
        self.data_dir, self.device, self.transform, self.metric = data_dir, device, transform, metric
        self.limit = limit
        self.weights = weights or {}
        self._galleries: Kept[Gallery] = Kept(8)
        self._downloads: Kept[Gallery] = Kept(8)
        self._encoders: Kept[Encoder] = Kept(3)
        self._stored: Kept[tuple[StoredVectors, np.ndarray | None]] = Kept(8)
        self._indexes: Kept[Index] = Kept(24)
        self._class_rows: Kept[np.ndarray] = Kept(8)

    # What is loaded

    def gallery(self, name: str, download: bool = False, progress=None) -> Gallery:
        """Raises UnknownName, NoPictures (a folder that is not there).

        download: fetch pictures that are missing; until they are here, all others go on with the gallery as it is.
        """
        if not download:
            return self._galleries.get(name, lambda: open_gallery(name, self.data_dir, False, progress))
        opened = self._downloads.get(name, lambda: open_gallery(name, self.data_dir, True, progress))
        self._galleries.put(name, opened)
        return opened

    def _reopened(self, name: str) -> Gallery:
        """The gallery as it is now, in place of the kept one; a copy that was downloaded is found where it was put."""
        opened = open_gallery(name, self.data_dir)
        for kept in (self._galleries, self._downloads):
            if name in kept:
                kept.put(name, opened)
        return opened

    def encoder(self, name: str, progress=None) -> Encoder:
        """Raises UnknownName, NoWeights, BadArtifact."""

        def load() -> Encoder:
            return encoder_table.load(
                name,
                device=self.device,
                transform=self.transform,
                weights=self.weights.get(name),
                progress=progress,
            )

        return self._encoders.get(name, load)

    def has_weights(self, encoder: str) -> bool:
        """Whether this encoder can be loaded without going online."""
        return encoder in self._encoders or bool(self.weights.get(encoder) or encoder_table.weights_path(encoder))

    def key(self, gallery: str, encoder: str, limit: int | None = None) -> Key:
        return Key(gallery, encoder, self.transform, self.metric, self.limit if limit is None else limit)

    def built_key(self, gallery: str, encoder: str) -> Key | None:
        """Of the whole gallery when that is built, else of the largest balanced part that is."""
        whole = self.key(gallery, encoder)
        if self.store.has(whole):
            return whole
        parts = [key for key in (replace(whole, limit=limit) for limit in self._limits(whole)) if self.store.has(key)]
        return max(parts, key=lambda key: key.limit or 0, default=None)

    def _limits(self, whole: Key) -> list[int]:
        prefix = f"{whole.folder.name}-n"
        names = (folder.name for folder in self.store.folders() if folder.parent == whole.folder.parent)
        return [
            int(name.removeprefix(prefix))
            for name in names
            if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
        ]

    def prepared(self, gallery: str, encoder: str) -> Prepared:
        """Raises NotBuilt, BadArtifact."""
        encoder_table.ENCODERS.find(encoder)
        opened = self.gallery(gallery)
        key = self.built_key(gallery, encoder)
        if key is None:
            wanted = self.key(gallery, encoder)
            raise NotBuilt(f"{encoder!r} is not built for this gallery ({gallery}) yet: run `{wanted.build_command}`.")

        # The manifest is read each time, in 0.1 ms, so that a rebuild is noticed, in this process or another.
        artifact = self.store.open(key)
        if artifact.manifest.gallery_fingerprint != opened.fingerprint:
            opened = self._reopened(gallery)  # another process may have built what a folder holds by now
        artifact.check_gallery(opened.fingerprint)

        def load() -> tuple[StoredVectors, np.ndarray | None]:
            rows = np.load(artifact.file("rows.npy")) if artifact.has("rows.npy") else None
            return StoredVectors(artifact.file(VECTORS)), rows

        return Prepared(opened, artifact, *self._stored.get((key, *artifact.manifest.files.items()), load))

    def index(self, gallery: str, encoder: str, index: str) -> Index:
        """Loaded, or built from the stored vectors and saved for the next time. Raises NotBuilt, BadQuery."""
        find(index)
        return self._index_over(self.prepared(gallery, encoder), index)

    def _index_over(self, prepared: Prepared, index: str) -> Index:
        spec = find(index)

        def open_index() -> Index:
            artifact, vectors = prepared.artifact, prepared.vectors
            if index == "ivf":
                opened = vectors.as_index(spec)
            elif not spec.saved:
                opened = spec.build(vectors.all(), self.metric)
            else:
                recipe = spec.recipe(len(vectors), vectors.dim)
                path = self.store.extra_index(artifact, index, recipe)
                if path is None:
                    path = self.store.extra_index_path(artifact, index)
                    built = spec.build(vectors.all(), self.metric)
                    built.save(path)
                    self.store.add_index(artifact, path, recipe, built.load_ms / 1000)
                opened = spec.load(path, len(vectors), vectors.dim)
            if self.device is None or self.device.startswith("cuda"):
                opened.to_gpu(self.device or "cuda:0")
            return opened

        artifact = prepared.artifact
        return self._indexes.get((artifact.folder, artifact.vectors_sha256, index), open_index)

    def kept_index(self, key: Hashable, make: Callable[[], Index]) -> Index:
        """An index that only a benchmark needs, kept among the others."""
        return self._indexes.get(key, make)

    def has_index(self, gallery: str, encoder: str, index: str) -> bool:
        """Whether `index` would answer without being built first."""
        prepared = self.prepared(gallery, encoder)
        spec = find(index)
        recipe = spec.recipe(len(prepared.vectors), prepared.vectors.dim)
        return index == "ivf" or not spec.saved or self.store.extra_index(prepared.artifact, index, recipe) is not None

    def build(
        self, gallery: str, encoder: str, limit: int | None = None, report: Report = lambda p: None, **options
    ) -> Artifact:
        """Embed the gallery. Raises NoPictures, NoWeights."""
        key = self.key(gallery, encoder, limit)
        return build(self.gallery(gallery), self.encoder(encoder), self.store, key, report, **options)

    # One query

    def embed(self, query: Query, gallery: str, encoder: str) -> Embedded:
        """Raises BadQuery, BadPicture, NoWeights. That the weights are those of the stored vectors, `search` checks."""
        stored = query.row is not None or query.held_out is not None
        return self._embed(query, self.prepared(gallery, encoder) if stored else None, encoder)

    def _embed(self, query: Query, prepared: Prepared | None, encoder: str) -> Embedded:
        if query.row is not None:
            return Embedded(prepared.vectors.take(np.array([prepared.position(query.row)])), 0.0, 0.0)
        if query.held_out is not None:
            stored, _ = prepared.queries()
            if not 0 <= query.held_out < len(stored):
                raise BadQuery(f"There is no held-out query {query.held_out}: choose below {len(stored):,}.")
            return Embedded(stored[query.held_out : query.held_out + 1], 0.0, 0.0)
        network = self.encoder(encoder)
        started = time.perf_counter()
        if query.text is not None:
            text = checked_text(query.text)
            return Embedded(network.encode_texts([text]), 0.0, (time.perf_counter() - started) * 1000)
        pixels = network.preprocess([open_picture(query.picture)])
        preprocessed = time.perf_counter()
        vector = network.encode_pixels(pixels)
        return Embedded(vector, (preprocessed - started) * 1000, (time.perf_counter() - preprocessed) * 1000)

    def search(
        self,
        query: Query,
        gallery: str,
        encoder: str,
        index: str,
        k: int = 10,
        pictures: bool = True,
        **params: int,
    ) -> SearchResult:
        """The k nearest pictures of the gallery. Raises SearchDemoError of every kind, each a sentence for a person.

        pictures: with their files' bytes, or what stands in for them; False: read none, for answers that show none.
        """
        check_k(k)
        find(index)
        prepared = self.prepared(gallery, encoder)
        searched = self._index_over(prepared, index)  # of these very vectors, whatever is rebuilt meanwhile
        if query.picture is not None or query.text is not None:
            prepared.artifact.check_weights(self.encoder(encoder).weights_sha256)
        embedded = self._embed(query, prepared, encoder)
        left_out = prepared.position(query.row) if query.row is not None else MISSING
        one_more = int(left_out != MISSING)
        started = time.perf_counter()
        positions = searched.search(embedded.vector, k + one_more, **params).rows[0]
        search_ms = (time.perf_counter() - started) * 1000
        started = time.perf_counter()
        positions = positions[(positions != MISSING) & (positions != left_out)][:k]
        hits = self._hits(prepared, positions, embedded.vector[0])
        if pictures:
            hits = tuple(with_picture(hit, prepared.gallery) for hit in hits)
        fetch_ms = (time.perf_counter() - started) * 1000
        notice = shortfall(len(hits), min(k, len(prepared.vectors) - one_more), searched)
        timing = Timing(embedded.preprocess_ms, embedded.encode_ms, search_ms, fetch_ms)
        return SearchResult(hits, timing, notice, embedded.vector[0])

    def _hits(self, prepared: Prepared, positions: np.ndarray, query: np.ndarray) -> tuple[Hit, ...]:
        """Cosines come from the stored vectors: quantised indexes only estimate them."""
        if not len(positions):
            return ()
        cosines = np.einsum("kd,d->k", prepared.vectors.take(positions), query)  # BLAS may round equal rows differently
        order = np.lexsort((positions, -cosines))  # equal ones by row, whichever index found them
        rows, scores = prepared.gallery_rows(positions[order]).tolist(), np.clip(cosines[order], -1, 1).tolist()
        shown = prepared.gallery

        def hit(rank: int, row: int, score: float) -> Hit:
            return Hit(rank, row, shown.label(row), shown.class_name(row), score, shown.file(row))

        return tuple(hit(rank, *found) for rank, found in enumerate(zip(rows, scores, strict=True), start=1))

    def class_name_rows(self, gallery: str, encoder: str) -> np.ndarray:
        """(classes, dim) unit rows of the gallery's class names. Raises BadQuery without a text tower."""
        names, prompts = self.gallery(gallery).class_names, encoder_table.ENCODERS.find(encoder).prompts
        return self._class_rows.get((encoder, names), lambda: class_rows(self.encoder(encoder), names, prompts))


def with_picture(hit: Hit, gallery: Gallery) -> Hit:
    """With its picture, or what stands in for one that is not on this machine."""
    picture = gallery.pictures.encoded(hit.row)
    return replace(hit, picture=picture, blur=gallery.blur(hit.row) if picture is None else None)


def exact_index(vectors: np.ndarray, device: str | None = None) -> Index:
    """Exact search over (n, dim) unit rows as this machine does it best: on a GPU, in bfloat16 first, or in NumPy."""
    index, device = find("exact-bf16").build(vectors), pick_device(device)
    if device.startswith("cuda"):
        index.to_gpu(device)
    return index


def check_k(k: int) -> None:
    if not 1 <= k <= MOST_RESULTS:
        raise BadQuery(f"k = {k:,} is out of bounds: choose from 1 to {MOST_RESULTS:,}.")


def checked_text(text: str) -> str:
    """Raises BadQuery for an empty or overlong text."""
    text = " ".join(text.split())
    if not text:
        raise BadQuery("The text is empty: type a few words, such as 'a red boat'.")
    if len(text) > LONGEST_TEXT:
        raise BadQuery(f"The text has {len(text):,} characters: shorten it to at most {LONGEST_TEXT:,}.")
    return text


def shortfall(found: int, wanted: int, index: Index) -> str:
    """What to tell a person when an approximate index found fewer than asked for."""
    if found >= wanted:
        return ""
    remedy = "; raise nprobe" if any(param.name == "nprobe" for param in index.spec.params) else ""
    return f"only {found} of {wanted} were found{remedy}"

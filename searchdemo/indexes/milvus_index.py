"""Milvus: an index in a server or a cluster, or with Milvus Lite in a file of this machine.

Each index over a Collection is one collection there, with the vectors and what filters ask for, see metadata/milvus.py.
The digest of its manifest stands in the collection's properties. Vectors have keys that stay theirs; the file that is
kept on disk says which key each position has. So additions and removals are upserts and deletes of these rows alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.indexes.base import Index, IndexSpec, uncounted
from searchdemo.indexes.described import Described
from searchdemo.indexes.milvus_client import ANSWER_S, LOAD_S, NoCollection, asked, place, shown
from searchdemo.indexes.milvus_passing import PASSING, claimed
from searchdemo.indexes.milvus_rows import bare_row, row, schema
from searchdemo.indexes.table import nlist
from searchdemo.types import MISSING, Count

PART = 2_000  # rows in one request: 2,000 of 1,536 dimensions are 12 MB, a server takes 64
MOST_K = 16_384  # results of one query; Milvus's own bound
DIGEST, STATE, KEYS = "searchdemo.vectors_sha256", "searchdemo.state", "searchdemo.keys"  # properties
PLAIN = "positions"  # what KEYS says as long as each key is the position of its vector
CHANGING = "changing"  # in the place of these, while rows come and go
FACTS = "facts"  # a field: the digest of a row's facts, by which those that changed are found
KINDS = {"HNSW": "ef", "IVF_FLAT": "nprobe", "IVF_SQ8": "nprobe", "FLAT": ""}


class MilvusIndex(Index):
    filters, describes = True, True

    def __init__(self, spec: IndexSpec, name: str, keys: np.ndarray, dim: int, state: str = ""):
        """name: of the collection in Milvus; keys: (n,) int64 of each position."""
        super().__init__(spec, name, (len(keys), dim))
        self.state = state
        self._passing: weakref.finalize | None = None
        self._hold(keys)

    def _hold(self, keys: np.ndarray) -> None:
        self.keys, self.count = keys, len(keys)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._checked = False  # whether the server has been seen to have it loaded, with all changes

    @classmethod
    def from_vectors(
        cls,
        spec: IndexSpec,
        vectors: np.ndarray,
        metric: str,
        progress: Count,
        described: Described | None = None,
    ) -> MilvusIndex:
        name = PASSING + uuid.uuid4().hex
        if described:
            name = re.sub("[^0-9A-Za-z]+", "_", f"searchdemo_{described.name}_{spec.name}")
        index = cls(spec, name, np.arange(len(vectors)), vectors.shape[1], described.state if described else "")
        with contextlib.ExitStack() as claim:
            claim.enter_context(claimed(place(), name))
            if described:
                index.columns, index._command = frozenset(described.columns), described.command
                if index._there(described, vectors):
                    return index
            try:
                index._create()
                index._upsert(np.arange(len(vectors)), vectors, described, progress)
                index._build()
                if described:
                    index._set({DIGEST: described.digest, STATE: described.state, KEYS: PLAIN})
            except BaseException:
                with contextlib.suppress(Exception):
                    index.drop()
                raise
            if described is None:  # nobody can find it again
                index._passing = weakref.finalize(index, _dropped, name, claim.pop_all())
                index._passing.atexit = "://" in place()  # Milvus Lite has ended by then
        return index

    @classmethod
    def from_file(cls, spec: IndexSpec, path: Path, vectors: int, dim: int) -> MilvusIndex:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            return cls(spec, str(stored["name"]), stored["keys"], dim)

    def _write(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, name=self.index, keys=self.keys)

    # What it belongs to

    _command = "python -m searchdemo build"

    def _again(self, why: str) -> BadArtifact:
        return BadArtifact(
            f"The collection {self.index!r} of Milvus at {shown()} {why}: make it again with "
            f"`{self._command} --index {self.spec.name}`."
        )

    def _ask(self, what: Callable[[MilvusClient], Any]) -> Any:
        """As `asked`, about its collection. Raises BadArtifact where somebody dropped that."""
        try:
            return asked(what)
        except NoCollection as error:
            raise self._again("is not there") from error

    def _there(self, described: Described, vectors: np.ndarray) -> bool:
        """Whether it is there already, as on a server that others use too. One that is to be replaced is dropped.

        Raises BadArtifact where it belongs to others.
        """
        if not asked(lambda milvus: milvus.has_collection(self.index, timeout=ANSWER_S)):
            return False
        held = self._properties()
        if described.replace or DIGEST not in held:  # a build of it was killed
            self.drop()
            return False
        if held.get(KEYS) != PLAIN:
            raise self._of_others(described, "a folder that changed")
        self.follow(described, lambda: vectors)
        return True

    def _of_others(self, described: Described, whose: str) -> BadArtifact:
        ours = f"not to the vectors that are stored here ({described.digest[:12]})"
        return self._again(f"belongs to {whose}, {ours}")

    def follow(self, described: Described, vectors: Callable[[], np.ndarray]) -> None:
        """Checks that it holds these very vectors, and takes over what changed of their facts.

        Raises BadArtifact where it holds others.
        """
        self._command = described.command
        self.columns = frozenset(described.columns)
        held = self._properties()
        if held.get(DIGEST) != described.digest:
            raise self._of_others(described, f"other vectors ({held.get(DIGEST, 'unknown')[:12]})")
        if held.get(STATE) != described.state:
            self._take_over(described, vectors)
            self._set({STATE: described.state})
        self.state = described.state

    def _take_over(self, described: Described, vectors: Callable[[], np.ndarray]) -> None:
        """Upserts the rows whose facts are not those that the collection has."""
        stored: dict[int, int] = {}

        def read(milvus: MilvusClient) -> None:
            milvus.load_collection(self.index, timeout=LOAD_S)
            for start in range(0, self.count, PART):
                part = self.keys[start : start + PART].tolist()
                rows = milvus.get(self.index, part, output_fields=["key", FACTS], timeout=ANSWER_S)
                stored.update((row["key"], row[FACTS]) for row in rows)

        self._ask(read)
        digests = described.digests()
        changed = np.array([stored.get(key) != fact for key, fact in zip(self.keys.tolist(), digests, strict=True)])
        if changed.any():
            self._upsert(np.flatnonzero(changed), vectors(), described)
            self._checked = False

    def belong(self, digest: str) -> None:
        self._set({DIGEST: digest})

    # Additions and removals

    @property
    def in_place(self) -> str:
        return "as upserts and deletes"

    def change(self, was: np.ndarray, vectors: np.ndarray) -> None:
        self._set({DIGEST: CHANGING, STATE: CHANGING, KEYS: CHANGING})
        keys = np.where(was == MISSING, MISSING, self.keys[np.maximum(was, 0)])
        new = np.flatnonzero(was == MISSING)
        gone = np.setdiff1d(self.keys, keys)
        keys[new] = np.arange(len(new)) + int(self.keys.max(initial=-1)) + 1
        for start in range(0, len(gone), MOST_K):
            part = gone[start : start + MOST_K].tolist()
            self._ask(lambda milvus, ids=part: milvus.delete(self.index, ids=ids, timeout=ANSWER_S))  # type: ignore[misc]
        self._hold(keys)
        self._upsert(new, vectors, None)

    # Searching

    def _parameters(self, values: dict[str, int]) -> dict[str, int]:
        return values

    def _search(self, queries: np.ndarray, k: int, made: Any) -> tuple[np.ndarray, np.ndarray]:
        return self._asked(queries, k, made, "")

    def _search_among(self, queries: np.ndarray, k: int, made: Any, only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = self.keys[~only]
        return self._asked(queries, k, made, listed("not in", out) if len(out) < len(only) / 2 else self._in(only))

    def _in(self, only: np.ndarray) -> str:
        return listed("in", self.keys[only])

    def search_where(
        self, queries: np.ndarray, k: int, expression: str, without: np.ndarray, /, **params: int
    ) -> np.ndarray:
        """Positions (q, k) of the nearest that meet an expression of Milvus, without some; MISSING at the end.

        Raises as `search` does.
        """
        both = f"({expression}) and {listed('not in', self.keys[without])}" if len(without) else expression
        return self._asked(queries, min(k, self.count), self._made_of(params), both)[0]

    def _asked(self, queries: np.ndarray, k: int, made: dict[str, int], words: str) -> tuple[np.ndarray, np.ndarray]:
        if k > MOST_K:
            raise BadQuery(f"k = {k:,} is out of bounds: Milvus returns at most {MOST_K:,} results per query.")
        effort = KINDS[kind_of(self.spec)]
        params: dict[str, int] = {}
        if effort == "ef":
            params["ef"] = max(made["ef_search"], k)
        elif effort:
            params["nprobe"] = min(made["nprobe"], nlist(self.count))

        def search(milvus: MilvusClient) -> Any:
            level = "Eventually" if self._checked else "Strong"  # which waits until the server has seen all changes
            try:
                if not self._checked:
                    self._look(milvus)
                found = milvus.search(
                    self.index,
                    list(queries),
                    filter=words,
                    limit=k,
                    output_fields=[],
                    search_params={"metric_type": "IP", "params": params},
                    timeout=ANSWER_S,
                    consistency_level=level,
                )
            except Exception:
                self._checked = False  # it may have been loaded by nobody since, or by somebody else
                raise
            self._checked = True
            return found

        answers = self._ask(search)
        positions, scores = (
            np.full((len(queries), k), MISSING, np.int64),
            np.full((len(queries), k), -np.inf, np.float32),
        )
        for number, hits in enumerate(answers):
            keys = np.array([hit["key"] if "key" in hit else hit["id"] for hit in hits], np.int64)
            given = np.array([hit["distance"] for hit in hits], np.float32)
            places = np.minimum(np.searchsorted(self._sorted, keys), self.count - 1)
            ours = self._sorted[places] == keys if len(keys) else np.zeros(0, bool)  # not those of a later change
            order = np.argsort(-given[ours], kind="stable")
            positions[number, : len(order)] = self._order[places[ours][order]]
            scores[number, : len(order)] = given[ours][order]
        return positions, scores

    # The collection in Milvus

    def _look(self, milvus: MilvusClient) -> None:
        """Loads it. Raises BadArtifact where others took rows away, or a build of it was killed."""
        milvus.load_collection(self.index, timeout=LOAD_S)
        said = milvus.query(self.index, "", output_fields=["count(*)"], timeout=ANSWER_S, consistency_level="Strong")
        if (there := int(said[0]["count(*)"])) != self.count:
            raise self._again(f"has {there:,} rows for {self.count:,} vectors")

    def drop(self) -> None:
        """The collection goes away in Milvus."""
        asked(lambda milvus: milvus.drop_collection(self.index, timeout=ANSWER_S))
        if self._passing and (passing := self._passing.detach()):
            passing[2][1].close()

    @property
    def _bare(self) -> bool:
        return self.index.startswith(PASSING)

    def _create(self) -> None:
        def create(milvus: MilvusClient) -> None:
            milvus.create_collection(self.index, schema=schema(milvus, self.dim, self._bare), timeout=LOAD_S)

        asked(create)

    def _upsert(
        self, some: np.ndarray, vectors: np.ndarray, described: Described | None, progress: Count = uncounted
    ) -> None:
        """Rows of these positions, in parts. vectors: (n, dim), all of them."""
        digests = described.digests() if described else [0] * len(vectors)
        for start in range(0, len(some), PART):
            progress(start, len(some))
            part = some[start : start + PART].tolist()
            if self._bare:
                rows = [bare_row(int(self.keys[n]), vectors[n]) for n in part]
            else:
                rows = [row(int(self.keys[n]), vectors[n], digests[n], described, n) for n in part]
            self._ask(lambda milvus, rows=rows: milvus.upsert(self.index, rows, timeout=LOAD_S))  # type: ignore[misc]

    def _build(self) -> None:
        kind, made = kind_of(self.spec), dict(self.spec.build_params)
        params = {"M": made["m"], "efConstruction": made["ef_construction"]} if kind == "HNSW" else {}
        if "nprobe" in KINDS[kind]:
            params = {"nlist": nlist(self.count)}

        def build(milvus: MilvusClient) -> None:
            milvus.flush(self.index, timeout=LOAD_S)
            asked_for = milvus.prepare_index_params()
            # Unit rows have the same order by both metrics, and the inner product is the score that is wanted.
            # The client sends each parameter by itself, and Milvus Lite reads them in one, as JSON.
            both = {**params, "params": json.dumps(params)}
            asked_for.add_index("vector", index_type=kind, metric_type="IP", params=both)
            milvus.create_index(self.index, asked_for, timeout=LOAD_S)
            milvus.load_collection(self.index, timeout=LOAD_S)

        self._ask(build)

    def _load(self) -> None:
        self._ask(lambda milvus: milvus.load_collection(self.index, timeout=LOAD_S))

    def _properties(self) -> dict[str, str]:
        found = self._ask(lambda milvus: milvus.describe_collection(self.index, timeout=ANSWER_S))
        return dict(found.get("properties") or {})

    def _set(self, properties: dict[str, str]) -> None:
        if properties:
            self._ask(lambda milvus: milvus.alter_collection_properties(self.index, properties, timeout=ANSWER_S))

    @property
    def size_bytes(self) -> int:
        """Of vectors and edges, as its kind keeps them: what the server needs by itself, nobody here can tell."""
        kind, made = kind_of(self.spec), dict(self.spec.build_params)
        each = self.dim * (1 if kind == "IVF_SQ8" else 4) + (2 * made["m"] * 4 if kind == "HNSW" else 0)
        return self.count * each

    @size_bytes.setter
    def size_bytes(self, value: int) -> None:
        """The size of the file here says nothing."""


def kind_of(spec: IndexSpec) -> str:
    return str(dict(spec.build_params)["kind"])


def listed(word: str, keys: Sequence[int] | np.ndarray) -> str:
    return f"key {word} [{', '.join(map(str, np.asarray(keys).tolist()))}]"


def _dropped(name: str, claim: contextlib.ExitStack) -> None:
    with contextlib.suppress(Exception):
        asked(lambda milvus: milvus.drop_collection(name, timeout=ANSWER_S))
        claim.close()

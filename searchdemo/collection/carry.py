"""What was built over the vectors of a person's folder is taken along when the folder changes, and not built again.

A build prepares all of it in its own folder, which takes the place of the old one when it is complete: searches go on
with the old vectors and the old indexes until then, and a kill at any moment leaves the old state or the new one.
An index whose answers drifted is trained again afterwards (`retrain`), in the same way.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from searchdemo.collection import calibration, maps
from searchdemo.collection.drift import ANEW, Fitness, fitness
from searchdemo.collection.progress import Progress, Report
from searchdemo.collection.store import DIGESTS, VECTORS, Artifact, Extra, Key, Store, digests, index_file, write_card
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadArtifact, NotBuilt, SearchDemoError
from searchdemo.files import discard, sha256_of
from searchdemo.indexes.base import Index, IndexSpec
from searchdemo.indexes.beside import beside
from searchdemo.indexes.table import find
from searchdemo.indexes.tiled import spread
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.types import MISSING


@dataclass(frozen=True)
class Carried:
    """What became of an index when its vectors changed. In the manifest, and told to people."""

    index: str
    in_place: str = ""  # how it took the changes; "": it cannot, and is built again when it is asked for
    added: int = 0
    removed: int = 0
    now: Fitness = ANEW  # after the change
    trained: Fitness = ANEW  # as it was after it was trained
    trained_on: int = 0  # pictures
    due: str = ""  # why it is to be trained again
    retrained: str = ""  # why it was

    @classmethod
    def built(cls, index: Index, vectors: np.ndarray, each: int, retrained: str = "") -> Carried:
        """Of one that was built over these vectors (n x each, dim) as they are."""
        now, pictures = fitness(index, vectors), len(vectors) // each
        return cls(index.spec.name, index.in_place, now=now, trained=now, trained_on=pictures, retrained=retrained)

    def changed(self, added: int, removed: int, now: Fitness) -> Carried:
        return replace(self, added=added, removed=removed, now=now, due=now.drifted(self.trained), retrained="")

    @classmethod
    def from_json(cls, facts: dict) -> Carried:
        return cls(**facts | {name: Fitness(**facts[name]) for name in ("now", "trained")})

    def sentence(self) -> str:
        """For people."""
        if not self.in_place:
            return f"{self.index}: takes no changes in place, and is built again when it is asked for."
        recall = f"recall@10 {self.now.recall:.3f}"
        if self.retrained:
            return f"{self.index}: trained again over {self.trained_on:,} pictures, because {self.retrained}; {recall}."
        said = f"{self.index}: {self.added:,} added and {self.removed:,} removed in place; {recall}"
        pictures = "1 picture" if self.trained_on == 1 else f"{self.trained_on:,} pictures"
        since = f"{self.trained.recall:.3f} when it was trained on {pictures}"
        return f"{said}, {since}." + (f" It is to be trained again: {self.due}." if self.due else "")


def in_manifest(artifact: Artifact) -> dict[str, Carried]:
    """By name, what the latest change did to the indexes; empty where none was taken along."""
    return {facts["index"]: Carried.from_json(facts) for facts in artifact.manifest.built.get("indexes", ())}


def former_positions(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """(n,) the position that each content of `now` (n, DIGEST_BYTES) had in `before`; MISSING where it is new.

    Of several pictures of one content, each has a position of its own.
    """
    free: dict[bytes, deque[int]] = defaultdict(deque)
    for position, digest in enumerate(before):
        free[digest.tobytes()].append(position)
    places = (free[digest.tobytes()] for digest in now)
    return np.array([place.popleft() if place else MISSING for place in places], np.int64)


def carry(
    store: Store, key: Key, encoder: Encoder, contents: np.ndarray, vectors: np.ndarray, work: Path, report: Report
) -> list[dict] | None:
    """Writes the indexes over these vectors into `work`, made from those that are stored: Carried, as JSON.

    contents: (n, DIGEST_BYTES); vectors: (n x each, dim), those of a picture one after the other. None where nothing
    was stored that can be taken along; then the vectors are not written either.
    """
    for left in work.iterdir():  # by a build that was killed; its journals are of use
        if left.suffix != ".partial":
            discard(left)
    try:
        old = store.open(key)
        each = len(vectors) // len(contents)
        if not made_by(old, encoder) or old.manifest.each != each:
            return None
        was = former_positions(np.load(old.file(DIGESTS)), contents)
        stored = old.file(VECTORS)
    except (NotBuilt, BadArtifact):
        return None
    same = len(was) == old.manifest.pictures and np.array_equal(was, np.arange(len(was)))
    if same:  # renamed, or of other classes now
        take_along(stored, work)
        for extra in extras(store, old):
            take_along(extra.path, work, extra.card)
        return [asdict(carried) for carried in in_manifest(old).values()]
    change = Change(old, spread(was, each), vectors, in_manifest(old), report)
    try:
        done = [change.of(find("ivf"), stored, work)]
    except SearchDemoError:  # of another version of FAISS: they are built, as if there were none
        return None
    vectors_sha256 = sha256_of(work / VECTORS)
    for extra in extras(store, old):
        if "index" in extra.card:
            done.append(change.of(find(extra.card["index"]), extra.path, work))
            if done[-1].in_place:
                path = work / extra.path.name
                write_card(path, facts_of(extra.card) | digests(vectors_sha256, path))
    for index in change.changed:
        index.belong(vectors_sha256)
    return [asdict(carried) for carried in done]


def made_by(old: Artifact, encoder: Encoder) -> bool:
    made = old.manifest.weights_sha256, old.manifest.dim, old.manifest.precision
    return old.has(DIGESTS) and made == (encoder.weights_sha256, encoder.dim, str(encoder.how))


@dataclass(frozen=True)
class Change:
    old: Artifact
    was: np.ndarray  # (n x each,), see Index.change
    vectors: np.ndarray  # (n x each, dim)
    before: dict[str, Carried]
    report: Report
    changed: list[Index] = field(default_factory=list)  # those that took the change in place

    def of(self, spec: IndexSpec, path: Path, work: Path) -> Carried:
        """Writes the index that is stored at `path`, with the change, into `work`. Raises what `IndexSpec.load` does
        for the vectors; any other index that cannot be opened or changed is not taken along."""
        self.report(Progress(f"changing {spec.name}", 0, 1, 0))
        count, dim, each = self.old.manifest.vectors, self.old.manifest.dim, self.old.manifest.each
        try:
            index = spec.load(path, count, dim)
            if not index.in_place:
                return Carried(spec.name)
            known = self.before.get(spec.name)
            if known is None or not known.in_place:  # as it was built, since no change was made to it
                known = Carried.built(index, StoredVectors(self.old.file(VECTORS)).all(), each)
            index.change(self.was, self.vectors)
            now = fitness(index, self.vectors)
        except SearchDemoError:  # a server's may have been dropped, or the server be away
            if path.name == VECTORS:
                raise
            return Carried(spec.name)
        index.save(work / path.name)
        self.changed.append(index)
        added = int((self.was == MISSING).sum())
        removed = count - (len(self.was) - added)
        return known.changed(added // each, removed // each, now)


def extras(store: Store, artifact: Artifact) -> Iterator[Extra]:
    """Verified files over these very vectors: indexes that this version would build in the same way, map and curve."""
    for card_path in sorted(artifact.folder.glob("*.json")):
        extra = store.extra(artifact, card_path.stem)
        if extra is None or ("index" not in extra.card and extra.path.name not in (maps.FILE, calibration.FILE)):
            continue
        if "index" in extra.card:
            spec = find(extra.card["index"])
            recipe = spec.recipe(extra.card["trained_on"], artifact.manifest.dim)
            if not spec.installed or extra.path.name != index_file(spec) or extra.card["factory"] != recipe:
                continue
        yield extra


def facts_of(card: dict) -> dict:
    """Without the digests, which are of the files that it was written for."""
    return {name: fact for name, fact in card.items() if not name.endswith("sha256")}


def take_along(path: Path, work: Path, card: dict | None = None) -> None:
    """The same file in another folder. None of ours is ever written to: each is replaced by a new one."""
    for file in (path, *beside(path).values()):
        try:
            os.link(file, work / file.name)
        except OSError:  # on a disk that has no hard links
            shutil.copy2(file, work / file.name)
    if card is not None:
        write_card(work / path.name, card)


def retrain(store: Store, key: Key, report: Report = lambda progress: None) -> Artifact | None:
    """Trains again what is due, over the vectors that are stored; searches go on meanwhile. None: nothing was due.

    The pictures are not needed. After a kill the old state is there, and it is still due.
    Raises NotBuilt, BadArtifact, and SearchDemoError while another process builds the same.
    """
    if not any(carried.due for carried in in_manifest(store.open(key)).values()):
        return None
    with store.training(key) as work:
        old = store.open(key)
        facts = in_manifest(old)
        due = {name: carried.due for name, carried in facts.items() if carried.due}
        vectors = StoredVectors(old.file(VECTORS)).all()

        def built(spec: IndexSpec, name: str) -> Index:
            def told(done: int, total: int) -> None:
                report(Progress(f"training {spec.name} again", done, total, 0))

            told(0, len(vectors))
            index = spec.build(vectors, key.metric, told)
            index.save(work / name)
            facts[spec.name] = Carried.built(index, vectors, old.manifest.each, due[spec.name])
            return index

        for name in old.manifest.files:
            if name == VECTORS and "ivf" in due:
                built(find("ivf"), VECTORS)
            else:
                take_along(old.file(name), work)
        vectors_sha256 = sha256_of(work / VECTORS)
        for extra in extras(store, old):
            path, card = work / extra.path.name, dict(extra.card)
            if card.get("index") in due:
                index = built(find(card["index"]), path.name)
                card |= {"factory": index.recipe, "trained_on": len(vectors), "build_seconds": index.load_ms / 1000}
            else:
                take_along(extra.path, work)
            write_card(path, facts_of(card) | digests(vectors_sha256, path))
        files = {name: sha256_of(work / name) for name in old.manifest.files}
        told = [asdict(carried if name in due else replace(carried, retrained="")) for name, carried in facts.items()]
        return store.publish(
            key, work, replace(old.manifest, files=files, built=old.manifest.built | {"indexes": told})
        )


def sentences(artifact: Artifact) -> list[str]:
    """What was done to the indexes, one line for each."""
    return [carried.sentence() for carried in in_manifest(artifact).values()]

"""Which pairs of pictures are copies, near-copies, or of one scene. Embeddings and colours propose, pixels decide.

Near-copies have a FINE agreement of 0.8 or more. Measured on 400 pictures of tiny-ImageNet (64 x 64 pixels) and a
changed copy of each, the lowest agreement and the one that 1 % are below:

    JPEG of quality 50   0.91  0.93        a crop by 5 % at a random place                            0.72  0.80
    JPEG of quality 20   0.78  0.86        such a crop, 20 % brighter, saved as JPEG of quality 50    0.70  0.76
    half the size        0.92  0.94        30 % brighter                                              0.89  0.94
    twice the size       0.99  1.00        30 % darker                                                1.00  1.00

Of 1,638 pairs of different pictures of like colours the highest is 0.58, and of 6,400 pairs of a picture and one of
its 16 nearest by `bundled`, mostly of its class, 0.77. Drawings of the same shapes come closest: of the 2,000
in `scenes`, 48 piles have 0.70 or more, nine of them 0.8; those are no copies.

Cosines alone do not separate them: by `bundled`, which knows these classes, 5 % of the copies as JPEG of quality 50
have less than 0.69, while half of the 10 nearest others of a picture's class have more than 0.78.

Of one scene are pictures with a WIDE agreement of 0.7 or more. 90 % of the crops by 20 % have 0.74, and so have few of
the neighbours: 8 of 1,600 pairs of a picture and one of its 4 nearest others by `bundled` have 0.7.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from searchdemo.audit.pixels import FINE, QUICK, ROUGH, WIDE, agreement, halved
from searchdemo.audit.side import Side, blocks
from searchdemo.collection.asked import without_themselves
from searchdemo.collection.progress import Progress, Report
from searchdemo.indexes.base import Index
from searchdemo.indexes.table import INDEXES
from searchdemo.types import MISSING

EXACT, NEAR, SCENE = KINDS = ("exact", "near", "scene")
NEIGHBOURS = 16  # that are compared with a picture, by embeddings and by colours each
PROPOSED_SCENES = 4  # of those by embeddings, the nearest, may be of its scene
NEAR_FROM, SCENE_FROM = 0.8, 0.7  # FINE and WIDE agreement, see above
ALIKE = 0.8  # cosine of the coarse vectors of near-copies: 1 % of the crops by 5 % are below 0.87
QUICK_FROM = 0.4  # QUICK agreement that is worth a FINE one: the lowest of the copies above is 0.44
ROUGH_FROM = 0.55  # ROUGH agreement that is worth a WIDE one: 95 % of the crops by 20 %, 6 % of the pairs of neighbours
SAME_PIXELS_FROM = 0.98  # agreement from which two pictures of one size are compared pixel by pixel
SAME_COSINE = 0.99  # of embeddings of near-copies whose pictures are not here
QUERIES_AT_ONCE = 1_024
PAIRS_AT_ONCE = 2_048  # 12 MB of looks


@dataclass(frozen=True)
class Pairs:
    """p pairs, each at most once."""

    one: np.ndarray  # (p,) places among the first side
    other: np.ndarray  # (p,) places among the second side; within one side, one < other
    kind: np.ndarray  # (p,) index into KINDS
    score: np.ndarray  # (p,) agreement of the pixels, or the cosine where they are not here; 1 of the same bytes

    def turned(self) -> Pairs:
        """The first side becomes the second."""
        return Pairs(self.other, self.one, self.kind, self.score)


def same_bytes(one: Side, other: Side) -> np.ndarray:
    """(p, 2) places of equal content keys. Within one side, each picture with the first of its content."""
    held = np.flatnonzero(other.keys)
    order = held[np.argsort(other.keys[held], kind="stable")]
    keys = other.keys[order]
    first = np.searchsorted(keys, one.keys, "left")
    last = np.searchsorted(keys, one.keys, "right")
    last[one.keys == 0] = first[one.keys == 0]
    if one is other:
        own = np.arange(len(one))
        later = np.flatnonzero(first < last)
        leader = order[first[later]]
        return np.stack([leader, own[later]], axis=1)[leader != own[later]]
    repeats = last - first
    asking = np.repeat(np.arange(len(one)), repeats)
    within = np.arange(len(asking)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return np.stack([asking, order[np.repeat(first, repeats) + within]], axis=1)


@dataclass
class Nearest:
    """What an index found, without the picture itself."""

    places: np.ndarray  # (n, k) among the other side; MISSING where there are fewer
    scores: np.ndarray  # (n, k)


def nearest(
    index: Index, vectors: Callable[[slice], np.ndarray], n: int, own: bool, k: int, stage: str, report: Report
) -> Nearest:
    """The k nearest of n pictures, in blocks. own: the pictures are those of the index, and each is left out of its
    own answer. Raises what `report` raises.
    """
    k = min(k, index.count - own)
    places, scores = np.full((n, k), MISSING, np.int64), np.full((n, k), -np.inf, np.float32)
    started = time.perf_counter()
    for some in blocks(n, QUERIES_AT_ONCE) if k > 0 else ():
        report(Progress(stage, some.start, n, some.start / max(time.perf_counter() - started, 1e-9)))
        found = index.search(vectors(some), k + own)
        if own:
            found = without_themselves(found, np.arange(some.start, some.stop))
        places[some], scores[some] = found.positions, found.scores
    return Nearest(places, scores)


def judged(one: Side, other: Side, by_embedding: Nearest, report: Report) -> Pairs:
    """All pairs of two sides, which may be the same, that are at least of one scene. Raises what `report` raises."""
    equal = same_bytes(one, other)
    columns: list[list[np.ndarray]] = [[equal[:, 0]], [equal[:, 1]], [np.zeros(len(equal), np.int8)]]
    columns.append([np.ones(len(equal), np.float32)])
    known = set(_ids(equal[:, 0], equal[:, 1], other).tolist())
    candidates, cosines, by_meaning = _candidates(one, other, by_embedding, report)
    fresh = np.array([pair not in known for pair in _ids(candidates[:, 0], candidates[:, 1], other).tolist()], bool)
    candidates, cosines, by_meaning = candidates[fresh], cosines[fresh], by_meaning[fresh]
    started = time.perf_counter()
    for some in blocks(len(candidates), PAIRS_AT_ONCE):
        rate = some.start / max(time.perf_counter() - started, 1e-9)
        report(Progress("comparing pixels, pairs", some.start, len(candidates), rate))
        mine, theirs = candidates[some].T
        kind, score = _kinds(one, other, mine, theirs, cosines[some], by_meaning[some])
        found = kind >= 0
        for column, values in zip(columns, (mine, theirs, kind, score), strict=True):
            column.append(values[found])
    return Pairs(*(np.concatenate(column) for column in columns))


def _ids(one: np.ndarray, other: np.ndarray, side: Side) -> np.ndarray:
    return one.astype(np.int64) * len(side) + other


def _candidates(
    one: Side, other: Side, by_embedding: Nearest, report: Report
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (p, 2), the cosines (p,) of their embeddings where they were found by these, and whether (p,) they may be
    of one scene. Those of one picture of the other side follow each other, as `agreement` wishes."""
    own = one is other
    found = [_pairs(by_embedding, -1.0, PROPOSED_SCENES, other, own)]
    if one.seen.any() and other.seen.any():
        index, stage = INDEXES["flat"].build(other.coarse), f"comparing colours: {one.part}"
        by_colour = nearest(index, lambda some: one.coarse[some], len(one), own, NEIGHBOURS, stage, report)
        pairs, _, scenes = _pairs(by_colour, ALIKE, NEIGHBOURS, other, own)
        found.append((pairs, np.full(len(pairs), -1, np.float32), scenes))
    pairs, cosines, scenes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    _, first = np.unique(_ids(pairs[:, 0], pairs[:, 1], other), return_index=True)  # by embeddings before by colours
    first = first[np.argsort(pairs[first, 1], kind="stable")]
    return pairs[first], cosines[first], scenes[first]


def _pairs(
    near: Nearest, least: float, scenes: int, other: Side, own: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Those of NEIGHBOURS that score at least so much, as pairs (p, 2), each once; their scores (p,); and whether (p,)
    one is among the first `scenes` of the other."""
    places, scores = near.places[:, :NEIGHBOURS], near.scores[:, :NEIGHBOURS]
    asking, rank = np.nonzero((places != MISSING) & (scores >= least))
    pairs = np.stack([asking, places[asking, rank]], axis=1)
    if own:
        pairs.sort(axis=1)
    order = np.argsort(rank, kind="stable")  # of a pair that is found from both ends, the better rank counts
    _, first = np.unique(_ids(pairs[order, 0], pairs[order, 1], other), return_index=True)
    first = order[first]
    return pairs[first], scores[asking, rank][first], rank[first] < scenes


def _kinds(
    one: Side, other: Side, mine: np.ndarray, theirs: np.ndarray, cosines: np.ndarray, meant: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(p,) index into KINDS, -1 for none, and (p,) score."""
    kind, score = np.full(len(mine), -1, np.int8), cosines.copy()
    read = one.seen[mine] & other.seen[theirs]
    kind[~read & (cosines >= SAME_COSINE)] = KINDS.index(NEAR)
    score[read] = 0
    alike = np.einsum("pd,pd->p", one.coarse[mine], other.coarse[theirs]) >= ALIKE
    plain = ~one.coarse[mine].any(axis=1) & ~other.coarse[theirs].any(axis=1)
    places = np.flatnonzero(read & (alike | plain | meant))
    first, second = one.looks(mine[places]), other.looks(theirs[places])
    alike, plain, meant = alike[places], plain[places], meant[places]
    twins = (first == second).all(axis=(1, 2, 3))
    bare = ~first.any(axis=(1, 2, 3))  # without details: only all their pixels tell them apart

    numbers = theirs[places]
    quick = np.flatnonzero(alike & ~twins)
    quick = quick[agreement(first[quick], second[quick], QUICK, numbers[quick]) >= QUICK_FROM]
    score[places[quick]] = agreement(first[quick], second[quick], FINE, numbers[quick])
    score[places[twins & alike & ~bare]] = 1
    kind[places[score[places] >= NEAR_FROM]] = KINDS.index(NEAR)
    same = (score[places] >= SAME_PIXELS_FROM) | (twins & (alike | plain))
    for place in places[same].tolist():
        if _same_pixels(one, other, int(mine[place]), int(theirs[place])):
            kind[place], score[place] = KINDS.index(EXACT), 1

    rough = np.flatnonzero((kind[places] < 0) & meant)
    rough = rough[agreement(halved(first[rough]), halved(second[rough]), ROUGH, numbers[rough]) >= ROUGH_FROM]
    wide = agreement(first[rough], second[rough], WIDE, numbers[rough])
    scenes = places[rough[wide >= SCENE_FROM]]
    kind[scenes], score[scenes] = KINDS.index(SCENE), wide[wide >= SCENE_FROM]
    return kind, score


def _same_pixels(one: Side, other: Side, mine: int, theirs: int) -> bool:
    sizes = [sorted((facts.width, facts.height)) for facts in (one.facts(mine), other.facts(theirs))]
    return sizes[0] == sizes[1] and one.pixels(mine) == other.pixels(theirs) != b""

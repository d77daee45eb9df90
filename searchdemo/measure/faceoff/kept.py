"""The judged queries of a gallery as a run card, to which further ones are added: cards/<gallery>/several/faceoff.json.

On a person's own machine it is a file in their own folder. A visitor from elsewhere has theirs in memory, as long as
their session lasts: nobody fills the disk of another.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.measure import cards
from searchdemo.measure.cards import RunCard
from searchdemo.measure.faceoff.judged import Judged, counted, duel, figures
from searchdemo.measure.machine import machine_facts, versions

BENCHMARK, SEVERAL = "faceoff", "several"  # of the card; the second stands for its encoder
MOST_NUMBERS = 200_000  # rows in all judged queries of a gallery, 2 MB
MOST_IN_MEMORY = 20_000  # of a visitor from elsewhere
HOW = {
    "recall": "pooled: right pictures among the first k of all that were marked as right for the query",
    "precision": "right pictures among the first k of all that were shown",
    "interval": "Wilson, 95 %, over the pictures of all judged queries",
}

_writing = threading.Lock()


def with_judged(before: Sequence[Judged], new: Sequence[Judged], most: int = MOST_NUMBERS) -> list[Judged]:
    """The new ones last; one of a query that was judged before takes its place. Raises BadQuery for too many, and where
    two of the new ones ask the same."""
    kept = {one.identity: one for one in before}
    if twice := [name for name, count in Counter(one.identity for one in new).items() if count > 1]:
        raise BadQuery(f"Two judged queries ask the same, {twice[0]}: put what is right for it into one of them.")
    for one in new:
        kept.pop(one.identity, None)
        kept[one.identity] = one
    held = sum(one.numbers for one in kept.values())
    if held > most:
        raise BadQuery(
            f"{len(kept):,} judged queries with {held:,} pictures are too many: forget the marks, or show fewer "
            f"pictures; {most:,} are kept of a gallery."
        )
    return [*kept.values()]


def card_of(key: Key, judged: Sequence[Judged], k: int) -> RunCard:
    """The run card of the judged queries, with the figures at this k. key: names the gallery."""
    left_out = len(judged) - len(counted(judged, k))
    said = f"{left_out:,} judged queries showed fewer than {k} pictures, so they are not in the figures at k = {k}"
    between = duel(judged, k)
    return RunCard(
        benchmark=BENCHMARK,
        gallery=key.gallery,
        encoder=SEVERAL,
        parts={
            "encoders": [one.to_json() for one in figures(judged, k)],
            "duel": [between.to_json()] if between else [],
            "queries": [asdict(one) for one in judged],
        },
        subject={"queries": len(judged) - left_out},
        settings={"k": k} | HOW | cards.variant_of(_named(key)),
        notes=[said] if left_out else [],
        machine=machine_facts(),
        versions=versions(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def judged_of(card: RunCard) -> list[Judged]:
    """Raises BadArtifact for a card without them."""
    try:
        return [
            Judged(
                dict(one["asked"]),
                {str(name): tuple(map(int, rows)) for name, rows in one["columns"].items()},
                tuple(map(int, one["right"])),
                int(one["k"]),
                str(one["fingerprint"]),
            )
            for one in card.parts["queries"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadArtifact(f"The run card of the face-off cannot be read ({error!r}): delete it.") from error


def path_of(key: Key, root: Path) -> Path:
    named = _named(key)
    return root / RunCard(BENCHMARK, named.gallery, SEVERAL, {}, {}, cards.variant_of(named)).path


def load(key: Key, root: Path) -> list[Judged]:
    """What was judged of this gallery. Raises BadArtifact."""
    path = path_of(key, root)
    return judged_of(cards.load(path)) if path.is_file() else []


def add(key: Key, new: Sequence[Judged], k: int, root: Path) -> list[Judged]:
    """Keeps further ones, and gives all. Raises BadArtifact, BadQuery for too many, SearchDemoError, NotWritten."""
    with _writing:
        judged = with_judged(load(key, root), new)
        cards.save(card_of(key, judged, k), root)
    return judged


def replace(key: Key, identity: str, new: Judged | None, k: int, root: Path) -> list[Judged]:
    """As `add`, of the query of this identity; None: it is no longer judged."""
    with _writing:
        others = [one for one in load(key, root) if one.identity != identity]
        judged = with_judged(others, [new] if new else [])
        if judged:
            cards.save(card_of(key, judged, k), root)
        else:
            forget(key, root)
    return judged


def forget(key: Key, root: Path) -> bool:
    """Deletes what was judged of this gallery, and says whether anything was."""
    path = path_of(key, root)
    there = path.is_file()
    path.unlink(missing_ok=True)
    return there


def _named(key: Key) -> Key:
    return Key(key.gallery, SEVERAL, key.transform, key.metric, key.limit)

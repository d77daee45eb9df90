"""One query put to all who take part, as Python, the page's API and the command line put it: the same JSON for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from searchdemo.collection.collection import EXACT, Collection
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, NotBuilt
from searchdemo.measure.faceoff.asked import asked_in
from searchdemo.measure.faceoff.compared import NO_PARAMS, FaceOff, face_off
from searchdemo.measure.faceoff.sides import Side, advice, sides


def gathered(library: Library, gallery: str, names: Sequence[str] = ()) -> tuple[list[Side], str]:
    """(who takes part, what to do for a second column). Raises NotBuilt where nobody does, and as `sides` does."""
    taking_part, said = sides(library, gallery, names), advice(library, gallery)
    if not any(side.collection for side in taking_part):
        raise NotBuilt(" ".join([side.said for side in taking_part] or [said]))
    return taking_part, said


def put(
    query: Query,
    taking_part: Sequence[Side],
    k: int = 10,
    where: str = "",
    *,
    index: str = EXACT,
    fetch: bool = True,
    params: Mapping[str, int] = NO_PARAMS,
) -> FaceOff:
    """See face_off. Raises BadQuery where no encoder answers, with the reasons."""
    first = next(side.collection for side in taking_part if side.collection)

    def ask(collection: Collection) -> Query:
        return asked_in(query, first, collection)

    found = face_off(taking_part, ask, k, index, where, fetch=fetch, params=params)
    if not found.answered:
        raise BadQuery(" ".join(dict.fromkeys(column.said for column in found.columns)))
    return found


def answer(
    library: Library,
    gallery: str,
    query: Query,
    k: int = 10,
    names: Sequence[str] = (),
    where: str = "",
    *,
    fetch: bool = True,
) -> dict:
    """What `faceoff --json` prints of a query. names: of encoders; none: all that are built."""
    taking_part, said = gathered(library, gallery, names)
    return put(query, taking_part, k, where, fetch=fetch).to_json() | told(said)


def told(said: str) -> dict:
    """The advice as a part of the JSON."""
    return {"advice": said} if said else {}

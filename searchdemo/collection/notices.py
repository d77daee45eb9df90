"""What a person should know of how an answer came about."""

from __future__ import annotations

from searchdemo.indexes.base import Index

ALONE = "there is no other picture here than the one that is asked about"


def filter_notice(index: Index, wanted: int, few: bool, meeting: int) -> str:
    """What to tell a person of a search with a filter. few: whether all that meet it were compared.

    meeting: pictures that meet it, those that the query is made of among them
    """
    if not wanted:
        return f"no {'other ' * bool(meeting)}picture meets the filter"
    name = index.spec.name
    if few:
        return f"so few pictures meet the filter that all of them were compared, without {name}"
    return "" if index.filters else f"{name} cannot filter while it searches: it was asked for more, then filtered"


def shortfall(found: int, wanted: int, index: Index) -> str:
    """What to tell a person when an approximate index found fewer than asked for."""
    return "" if found >= wanted else f"only {found} of {wanted} were found{remedy(index)}"


def remedy(index: Index) -> str:
    return f"; raise {index.spec.params[0].name}" if index.spec.params else ""

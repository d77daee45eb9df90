"""searchdemo: see, measure and keep what similarity search on images does.

The public classes are imported on first use, so that `import searchdemo` alone costs nothing.
"""

TYPE_CHECKING = False  # type checkers take it for true; importing it from `typing` would cost more than this whole file
if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection
    from searchdemo.collection.library import Library
    from searchdemo.collection.query import Query
    from searchdemo.types import SearchResult

__version__ = "0.2.0"
__all__ = ["Collection", "Library", "Query", "SearchResult"]

_MODULE_OF = {
    "Collection": "searchdemo.collection.collection",
    "Library": "searchdemo.collection.library",
    "Query": "searchdemo.collection.query",
    "SearchResult": "searchdemo.types",
}


def __getattr__(name: str) -> object:
    """A public class, imported now. Raises AttributeError for any other name."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = found  # the next use does not come here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

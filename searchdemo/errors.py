"""Every error a person may meet, each one sentence: the value, the reason, the fix.

SearchDemoError
├── UnknownName        a gallery, encoder, index or parameter that is not in its table
├── BadQuery           a picture, a text, or a number that cannot be searched with
│   └── BadPicture     bytes that no picture can be read from
├── NotHere            something right that is not on this machine
│   ├── NotBuilt       this encoder has no vectors for this gallery yet
│   ├── NotInstalled   a Python package that an optional part needs
│   ├── NoWeights      weights that are neither on the machine nor within reach
│   └── NoPictures     pictures that are neither on the machine nor within reach
├── BadArtifact        a file that is missing, damaged, or belongs to something else
├── NotWritten         a file that there is no room for, or no right to write
└── Cancelled          something long that a person ended
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SearchDemoError(Exception):
    """Base of all errors whose text is meant for a person."""


class UnknownName(SearchDemoError):
    """Says what was asked for, the nearest known name and all known names."""

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        known = list(known)
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}.")


class BadQuery(SearchDemoError):
    pass


class BadPicture(BadQuery):
    pass


class NotHere(SearchDemoError):
    pass


class NotBuilt(NotHere):
    pass


class NotInstalled(NotHere):
    pass


class NoWeights(NotHere):
    pass


class NoPictures(NotHere):
    pass


class BadArtifact(SearchDemoError):
    pass


class NotWritten(SearchDemoError):
    pass


class Cancelled(SearchDemoError):
    pass

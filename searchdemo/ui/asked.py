"""Which visitors have had a query: the page's opening never takes the place of what somebody has asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from searchdemo.cache import Cache
from searchdemo.ui.mine.place import session

SESSIONS = 10_000  # the latest ones that are remembered


class Asked:
    """By session. Each opening of the page is a session of its own."""

    def __init__(self) -> None:
        self._sessions: Cache[object] = Cache(SESSIONS)

    def by(self, handler: Callable) -> Callable:
        """Decorates a handler that makes a query."""

        @functools.wraps(handler)
        def noted(*values: Any) -> Any:
            self._sessions.put(session(), True)
            return handler(*values)

        return noted

    def first(self) -> bool:
        """Whether this visitor has had no query yet; there is one from now on.

        The page's opening asks once its query is found: an answer that comes late, or a second time, is dropped.
        """
        fresh = object()
        return self._sessions.get(session(), lambda: fresh) is fresh

"""Where a visitor's marks are kept: at the machine that serves the page in its run card, else in their own session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from searchdemo.collection.store import Key, own_root
from searchdemo.measure.cards import own_cards
from searchdemo.measure.faceoff import kept
from searchdemo.measure.faceoff.judged import Judged
from searchdemo.ui.page import Page
from searchdemo.ui.serving.permits import at_home

Sheets = Mapping[str, Sequence[Judged]]  # of a session: gallery -> what its visitor judged


class Kept:
    """The judged queries of one gallery, of the visitor who is being answered."""

    def __init__(self, page: Page, gallery: str, sheets: Sheets | None):
        own = page.library.store.own
        self.key: Key = page.key(gallery, "bundled")
        self.root: Path = own_cards(None if own == own_root() else own)
        self.on_disk = at_home(page) and not page.library.holds(gallery)
        self._sheets = dict(sheets or {})

    def judged(self) -> list[Judged]:
        """Raises BadArtifact."""
        return kept.load(self.key, self.root) if self.on_disk else list(self._sheets.get(self.key.gallery, ()))

    def put(self, new: Judged | None, identity: str, k: int) -> tuple[list[Judged], Sheets]:
        """All that is judged now, and the session's sheets. None: the query of this identity is no longer judged.

        Raises BadArtifact, BadQuery for too many, NotWritten.
        """
        if self.on_disk:
            return kept.replace(self.key, identity, new, k, self.root), self._sheets
        others = [one for one in self.judged() if one.identity != identity]
        now = kept.with_judged(others, [new] if new else [], kept.MOST_IN_MEMORY)
        return now, self._sheets | {self.key.gallery: tuple(now)}

    def forget(self) -> Sheets:
        if self.on_disk:
            kept.forget(self.key, self.root)
        return {name: judged for name, judged in self._sheets.items() if name != self.key.gallery}

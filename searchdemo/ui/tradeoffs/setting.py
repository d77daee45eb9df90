"""What a visitor asks of a card, and the setting that is shown: what is said of it, how it can be tried, its code."""

from __future__ import annotations

import math
from dataclasses import dataclass

from searchdemo.errors import BadQuery
from searchdemo.measure.cards import RunCard
from searchdemo.measure.recommend import Bounds, own_snippet, snippet
from searchdemo.ui.components.templates import element
from searchdemo.ui.tradeoffs.cards import Pair, peers_of
from searchdemo.ui.tradeoffs.trial import NO_TRIAL, Trial, trial
from searchdemo.ui.tradeoffs.view import Drawn, chosen_html, cost_of, exact_of, is_peer, winner_html

MAX_MS, MAX_MB = "Max latency (ms)", "Max size (MB)"
STORED, OWN = CODE_FOR = ("the gallery's vectors", "your own vectors")


@dataclass(frozen=True)
class Asked:
    """The fields of the tab, in their order."""

    key: str | None  # of the card
    gallery: str  # of the sidebar, as the encoder
    encoder: str
    others: bool
    code_for: str
    against: str
    recall: float | None
    ms: str
    mb: str

    def bounds(self) -> Bounds:
        """Raises BadQuery for fields that hold no number."""
        return Bounds(recall=self.recall, ms=bound(MAX_MS, self.ms), mb=bound(MAX_MB, self.mb))

    def drawn(self, card: RunCard) -> Drawn:
        """Without bounds where they cannot be read. Raises BadQuery for a cost that is not offered."""
        try:
            bounds = self.bounds()
        except BadQuery:
            bounds = Bounds()
        return Drawn(card.parts["points"], peers_of(card), cost_of(self.against), bounds)


@dataclass(frozen=True)
class Setting:
    said: str  # HTML
    row: dict | None = None  # None: there is no setting to show, and `said` tells why
    trial: Trial = NO_TRIAL
    code: str = ""
    code_label: str = ""


def recommended(card: RunCard, asked: Asked, pair: Pair) -> Setting:
    """The cheapest within the bounds, or a sentence where there is none."""
    drawn = asked.drawn(card)
    try:
        asked.bounds()
        row = drawn.recommended()
    except BadQuery as error:
        return Setting(element("div", str(error), class_="panel"))
    return _setting(card, row, winner_html(row, exact_of(drawn.rows), drawn.cost.best), asked, pair)


def chosen(card: RunCard, dot: str, asked: Asked, pair: Pair) -> Setting:
    """The one of a dot. Raises BadQuery when there is no such dot."""
    drawn = asked.drawn(card)
    row = drawn.row(dot)
    return _setting(card, row, chosen_html(row, drawn), asked, pair)


def _setting(card: RunCard, row: dict, said: str, asked: Asked, pair: Pair) -> Setting:
    tried = trial(row, pair)
    if is_peer(row):
        return Setting(said, row, tried)
    if asked.code_for == OWN:
        return Setting(said, row, tried, own_snippet(card, row), "Code for your own vectors")
    return Setting(said, row, tried, snippet(card, row), f"Code for the vectors of {card.gallery} × {card.encoder}")


def bound(name: str, text: str | None) -> float | None:
    """ "" -> None: no bound. Raises BadQuery for anything else that is not a number."""
    text = (text or "").strip()
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not 0 <= value < math.inf:
        raise BadQuery(f"{name} = {text!r} is not a number: write one such as 0.5, or leave it empty for no bound.")
    return value

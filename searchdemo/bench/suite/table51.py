"""One table, one row per encoder that reads words: top-1, top-5, inference over all pictures, size, dimension.

It is `classnames` with the bare name of each class, and is drawn from cards of `classnames` too.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench import plots
from searchdemo.bench.suite import classnames
from searchdemo.bench.tables import Table, columns
from searchdemo.bench.workload import Bench
from searchdemo.measure.cards import Figures, RunCard, source_of


def run(bench: Bench) -> Figures:
    """Raises BadQuery for an encoder that reads no words, NoWeights, NotBuilt, BadArtifact."""
    return classnames.run(bench)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    rows = [
        row | {"encoder": card.encoder, "mark": classnames.mark(card, row)}
        for card in cards
        for row in card.parts["sets"][:1]  # the bare name comes first
    ]
    heads = columns("encoder set top1 top5 pictures pictures_s model_bytes dim mark")
    title = "Classes by their names: accuracy in %, seconds of embedding all pictures, size of the weights, dimension"
    return [Table("table51", title, heads, rows, source_of(cards))] if rows else []


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    return {}

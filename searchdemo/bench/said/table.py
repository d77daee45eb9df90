"""The SAID table: what documents say in words about run cards, by the name in `<!-- text:NAME -->`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchdemo.bench import steps
from searchdemo.bench.said import accuracy, building, looked, searching, tradeoff
from searchdemo.bench.said.words import count, listed, paragraph, real
from searchdemo.measure.cards import RunCard

# name -> the benchmark of its cards, and what is said about them
SAID: dict[str, tuple[str, Callable[[Sequence[RunCard]], str]]] = {
    "latency": ("latency", searching.latency),
    "tradeoff": ("tradeoff", tradeoff.said),
    "index": ("index", building.index),
    "knn": ("knn", accuracy.knn),
    "classnames": ("classnames", accuracy.classnames),
    "reduce": ("reduce", accuracy.reduce),
    "codes": ("reduce", accuracy.codes),
    "scale": ("scale", searching.scale),
    "embed": ("embed", building.embed),
    "peers": ("peers", searching.peers),
    "milvus": ("milvus", searching.milvus),
    "hashing": ("hashing", looked.hashing),
    "trees": ("trees", looked.trees),
    "metric": ("metric", looked.metric),
    "filter": ("filter", looked.filters),
    "tiles": ("tiles", looked.tiles),
    "map-neighbours": ("map", building.neighbours),
    "map-frames": ("map", building.frames),
    "floors": ("floors", searching.floors),
    "steps": ("scale", lambda cards: paragraph(real(cards), lambda card: steps.arithmetic(cards), steps.coarse)),
}


def all_said(cards: Sequence[RunCard]) -> dict[str, str]:
    """Name -> its sentences, of those with figures; and "cards", about all of them."""
    found = {"cards": about(cards)} if cards else {}
    for name, (benchmark, said) in SAID.items():
        mine = [card for card in cards if card.benchmark == benchmark]
        found[name] = said(mine) if mine else ""
    return {name: text for name, text in found.items() if text}


def about(cards: Sequence[RunCard]) -> str:
    """When and where the cards were measured, by which versions."""
    days = sorted({card.at[:10] for card in cards})
    machines = listed([*dict.fromkeys(card.machine.get("name", "an unknown machine") for card in cards)])
    longest, minutes = max(cards, key=lambda card: card.seconds), sum(card.seconds for card in cards) / 60
    said = (
        f"{count(len(cards), 'card')}, measured from {days[0]} to {days[-1]} on {machines}, in {minutes:.0f} minutes; "
        f"`{longest.benchmark}` alone took {longest.seconds / 60:.0f}."
    )
    renamed = [
        card.benchmark
        for card in cards
        for row in card.parts.get("search", []) + card.parts.get("scale", [])
        if row.get("index") == "brute" and "torch" in row.get("factory", "")
    ]
    if renamed:
        said += (
            f" Those of {listed([*dict.fromkeys(renamed)])} are of version 0.1, which called `brute` what is now "
            f"called "
            "`exact-bf16`: products in bfloat16, and float32 for the last word. Since 0.2 `brute` is one matrix "
            "product in "
            'NumPy, the row "plain NumPy" under *Starting, opening*.'
        )
    return said

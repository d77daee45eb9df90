"""The Trade-offs tab: recall against latency or memory from a run card, the setting within given bounds, and its code.

Below it, distances.py shows the meaning of distance on a few pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import gradio as gr

from searchdemo.errors import BadQuery
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front
from searchdemo.measure.recommend import CRITERIA, Bounds, choose, excesses, setting, snippet
from searchdemo.ui.components.messages import hint, sentence_errors
from searchdemo.ui.components.plots import COLOURS
from searchdemo.ui.components.scatter import Dot, scatter
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.units import byte_size, milliseconds
from searchdemo.ui.page import Page
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs import distances

TITLE = "Trade-offs"
MIN_RECALL = 0.95  # at the start
TIME, MEMORY = "milliseconds", "megabytes"
MAX_MS, MAX_MB = "Max latency (ms)", "Max size (MB)"


class Cost(NamedTuple):
    """The other axis of the plot."""

    bound: str  # the bound on it, a key of CRITERIA and a field of Bounds
    label: str  # of the axis
    best: str  # adjective for the row with the lowest cost


COSTS = {
    TIME: Cost("ms", "ms per query, p50 (log)", "fastest"),
    MEMORY: Cost("mb", "MB of the index (log)", "smallest"),
}
FAMILIES = {"ivf": "inverted file", "hash": "hashing", "tree": "trees"}
NO_CARD = (
    "No run of the trade-off benchmark is on this machine yet, and none came with it: "
    "press “Measure on this machine”, which takes about a minute."
)


def add(page: Page) -> None:
    """Call within the tab."""
    with gr.Row():
        cards = gr.Dropdown([], label="Measurement", scale=3, min_width=280, elem_id="tradeoffs-card")
        with gr.Column(scale=1, min_width=260):
            go = gr.Button("Measure on this machine", elem_id="tradeoffs-measure", size="md")
            status = gr.HTML(elem_id="tradeoffs-status", padding=False)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            plot = gr.HTML(elem_id="tradeoffs-plot", min_height=300)
            source = gr.HTML(elem_id="tradeoffs-source")
        with gr.Column(scale=2, min_width=320):
            against = gr.Radio([TIME, MEMORY], value=TIME, label="Recall against", elem_id="tradeoffs-against")
            recall = gr.Slider(0.5, 1, MIN_RECALL, step=0.01, label="Minimum recall@10", elem_id="tradeoffs-recall")
            with gr.Row():
                # not gr.Number, which shows 0 when it is empty
                ms = gr.Textbox(label=MAX_MS, placeholder="any", min_width=120, elem_id="tradeoffs-ms")
                mb = gr.Textbox(label=MAX_MB, placeholder="any", min_width=120, elem_id="tradeoffs-mb")
            others = gr.Checkbox(False, label="Other libraries", interactive=False, elem_id="tradeoffs-others")
            winner = gr.HTML(elem_id="tradeoffs-winner")
            code = gr.Code(
                language="python",
                label="Code",
                interactive=False,
                max_lines=18,
                buttons=["copy"],
                elem_id="tradeoffs-code",
            )
    distances.add(page)
    page.linked |= {"least_recall": recall, "most_ms": ms, "most_mb": mb, "against": against}

    def draw(key: str | None, against: str, recall: float | None, ms: str, mb: str, others: bool) -> tuple:
        """Values of `drawn`."""
        if not key:
            return hint(NO_CARD), "", "", gr.update(visible="hidden"), others_of([])
        card = tradeoff_cards.chosen(key)
        rows, peers = card.parts["points"], tradeoff_cards.peers_of(card)
        bounds, picked = Bounds(), None
        try:
            bounds = Bounds(recall=recall, ms=bound(MAX_MS, ms), mb=bound(MAX_MB, mb))
            cost = cost_of(against)
            picked = choose(rows, bounds, CRITERIA[cost.bound].key)
            said = winner_html(picked, exact_of(rows), cost.best)
        except BadQuery as error:
            said = f"<div class='panel'>{escape(str(error))}</div>"
        return (
            plot_html(rows, peers if others else [], against, bounds, picked),
            source_html(card),
            said,
            gr.update(value=snippet(card, picked), visible=True) if picked else gr.update(visible="hidden"),
            others_of(peers),
        )

    def refresh(gallery: str, encoder: str, key: str | None = None) -> dict:
        """Offers all cards and chooses `key`, else the first card of this gallery and encoder."""
        there = tradeoff_cards.listed()
        value = key or tradeoff_cards.first_of(there, gallery, encoder)
        return gr.update(choices=[(entry.label, entry.key) for entry in there], value=value)

    def follow(gallery: str, encoder: str) -> tuple:
        """Values of status and cards."""
        return hint(f"{gallery} × {encoder}: a quick run takes a minute or less"), refresh(gallery, encoder)

    def measure(*sidebar: object) -> Iterator[tuple]:
        """Values of status and cards."""
        chosen = page.choice(*sidebar)
        for step in tradeoff_cards.measure(page.library, page.key(chosen.gallery, chosen.encoder)):
            if not isinstance(step, RunCard):
                yield hint(step), gr.skip()
                continue
            measured = tradeoff_cards.Listed(step, shipped=False)
            said = hint(f"{step.gallery} × {step.encoder}: measured in {step.seconds:.0f} s")
            yield said, refresh(step.gallery, step.encoder, measured.key)

    quiet = {"show_progress": "hidden"}
    drawn = [plot, source, winner, code, others]
    asked = [cards, against, recall, ms, mb, others]
    drawing = {"fn": sentence_errors(draw), "inputs": asked, "outputs": drawn, "trigger_mode": "always_last", **quiet}
    gr.on([component.change for component in asked], **drawing)
    subject = [page.gallery, page.encoder]
    page.demo.load(follow, subject, [status, cards], **quiet).success(**drawing)
    gr.on([component.change for component in subject], follow, subject, [status, cards], **quiet)
    measured = go.click(sentence_errors(measure), page.inputs, [status, cards], **quiet)
    measured.success(**drawing)  # the same card measured again has the same key, which is no change
    measured.failure(follow, subject, [status, cards], **quiet)


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


def cost_of(against: str) -> Cost:
    """Raises BadQuery for a name that is not in COSTS."""
    if against not in COSTS:
        raise BadQuery(f"Recall cannot be drawn against {against!r}: choose from {', '.join(COSTS)}.")
    return COSTS[against]


def exact_of(rows: Sequence[dict]) -> dict | None:
    """The fastest exact search of the card."""
    return min((row for row in rows if row["family"] == "exact"), key=lambda row: row["p50_ms"], default=None)


def plot_html(rows: Sequence[dict], peers: Sequence[dict], against: str, bounds: Bounds, picked: dict | None) -> str:
    """rows, peers: the points of their cards. Raises BadQuery for a cost that is not in COSTS."""
    cost = cost_of(against)
    key, scale = CRITERIA[cost.bound].key, CRITERIA[cost.bound].scale
    best = front(rows, cost=key)

    def dot(row: dict, family: str, name: str, lines: list[str], **marks: bool) -> Dot:
        return Dot(row[key] * scale, row["recall_10"], family, name, lines, faded=bool(excesses(row, bounds)), **marks)

    dots = []
    for row in rows:
        in_front = any(row is one for one in best)
        dots.append(dot(row, row["family"], setting(row), facts(row), front=in_front, ringed=row is picked))
    for row in [row for row in peers if row.get(key) is not None]:
        family = row["family"] if row["family"] in COLOURS else "exact"
        figures = f"p50 {milliseconds(row['p50_ms'])}, {byte_size(row['size_bytes'])}"
        lines = [f"recall@10 {row['recall_10']:.3f}", figures]
        dots.append(dot(row, family, f"{row['peer']} {row['setting']}", lines, hollow=True))
    return scatter(
        dots,
        cost.label,
        "recall@10",
        [(row[key] * scale, row["recall_10"]) for row in best],
        max_cost=bounds.given().get(cost.bound),
        min_gain=bounds.recall,
        families=FAMILIES,
    )


def facts(row: dict) -> list[str]:
    """The figures of a point, line by line."""
    return [
        f"recall@1 {row['recall_1']:.3f}, @10 {row['recall_10']:.3f}, @100 {row['recall_100']:.3f}",
        f"p50 {milliseconds(row['p50_ms'])}, p95 {milliseconds(row['p95_ms'])}",
        f"{byte_size(row['size_bytes'])}, built in {row['build_s']:.3g} s",
        f"kNN top-1 {row['knn_top1']:.1f} %",
        *["by L2"] * (row["metric"] == "l2" and row["family"] != "hash"),  # hashing compares bits
    ]


def others_of(peers: Sequence[dict]) -> dict:
    """Updates the checkbox, which is for cards with points of other libraries."""
    return gr.update(
        interactive=bool(peers), label="Other libraries" if peers else "Other libraries: none measured here"
    )


def winner_html(row: dict, exact: dict | None, best: str = "fastest") -> str:
    """The recommended row, and its cost beside the exact search of the same card."""
    cost = accuracy_cost(row["knn_top1"], exact["knn_top1"]) if exact else ""
    return render("winner.html", row=row, setting=setting(row), best=best, exact=exact, cost=cost)


def accuracy_cost(top1: float, exact: float) -> str:
    """ "costs 0.1 points of accuracy", the difference of the figures as they are shown."""
    points = round(exact, 1) - round(top1, 1)
    if abs(points) < 0.05:
        return "costs no accuracy"
    return f"costs {points:.1f} points of accuracy" if points > 0 else f"{-points:.1f} points above, by chance"


def source_html(card: RunCard) -> str:
    """The origin of the figures."""
    threads = " and ".join(f"{count}" for count in card.settings.get("threads", [])) or "an unknown number of"
    said = f"{card.source} · {threads} thread{'' if threads == '1' else 's'}, one query per call"
    return hint(said) + "".join(map(hint, card.notes))

"""The Trade-offs tab: recall against latency or memory from a run card, the setting that fits one's bounds, its code.

Below it: what distance means, on a few pictures (distances.py).
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
from searchdemo.measure.recommend import Bounds, choose, excesses, setting, snippet
from searchdemo.ui.components.pieces import sentence_errors
from searchdemo.ui.components.plots import COLOURS, byte_size, milliseconds
from searchdemo.ui.components.scatter import CSS, Dot, scatter
from searchdemo.ui.page import Page
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs import distances

TITLE = "Trade-offs"
LEAST_RECALL = 0.95  # at the start
TIME, MEMORY = "milliseconds", "megabytes"


class Cost(NamedTuple):
    """What recall is drawn against."""

    key: str  # in a row of the card
    factor: float  # row[key] * factor is in the unit of the axis
    label: str  # of the axis
    best: str  # what the row with the least of it is


COSTS = {
    TIME: Cost("p50_ms", 1.0, "ms a query, p50 (log)", "fastest"),
    MEMORY: Cost("size_bytes", 1e-6, "MB of the index (log)", "smallest"),
}
FAMILIES = {"ivf": "inverted file", "hash": "hashing", "tree": "trees"}
NO_CARD = (
    "No run of the trade-off benchmark is on this machine yet, and none came with it: "
    "press “Measure on this machine”, which takes about a minute."
)


def add(page: Page) -> None:
    """Call within the tab."""
    gr.HTML(f"<style>{CSS}</style>", visible="hidden")
    with gr.Row():
        cards = gr.Dropdown([], label="Measured", scale=3, min_width=280, elem_id="tradeoffs-card")
        with gr.Column(scale=1, min_width=260):
            go = gr.Button("Measure on this machine", elem_id="tradeoffs-measure", size="md")
            status = gr.HTML(elem_id="tradeoffs-status", padding=False)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            plot = gr.HTML(elem_id="tradeoffs-plot", min_height=300)
            source = gr.HTML(elem_id="tradeoffs-source")
        with gr.Column(scale=2, min_width=320):
            against = gr.Radio([TIME, MEMORY], value=TIME, label="Recall against", elem_id="tradeoffs-against")
            recall = gr.Slider(0.5, 1, LEAST_RECALL, step=0.01, label="Least recall@10", elem_id="tradeoffs-recall")
            with gr.Row():
                # gr.Number cannot be empty: it shows 0
                ms = gr.Textbox(label="Most ms", placeholder="any", min_width=120, elem_id="tradeoffs-ms")
                mb = gr.Textbox(label="Most MB", placeholder="any", min_width=120, elem_id="tradeoffs-mb")
            others = gr.Checkbox(False, label="Other libraries", interactive=False, elem_id="tradeoffs-others")
            winner = gr.HTML(elem_id="tradeoffs-winner")
            code = gr.Code(
                language="python",
                label="Its code",
                interactive=False,
                max_lines=18,
                buttons=["copy"],
                elem_id="tradeoffs-code",
            )
    distances.add(page)
    page.linked |= {"least_recall": recall, "most_ms": ms, "most_mb": mb, "against": against}

    def draw(key: str | None, against: str, recall: float | None, ms: str, mb: str, others: bool):
        """Values of `drawn`."""
        if not key:
            return hint(NO_CARD), "", "", gr.update(visible="hidden"), others_of([])
        card = tradeoff_cards.chosen(key)
        rows, peers = card.parts["points"], tradeoff_cards.peers_of(card)
        bounds, picked = Bounds(), None
        try:
            bounds = Bounds(recall=recall, ms=bound("Most ms", ms), mb=bound("Most MB", mb))
            cost = cost_of(against)
            picked = choose(rows, bounds, cost.key)
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

    def refresh(gallery: str, encoder: str, key: str | None = None):
        """The cards that there are now, and one of them: `key`, else the first of this gallery and encoder."""
        there = tradeoff_cards.listed()
        value = key or tradeoff_cards.first_of(there, gallery, encoder)
        return gr.update(choices=[(entry.label, entry.key) for entry in there], value=value)

    def follow(gallery: str, encoder: str):
        """Values of status and cards."""
        return hint(f"{gallery} × {encoder}: a quick run, a minute or less"), refresh(gallery, encoder)

    def measure(*sidebar) -> Iterator[tuple]:
        """Values of status and cards."""
        chosen = page.choice(*sidebar)
        for step in tradeoff_cards.measure(page.engine, chosen.gallery, chosen.encoder):
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


def hint(text: str) -> str:
    return f"<p class='hint'>{escape(text)}</p>"


def bound(name: str, text: str | None) -> float | None:
    """ "" -> None: no bound. Raises BadQuery for what is no number."""
    text = (text or "").strip()
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not 0 <= value < math.inf:
        raise BadQuery(f"{name} = {text!r} is not a number: write one such as 0.5, or leave it empty for no bound.")
    return value


def cost_of(against: str) -> Cost:
    """Raises BadQuery for what is none of COSTS."""
    if against not in COSTS:
        raise BadQuery(f"Recall cannot be drawn against {against!r}: choose from {', '.join(COSTS)}.")
    return COSTS[against]


def exact_of(rows: Sequence[dict]) -> dict | None:
    """The fastest exact search of the card."""
    return min((row for row in rows if row["family"] == "exact"), key=lambda row: row["p50_ms"], default=None)


def plot_html(rows: Sequence[dict], peers: Sequence[dict], against: str, bounds: Bounds, picked: dict | None) -> str:
    """rows and peers: of their cards. Raises BadQuery for a cost that is none of COSTS."""
    key, factor, label, _ = cost_of(against)
    best = front(rows, cost=key)
    dots = [
        Dot(
            row[key] * factor,
            row["recall_10"],
            row["family"],
            setting(row),
            facts(row),
            front=any(row is one for one in best),
            faded=bool(excesses(row, bounds)),
            ringed=row is picked,
        )
        for row in rows
    ]
    dots += [
        Dot(
            row[key] * factor,
            row["recall_10"],
            row["family"] if row["family"] in COLOURS else "exact",
            f"{row['peer']} {row['setting']}",
            [f"recall@10 {row['recall_10']:.3f}", f"p50 {milliseconds(row['p50_ms'])}, {byte_size(row['size_bytes'])}"],
            faded=bool(excesses(row, bounds)),
            hollow=True,
        )
        for row in peers
        if row.get(key) is not None
    ]
    return scatter(
        dots,
        label,
        "recall@10",
        [(row[key] * factor, row["recall_10"]) for row in best],
        most_cost=bounds.ms if against == TIME else bounds.mb,
        least_gain=bounds.recall,
        families=FAMILIES,
    )


def facts(row: dict) -> list[str]:
    """The figures of a point, a line each."""
    return [
        f"recall@1 {row['recall_1']:.3f}, @10 {row['recall_10']:.3f}, @100 {row['recall_100']:.3f}",
        f"p50 {milliseconds(row['p50_ms'])}, p95 {milliseconds(row['p95_ms'])}",
        f"{byte_size(row['size_bytes'])}, built in {row['build_s']:.3g} s",
        f"kNN top-1 {row['knn_top1']:.1f} %",
        *["by L2"] * (row["metric"] == "l2" and row["family"] != "hash"),  # hashing counts bits
    ]


def others_of(peers: Sequence[dict]):
    """The checkbox, where there is something to show."""
    return gr.update(
        interactive=bool(peers), label="Other libraries" if peers else "Other libraries: none measured here"
    )


def winner_html(row: dict, exact: dict | None, best: str = "fastest") -> str:
    """What was picked, and what it costs and saves beside the exact search of the same card."""
    figures = (
        f"recall@10 <b>{row['recall_10']:.3f}</b> in <b>{milliseconds(row['p50_ms'])}</b> with "
        f"<b>{byte_size(row['size_bytes'])}</b>"
    )
    lines = [f"<b>{escape(setting(row))}</b> is the {best} within the bounds: {figures}."]
    if exact is row:
        lines.append(f"It is the exact search; kNN top-1 {row['knn_top1']:.1f} %.")
    elif exact:
        lines.append(
            f"The exact search takes {milliseconds(exact['p50_ms'])} and {byte_size(exact['size_bytes'])}: "
            f"{exact['p50_ms'] / row['p50_ms']:.1f} × the time."
        )
        lines.append(
            f"kNN top-1 {row['knn_top1']:.1f} % beside the exact {exact['knn_top1']:.1f} %: "
            f"{accuracy_cost(row['knn_top1'], exact['knn_top1'])}."
        )
    return f"<div class='panel'>{''.join(f'<p>{line}</p>' for line in lines)}</div>"


def accuracy_cost(top1: float, exact: float) -> str:
    """ "costs 0.1 points of accuracy", by the figures as they are shown."""
    points = round(exact, 1) - round(top1, 1)
    if abs(points) < 0.05:
        return "costs no accuracy"
    return f"costs {points:.1f} points of accuracy" if points > 0 else f"{-points:.1f} points above, by chance"


def source_html(card: RunCard) -> str:
    """Where the figures come from."""
    threads = " and ".join(f"{count}" for count in card.settings.get("threads", [])) or "an unknown number of"
    said = f"{card.source} · {threads} thread{'' if threads == '1' else 's'}, one query a call"
    return hint(said) + "".join(map(hint, card.notes))

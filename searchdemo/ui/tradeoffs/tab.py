"""The Trade-offs tab: encoders side by side, then recall against latency or memory from a run card.

A visitor gives bounds, or chooses a dot; the setting has its code, and can be tried in the sidebar. Below it, found.py
shows what other benchmarks found, and distances.py the meaning of distance on a few pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from searchdemo.encoders.table import find
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.ui.components.messages import hint, refusal_html, sentence_errors
from searchdemo.ui.components.scatter import SCRIPT
from searchdemo.ui.components.templates import render
from searchdemo.ui.page import EACH, LAST, Page
from searchdemo.ui.serving.arguments import event_value
from searchdemo.ui.serving.limits import WATCH
from searchdemo.ui.serving.permits import check_end, check_measurement, who
from searchdemo.ui.tradeoffs import cards as tradeoff_cards
from searchdemo.ui.tradeoffs import distances, found
from searchdemo.ui.tradeoffs import encoders as side_by_side
from searchdemo.ui.tradeoffs.cards import Pair
from searchdemo.ui.tradeoffs.measuring import PLANS, Measuring, Run, finished
from searchdemo.ui.tradeoffs.setting import CODE_FOR, MAX_MB, MAX_MS, STORED, Asked, Setting, bound, chosen, recommended
from searchdemo.ui.tradeoffs.view import COSTS, TIME, code_html, plot_html, source_html, warning_html

TITLE = "Trade-offs"
MIN_RECALL = 0.95  # at the start
NO_CARD = (
    "No run of the trade-off benchmark is on this machine yet, and none came with it: "
    "press “Measure”, which says after its first step how long it takes."
)
MEASURING = Measuring()
POINTED = "(_, ...values) => [document.getElementById('tradeoffs-plot').dataset.dot, ...values]"


def add(page: Page) -> None:
    """Call within the tab."""
    encoders = gr.HTML(elem_id="tradeoffs-encoders", js_on_load=render("encoders.js"))
    gr.HTML("<h2>2. The index decides how fast, and how much of it is found</h2>", elem_id="tradeoffs-index")
    with gr.Row():
        cards = gr.Dropdown([], label="Measurement", scale=3, min_width=280, elem_id="tradeoffs-card")
        plan = gr.Dropdown(
            [(each.title, name) for name, each in PLANS.items()],
            value=next(iter(PLANS)),
            label="Measure on this machine",
            info="quick: up to 10,000 vectors; full: all of them",
            scale=2,
            min_width=260,
            elem_id="tradeoffs-plan",
        )
        with gr.Column(scale=1, min_width=120):
            go = gr.Button("Measure", elem_id="tradeoffs-measure", size="md")
            cancel = gr.Button("Cancel", elem_id="tradeoffs-cancel", size="md", visible="hidden")
    refused = gr.HTML(elem_id="tradeoffs-refused", padding=False)  # beside the progress, which would take its place
    status = gr.HTML(elem_id="tradeoffs-status", padding=False)
    warning = gr.HTML(elem_id="tradeoffs-warning", padding=False)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            plot = gr.HTML(elem_id="tradeoffs-plot", min_height=300, js_on_load=SCRIPT)
            source = gr.HTML(elem_id="tradeoffs-source")
        with gr.Column(scale=2, min_width=320):
            against = gr.Radio(list(COSTS), value=TIME, label="Recall against", elem_id="tradeoffs-against")
            recall = gr.Slider(0.5, 1, MIN_RECALL, step=0.01, label="Minimum recall@10", elem_id="tradeoffs-recall")
            with gr.Row():
                # not gr.Number, which shows 0 when it is empty
                ms = gr.Textbox(label=MAX_MS, placeholder="any", min_width=120, elem_id="tradeoffs-ms")
                mb = gr.Textbox(label=MAX_MB, placeholder="any", min_width=120, elem_id="tradeoffs-mb")
            others = gr.Checkbox(False, label="Other libraries", interactive=False, elem_id="tradeoffs-others")
            winner = gr.HTML(elem_id="tradeoffs-winner")
            attempt = gr.Button("Try it on my picture", variant="primary", elem_id="tradeoffs-try", size="md")
            attempted = gr.HTML(elem_id="tradeoffs-try-note", padding=False)
    code_for = gr.Radio(list(CODE_FOR), value=STORED, label="Code for", elem_id="tradeoffs-code-for")
    code = gr.HTML(elem_id="tradeoffs-code", padding=False)
    found.add(page)
    distances.add(page)
    dot = gr.State("")  # the id of the dot that the visitor chose; "": the recommended setting is shown
    pointed = gr.Textbox(visible="hidden")  # the dot that was clicked, as the script reads it when it is sent
    linked_card = gr.Textbox(visible="hidden")  # the card that the visitor, or a link, chose
    page.linked |= {"least_recall": recall, "most_ms": ms, "most_mb": mb, "against": against, "card": linked_card}
    page.linked_checks |= {
        "card": check_card,
        "most_ms": partial(bound, "most_ms"),
        "most_mb": partial(bound, "most_mb"),
    }

    def pair_of(gallery: str, encoder: str) -> Pair:
        page.choice(gallery, encoder, "brute", 1)  # refuses names that are not offered
        return tradeoff_cards.pair_of(page.library, page.key(gallery, encoder))

    # The plot, and the setting that is shown

    def draw(*values: Any) -> tuple:
        """Values of `drawn`. Another card, or other bounds, go back to the recommended setting."""
        asked = Asked(*values)
        pair = pair_of(asked.gallery, asked.encoder)
        if not asked.key:
            return warning_html(tradeoff_cards.damaged()), hint(NO_CARD), "", others_of([]), *updates(Setting("")), ""
        held = tradeoff_cards.held_with(page.library, asked.gallery)
        card = tradeoff_cards.chosen(asked.key, held)
        shown, warned = asked.drawn(card), tradeoff_cards.warning(card, pair, tradeoff_cards.listed(held=held))
        setting = recommended(card, asked, pair)
        plotted = plot_html(shown if asked.others else shown.without_peers(), setting.row)
        return warning_html(warned), plotted, source_html(card), others_of(shown.peers), *updates(setting), ""

    def pick(dot: str, *values: Any) -> tuple:
        """Values of `told` and the dot, of the dot that was chosen."""
        return *tell(dot, *values), dot

    def tell(dot: str, *values: Any) -> tuple:
        """Values of `told`."""
        return updates(shown_setting(dot, Asked(*values)))

    def shown_setting(dot: str, asked: Asked) -> Setting:
        """Of the dot that the visitor chose, else the recommended one. Raises UnknownName, BadQuery."""
        pair = pair_of(asked.gallery, asked.encoder)
        card = tradeoff_cards.chosen(asked.key, tradeoff_cards.held_with(page.library, asked.gallery))
        return chosen(card, dot, asked, pair) if dot else recommended(card, asked, pair)

    def updates(setting: Setting) -> tuple:
        """Values of `told`."""
        hidden = gr.update(visible="hidden")
        if setting.row is None:
            return setting.said, hidden, "", hidden, hidden
        return (
            setting.said,
            gr.update(visible=True, interactive=bool(setting.trial.index)),
            hint(setting.trial.note),
            gr.update(visible=True) if setting.code else hidden,
            gr.update(value=code_html(setting.code, setting.code_label), visible=True) if setting.code else hidden,
        )

    def try_it(dot: str, *values: Any) -> list:
        """Values of the sidebar's index and parameters."""
        tried = shown_setting(dot, Asked(*values)).trial
        if not tried.index:
            raise BadQuery(tried.note)
        return [tried.index, *page.set_params(tried.params)]

    # Cards, encoders, measuring

    def follow(gallery: str, encoder: str, linked: str = "") -> tuple:
        """Values of cards and encoders."""
        pair, there = (
            pair_of(gallery, encoder),
            tradeoff_cards.listed(held=tradeoff_cards.held_with(page.library, gallery)),
        )
        own = [entry for entry in there if entry.key == linked and pair.owns(entry.card)]
        offered = gr.update(
            choices=[(entry.label, entry.key) for entry in there], value=tradeoff_cards.first_of(own or there, pair)
        )
        keys = {name: page.key(gallery, name) for name in page.encoder_names(gallery)}
        pictures = len(page.library.gallery(gallery).pictures)
        table = side_by_side.lines(page.library, keys)
        return offered, side_by_side.encoders_html(gallery, pictures, encoder, table)

    def use(event: gr.EventData) -> str:
        """The value of the sidebar's encoder."""
        return find(event_value(event, "encoder")).name

    def measure(plan: str, gallery: str, encoder: str) -> Iterator[tuple]:
        """Values of `running`."""
        try:
            page.choice(gallery, encoder, "brute", 1)
            check_measurement(page, plan in PLANS and PLANS[plan].quick)
            run = MEASURING.start(page.library, page.key(gallery, encoder), plan, by=who())
        except SearchDemoError as error:
            yield refusal_html(str(error)), gr.skip(), gr.skip()
            return
        yield "", gr.skip(), gr.skip()
        yield from watched(run)

    def watched(run: Run) -> Iterator[tuple]:
        try:
            for sentence in run.watch():
                yield gr.skip(), hint(sentence), gr.update(visible=True)
            measured, pair = run.done.result(), tradeoff_cards.pair_of(page.library, run.key)
            held = tradeoff_cards.held_with(page.library, run.key.gallery)
            said = " ".join([finished(run, measured), tradeoff_cards.where_it_is(measured, pair, held)])
        except SearchDemoError as error:
            said = str(error)
        yield "", hint(said), gr.update(visible="hidden")

    def stop() -> None:
        if run := MEASURING.running():
            check_end(page, run.by, "measurement")
        MEASURING.cancel()

    def watch() -> Iterator[tuple]:
        """The run that another visitor, or this one before the page was loaded again, has started."""
        yield gr.skip(), gr.skip(), gr.skip()  # without any, gradio empties the outputs
        if run := MEASURING.running():
            yield from watched(run)

    quiet = {"show_progress": "hidden"}
    subject = [page.gallery, page.encoder]
    asked = [cards, *subject, others, code_for, against, recall, ms, mb]
    told = [winner, attempt, attempted, code_for, code]
    drawn = [warning, plot, source, others, *told, dot]
    drawing = {"fn": sentence_errors(draw), "inputs": asked, "outputs": drawn, "trigger_mode": "always_last", **quiet}
    # always_last: a link changes the gallery while the first answer is on its way; gradio's default would drop that
    following = {"fn": sentence_errors(follow), "inputs": [*subject, linked_card], "outputs": [cards, encoders]}
    following |= {"trigger_mode": "always_last", **quiet}
    # Of the cards only a visitor's choice: what `following` chooses is drawn after it, once.
    gr.on([cards.input, *(component.change for component in (others, against, recall, ms, mb))], **drawing)
    renewed = page.open_tab.renewed("trade-offs")
    renewed(**following).success(**drawing)
    cards.input(None, cards, linked_card, js="(key) => key")
    picking = {"fn": sentence_errors(pick), "inputs": [pointed, *asked], "outputs": [*told, dot]}
    plot.select(**picking, js=POINTED, trigger_mode="always_last", **quiet)
    code_for.input(sentence_errors(tell), [dot, *asked], told, **LAST)
    sidebar = [page.index, *page.params.values()]
    tried = attempt.click(sentence_errors(try_it), [dot, *asked], sidebar, **LAST)
    tried.success(None, None, None, js=render("first_tab.js"))
    encoders.select(sentence_errors(use), None, page.encoder, **EACH)
    running: dict[str, Any] = {"outputs": [refused, status, cancel], "concurrency_id": WATCH, **quiet}
    # multiple: gradio would drop the click while this page's own run goes on, where it is to be refused
    measured = go.click(measure, [plan, *subject], trigger_mode="multiple", **running)
    measured.success(watch, None, **running)  # who was refused sees what goes on
    measured.success(**following).success(**drawing)  # measured again, a card has the same key, which is no change
    renewed(watch, None, **running)
    # Without an output: it could arrive after the last word of the run, and take its place.
    cancel.click(sentence_errors(stop), None, None, queue=False, **quiet)


def check_card(key: str) -> None:
    """Raises ValueError for the key of a link that no card here has."""
    if key not in {entry.key for entry in tradeoff_cards.listed()}:
        raise ValueError(f"card = {key!r} is not on this machine, the card that fits the sidebar is used.")


def others_of(peers: Sequence[dict]) -> dict:
    """Updates the checkbox, which is for cards with points of other libraries."""
    return gr.update(
        interactive=bool(peers), label="Other libraries" if peers else "Other libraries: none measured here"
    )

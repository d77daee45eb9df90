"""The Classify tab: which class a picture is of, by the vote of its neighbours and by the names of the classes."""

from __future__ import annotations

from html import escape

import gradio as gr

from searchdemo.collection.classify import Classification, Guess, classify, training_note
from searchdemo.collection.knn import TEMPERATURE
from searchdemo.collection.library import Query
from searchdemo.errors import BadQuery
from searchdemo.ui.components import plots
from searchdemo.ui.components.pieces import Thumbnails, Tile
from searchdemo.ui.components.query_box import QueryBox
from searchdemo.ui.page import Choice, Page

TITLE = "Classify"
K = 20  # the k that the accuracy of an encoder is usually told at
WEIGHTED, PLAIN = "weighted by similarity", "plain: each counts once"

CSS = """
.verdict { font-size: 17px; margin: 0 0 12px; }
.verdict .right, .verdict .wrong { font-weight: 600; border-radius: 4px; padding: 1px 8px; color: #fff; }
.verdict .right { background: #15803d; }
.verdict .wrong { background: #b91c1c; }
#classify-verdict p { color: var(--body-text-color-subdued); font-size: 13px; margin: 4px 0 0; }
#classify-neighbours .caption-label { white-space: normal; line-height: 1.2; }
@media (max-width: 640px) { /* on a telephone the verdict comes before the settings, the neighbours after them */
  #classify-query, #classify-answer { display: contents; }
  #classify-query > *, #classify-answer > * { flex: 1 1 100%; }
  #classify-settings { order: 1; }
  #classify-neighbours { order: 2; }
}
"""


def add(page: Page) -> None:
    """Call within the tab."""
    gr.HTML(f"<style>{CSS}</style>", visible="hidden")
    with gr.Row(elem_id="classify-row"):
        with gr.Column(scale=2, min_width=300, elem_id="classify-query"):
            box = QueryBox(page, "classify", button="Classify")
            with gr.Column(elem_id="classify-settings"):
                k = gr.Slider(1, 200, K, step=1, label="k: neighbours that vote", elem_id="classify-k")
                vote = gr.Radio([WEIGHTED, PLAIN], value=WEIGHTED, label="Vote", elem_id="classify-vote")
                temperature = gr.Slider(
                    0.01,
                    1,
                    TEMPERATURE,
                    step=0.01,
                    label="Temperature T",
                    info="a vote weighs exp(cosine / T): the lower T, the more the nearest count",
                    elem_id="classify-temperature",
                )
        with gr.Column(scale=3, min_width=300, elem_id="classify-answer"):
            verdict = gr.HTML(elem_id="classify-verdict")
            bars = gr.HTML(elem_id="classify-bars")
            neighbours = Thumbnails(
                label="Neighbours, each with its share of the vote", elem_id="classify-neighbours", columns=5
            )

    def show(query: Query, chosen: Choice, truth: str, k: float, vote: str, temperature: float):
        asked_k, asked_temperature = checked(k, vote, temperature)
        found = classify(
            page.engine,
            query,
            chosen.gallery,
            chosen.encoder,
            chosen.index,
            asked_k,
            asked_temperature,
            **chosen.params,
        )
        notes = [found.neighbors.notice, training_note(chosen.gallery, chosen.encoder)]
        if page.engine.prepared(chosen.gallery, chosen.encoder).artifact.manifest.stand_in:
            notes.append("The weights are stand-ins made for a test: the answer means nothing.")
        return verdict_html(found, truth, notes), bars_html(found, truth), shared_tiles(found)

    vote.change(lambda vote: gr.update(interactive=vote != PLAIN), vote, temperature, show_progress="hidden")
    box.quiet_triggers += [k.release, temperature.release, vote.input]
    box.on_query(show, [verdict, bars, neighbours], verdict, empty=("", "", []), inputs=[k, vote, temperature])


def checked(k: float | None, vote: str, temperature: float | None) -> tuple[int, float | None]:
    """k, and the temperature or None for the plain vote. Raises BadQuery for what is empty; classify checks bounds."""
    if k is None or temperature is None:
        raise BadQuery("k and temperature each need a number: 20 and 0.07 are usual.")
    return int(k), None if vote == PLAIN else float(temperature)


def verdict_html(found: Classification, truth: str, notes: list[str]) -> str:
    """The class that won; right or wrong where the truth is known; what the person should know; the timing."""
    best = found.guesses[0] if found.guesses else Guess("", "no neighbour found", 0.0)
    verdict = f"<b>{escape(best.class_name)}</b> with {plots.percent(best.share)} of the vote"
    if truth:
        mark = "right" if best.class_name == truth else "wrong"
        verdict += f' · truth: <b>{escape(truth)}</b> <span class="{mark}">{mark}</span>'
    lines = "".join(f"<p>{escape(note)}</p>" for note in (*notes, str(found.neighbors.timing)) if note)
    return f'<div class="verdict">{verdict}{lines}</div>'


def bars_html(found: Classification, truth: str) -> str:
    """The top 5 by neighbours, and those by class names under it."""
    k = len(found.neighbors.hits)
    votes = plots.share_bars(f"By the vote of {k} neighbours", [_share(guess, truth) for guess in found.guesses])
    if not found.by_class_names:
        return votes + "<p>This encoder reads no words, so there is no answer by class names.</p>"
    return votes + plots.share_bars(
        "By class names",
        [_share(guess, truth) for guess in found.by_class_names],
        "The picture beside sentences such as 'a photo of a ...', one set a class; no gallery picture is looked at.",
    )


def _share(guess: Guess, truth: str) -> plots.Share:
    return plots.Share(guess.class_name, guess.share, bool(truth) and guess.class_name == truth)


def shared_tiles(found: Classification) -> list[Tile]:
    """The neighbours, nearest first, each with its share of the vote in per cent and its class."""
    return [
        (hit.picture or hit.blur, f"{100 * share:.2f} % {hit.class_name or f'row {hit.row}'}")
        for hit, share in zip(found.neighbors.hits, found.shares, strict=True)
    ]

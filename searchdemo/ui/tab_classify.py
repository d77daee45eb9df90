"""The Classify tab: the class of a picture, by the vote of its neighbours and by the names of the classes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from searchdemo import assets
from searchdemo.collection.classify import Classification, Guess, training_note
from searchdemo.collection.collection import Collection
from searchdemo.collection.knn import ANY_ANGLE, TEMPERATURE
from searchdemo.collection.query import Query
from searchdemo.collection.terms import ROW, Term
from searchdemo.errors import BadQuery
from searchdemo.galleries.base import names_right
from searchdemo.measure import cards as run_card
from searchdemo.ui.components import plots
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.templates import paragraph, render
from searchdemo.ui.components.tiles import Tile, Tiles, explained, folder_of, named, stored
from searchdemo.ui.page import Choice, Page

TITLE = "Classify"
K = 20  # the usual k for the accuracy of an encoder
WEIGHTED, PLAIN = "weighted by similarity", "plain: each counts once"


def add(page: Page) -> None:
    """Call within the tab."""
    with gr.Row(elem_id="classify-row"):
        with gr.Column(scale=3, min_width=300, elem_id="classify-answer"):
            verdict = Answer(elem_id="classify-verdict", min_height=64)
            bars = gr.HTML(elem_id="classify-bars")
        with gr.Column(scale=2, min_width=300, elem_id="classify-settings"):
            k = gr.Slider(1, 200, K, step=1, label="k: neighbours that vote", elem_id="classify-k")
            vote = gr.Radio([WEIGHTED, PLAIN], value=WEIGHTED, label="Vote", elem_id="classify-vote")
            temperature = gr.Slider(
                0.01,
                1,
                TEMPERATURE,
                step=0.01,
                label="Temperature T",
                info="each vote weighs exp(cosine / T): the lower T, the more the nearest count",
                elem_id="classify-temperature",
            )
            degrees = gr.Slider(
                1,
                ANY_ANGLE,
                ANY_ANGLE,
                step=1,
                label="Greatest angle, degrees",
                info=f"what lies further from the query counts for nothing; 180: all counts{best_angle()}",
                elem_id="classify-degrees",
            )
    neighbours = Tiles("Neighbours, each with its share of the vote", elem_id="classify-neighbours", enlarges=True)

    def show(query: Query, collection: Collection, chosen: Choice, truth: str, *settings: Any) -> tuple:
        k, temperature, most = checked(*settings)
        found = collection.classify(
            query,
            chosen.index,
            k,
            temperature,
            pictures=True,
            where=chosen.where,
            max_degrees=most,
            **chosen.params,
        )
        notes = [found.neighbors.notice, found.notice, training_note(collection.encoder_spec, chosen.gallery)]
        if collection.stand_in:
            notes.append("The weights were made for a test: the answer means nothing.")
        tiles = shared_tiles(found, chosen.gallery, page.is_own(chosen.gallery))
        return verdict_html(found, truth, notes), bars_html(found, truth), tiles

    vote.change(lambda vote: gr.update(interactive=vote != PLAIN), vote, temperature, show_progress="hidden")
    settings, outputs = [k, vote, temperature, degrees], [verdict, bars, neighbours]
    page.query.follow("classify", show, outputs, verdict, settings, [part.input for part in settings])
    page.query.picks(neighbours, "classify")
    page.linked |= {"votes": k, "vote": vote, "temperature": temperature, "max_degrees": degrees}


def best_angle() -> str:
    """What `bench classnames` found, from the card that ships."""
    card = run_card.find("classnames", run_card.Key("tiny-imagenet", "bundled"), assets.CARDS)
    if card is None:
        return ""
    angle = card.parts["sets"][0]["f1_degrees"]
    return f". By bundled on tiny-imagenet {angle:.0f} tells right class names from wrong best"


def checked(
    k: float | None, vote: str, temperature: float | None, degrees: float | None
) -> tuple[int, float | None, float]:
    """k, the temperature or None for the plain vote, and the greatest angle. Raises BadQuery for an empty field;
    classify checks bounds."""
    if k is None or temperature is None or degrees is None:
        raise BadQuery("k, temperature and the greatest angle each need a number: 20, 0.07 and 180 are usual.")
    return int(k), None if vote == PLAIN else float(temperature), float(degrees)


def verdict_html(found: Classification, truth: str, notes: list[str]) -> str:
    """The class that won, right or wrong where the truth is known, then notes and the timing."""
    best = found.guesses[0] if found.guesses else None
    mark = "right" if best and names_right(best.class_name, truth) else "wrong"
    said = [note for note in (*notes, found.neighbors.timing) if note]
    nothing = found.nothing or "no neighbour has a class"
    return render("verdict.html", best=best, nothing=nothing, truth=truth, mark=mark, notes=said)


def bars_html(found: Classification, truth: str) -> str:
    """The top 5 by neighbours, under it the top 5 by class names, and the angles of both."""
    k = len(found.neighbors.hits) - found.beyond
    shown = plots.share_bars(f"By the vote of {k} neighbours", [_share(guess, truth) for guess in found.guesses])
    if found.by_class_names:
        how = "Compared with sentences such as 'a photo of a ...', one set per class; no gallery picture is used."
        by_names = [_share(guess, truth) for guess in found.by_class_names]
        shown += plots.share_bars("By class names", by_names, " ".join(filter(None, (how, found.names_notice))))
    else:
        shown += paragraph(found.names_notice)
    return shown + angles_html(found, truth)


def angles_html(found: Classification, truth: str) -> str:
    """How far the neighbours and the names of classes lie from the query, and the threshold if there is one."""
    names = [(guess, guess.degrees) for guess in (*found.by_class_names, *found.names_beyond)]
    rows = [plots.Angles(f"{len(found.angles)} neighbours", found.angles)] if found.angles else []
    rows += [
        plots.Angles(guess.class_name, (degrees,), names_right(guess.class_name, truth))
        for guess, degrees in names
        if degrees is not None
    ]
    return plots.angle_bars("Angles to the query", rows, found.max_degrees) if rows else ""


def _share(guess: Guess, truth: str) -> plots.Share:
    return plots.Share(guess.class_name, guess.share, names_right(guess.class_name, truth))


def shared_tiles(found: Classification, gallery: str, own: bool = False) -> list[Tile]:
    """The neighbours, nearest first, each with its share of the vote in percent and its class."""
    return [
        Tile(
            hit.picture or hit.blur,
            named(hit),
            f"{100 * share:.2f} %",
            explained(hit.score),
            folder=folder_of(hit, own),
            term=str(Term(ROW, hit.row)),
            of=stored(gallery, hit.row, box=hit.box),
        )
        for hit, share in zip(found.neighbors.hits, found.shares, strict=True)
    ]

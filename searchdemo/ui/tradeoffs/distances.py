"""What "distance" means: a few pictures of the visitor's choice, and how far each is from each."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.collection import Prepared
from searchdemo.collection.library import Query, SearchEngine
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.measure.distances import Distances, pairwise
from searchdemo.ui.components.pieces import QueryPicture, Tile, picture_data, sentence_errors
from searchdemo.ui.page import Page, whole

MOST = 5
UPLOAD_PX = 512  # the side of an uploaded picture that is kept, and embedded, for the session
ROW, HELD_OUT = KINDS = ("gallery", "held out")
EXPLAINED = (
    "Each picture is a unit vector. Between two of them: the Euclidean distance <b>d</b>, the cosine of their angle, "
    "and the angle. On unit vectors d² = 2 − 2 cos, so all three order pictures alike: d 0 is the same direction, "
    "d √2 (90°) has nothing in common, d 2 is the opposite."
)

CSS = """
.pairs { overflow-x: auto; }
#distances-grid .pairs table { border-collapse: separate; border-spacing: 3px; width: auto; margin: 0; border: 0;
  table-layout: fixed; color: var(--body-text-color); font-variant-numeric: tabular-nums; }
#distances-grid .pairs tr { border: 0; }
#distances-grid .pairs th, #distances-grid .pairs td { border: 0; padding: 4px 2px; text-align: center;
  font-weight: 400; width: 96px; font-size: 12px; line-height: 1.35; }
#distances-grid .pairs th { padding: 2px; vertical-align: bottom; }
#distances-grid .pairs tbody th { vertical-align: middle; }
#distances-grid .pairs th img { width: 64px; height: 64px; object-fit: cover; border-radius: 6px; display: block;
  margin: 0 auto; }
#distances-grid .pairs th small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-size: 11px; color: var(--body-text-color-subdued); }
#distances-grid .pairs td { border-radius: 6px; background:
  color-mix(in srgb, var(--color-accent) calc(var(--near) * 55%), var(--background-fill-secondary)); }
#distances-grid .pairs td b { display: block; font-size: 15px; }
#distances-grid .pairs td span { display: block; }
#distances-grid .pairs td i { font-style: normal; }
#distances-grid .pairs td.self { opacity: .55; }
@media (max-width: 640px) {
  #distances-grid .pairs table { width: 100%; border-spacing: 2px; }
  #distances-grid .pairs th, #distances-grid .pairs td { width: auto; font-size: 10.5px; padding: 3px 0; }
  #distances-grid .pairs td b { font-size: 12.5px; }
  #distances-grid .pairs td i { display: none; } /* five cells in a row have no room for it */
  #distances-grid .pairs th img { width: 100%; max-width: 56px; height: auto; aspect-ratio: 1; }
}
"""


@dataclass(frozen=True)
class Picked:
    """One picture of the grid."""

    gallery: str  # that its number is of; a picture of the visitor's own goes with all
    query: Query


def add(page: Page) -> None:
    """Call within a tab."""
    engine = page.engine
    gr.HTML(f"<style>{CSS}</style>", visible="hidden")
    gr.HTML(f"<h3>What “distance” means</h3><p class='hint'>{EXPLAINED}</p>", elem_id="distances-title")
    picked = gr.State(())
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                kind = gr.Dropdown(list(KINDS), value=ROW, label="A picture", min_width=120, elem_id="distances-kind")
                number = gr.Number(0, label="Its number", precision=0, min_width=100, elem_id="distances-number")
            with gr.Row():
                take = gr.Button("Add", elem_id="distances-add", min_width=80, size="md")
                surprise = gr.Button("Surprise me", elem_id="distances-surprise", min_width=120, size="md")
                clear = gr.Button("Clear", elem_id="distances-clear", min_width=80, size="md")
            upload = QueryPicture(
                label="Or your own",
                placeholder="Drop, paste or choose",
                sources=["upload", "clipboard"],
                height=140,
                elem_id="distances-own",
            )
        with gr.Column(scale=3, min_width=320):
            grid = gr.HTML(elem_id="distances-grid", min_height=120)

    def show(picked: tuple[Picked, ...], gallery: str, encoder: str) -> tuple[tuple[Picked, ...], str]:
        return picked, grid_html(*looked_up(engine, picked, gallery, encoder))

    def again(picked: tuple[Picked, ...], *sidebar):
        """Another gallery or encoder: numbers belong to a gallery, one's own pictures go on."""
        gallery, encoder = here(sidebar)
        try:
            kept = tuple(one for one in picked if one.gallery == gallery or one.query.picture is not None)
            if not kept:
                kept = some_three(engine, gallery, encoder, seed=0)
            return show(kept, gallery, encoder)
        except SearchDemoError as error:  # nobody asked for anything yet: no message, a sentence in the grid's place
            return picked, f"<p class='hint'>{escape(str(error))}</p>"

    def add_number(picked: tuple[Picked, ...], kind: str, number: float | None, *sidebar):
        gallery, encoder = here(sidebar)
        number = whole("The number", number)
        query = Query(held_out=number) if kind == HELD_OUT else Query(row=number)
        return show(with_one_more(picked, Picked(gallery, query)), gallery, encoder)

    def add_own(picked: tuple[Picked, ...], picture: Image.Image | None, *sidebar):
        gallery, encoder = here(sidebar)
        if picture is None:
            return gr.skip(), gr.skip(), gr.skip()
        picture.thumbnail((UPLOAD_PX, UPLOAD_PX))
        return None, *show(with_one_more(picked, Picked("", Query(picture=picture))), gallery, encoder)

    def surprise_me(*sidebar):
        gallery, encoder = here(sidebar)
        return show(some_three(engine, gallery, encoder), gallery, encoder)

    def here(sidebar: Sequence) -> tuple[str, str]:
        chosen = page.choice(*sidebar, "brute", 1)  # refuses names that are not offered
        return chosen.gallery, chosen.encoder

    sidebar, shown, quiet = [page.gallery, page.encoder], [picked, grid], {"show_progress": "hidden"}
    gr.on([page.demo.load, page.gallery.change, page.encoder.change], again, [picked, *sidebar], shown, **quiet)
    gr.on([take.click, number.submit], sentence_errors(add_number), [picked, kind, number, *sidebar], shown, **quiet)
    upload.input(sentence_errors(add_own), [picked, upload, *sidebar], [upload, *shown], show_progress_on=grid)
    surprise.click(sentence_errors(surprise_me), sidebar, shown, **quiet)
    clear.click(lambda: ((), grid_html([], pairwise(np.empty((0, 1))))), None, shown, **quiet)


def with_one_more(picked: tuple[Picked, ...], one: Picked) -> tuple[Picked, ...]:
    """Raises BadQuery when the grid is full."""
    if len(picked) >= MOST:
        raise BadQuery(f"The grid holds {MOST} pictures: clear it, then add another.")
    return (*picked, one)


def some_three(engine: SearchEngine, gallery: str, encoder: str, seed: int | None = None) -> tuple[Picked, ...]:
    """Two of one class and one of another, where there are such. Raises NotBuilt."""
    prepared, rng = engine.prepared(gallery, encoder), np.random.default_rng(seed)
    rows = prepared.gallery_rows(np.arange(len(prepared.vectors)))
    labels = np.asarray(prepared.gallery.pictures.labels)[rows]
    first = int(rng.integers(len(rows)))
    alike = np.flatnonzero((labels == labels[first]) & (np.arange(len(rows)) != first))
    others = np.flatnonzero(labels != labels[first])
    positions = [first, *rng.permutation(alike)[:1], *rng.permutation(others)[:1]]
    return tuple(Picked(gallery, Query(row=int(rows[position]))) for position in positions)


def looked_up(
    engine: SearchEngine, picked: Sequence[Picked], gallery: str, encoder: str
) -> tuple[list[Tile], Distances]:
    """What stands at the edges of the grid, and what is in it. Raises all that embedding raises, and NotBuilt."""
    prepared = engine.prepared(gallery, encoder)
    if any(one.query.picture is not None for one in picked):
        prepared.artifact.check_weights(engine.encoder(encoder).weights_sha256)
    rows = [engine.embed(one.query, gallery, encoder).vector for one in picked]
    tiles = [tile_of(prepared, one.query) for one in picked]
    return tiles, pairwise(np.concatenate([np.empty((0, prepared.vectors.dim), np.float32), *rows]))


def tile_of(prepared: Prepared, query: Query) -> Tile:
    shown = prepared.gallery
    if query.picture is not None:
        buffer = io.BytesIO()
        query.picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue(), "yours"
    if query.row is not None:
        name = shown.class_name(query.row) or "row"
        return shown.pictures.encoded(query.row) or shown.blur(query.row), f"{name} ({query.row})"
    _, labels = prepared.queries()
    name = shown.class_names[labels[query.held_out]] if labels[query.held_out] >= 0 else "query"
    return prepared.query_picture(query.held_out), f"{name} (held out {query.held_out})"


def grid_html(tiles: Sequence[Tile], found: Distances) -> str:
    """A row and a column a picture. Cells of pairs that are near are coloured more."""
    if not tiles:
        return "<p class='hint'>Add two pictures or more, up to five, or press “Surprise me”.</p>"
    edges = [_edge(tile) for tile in tiles]
    lines = []
    for i, edge in enumerate(edges):
        cells = "".join(
            _cell(found.euclidean[i, j], found.cosines[i, j], found.degrees[i, j], i == j) for j in range(len(tiles))
        )
        lines.append(f"<tr>{edge}{cells}</tr>")
    head = f"<thead><tr><th></th>{''.join(edges)}</tr></thead>"
    return f'<div class="pairs"><table>{head}<tbody>{"".join(lines)}</tbody></table></div>'


def _edge(tile: Tile) -> str:
    picture, name = tile
    source = escape(picture_data(picture).url, quote=True)
    name = escape(name, quote=True)
    return f'<th title="{name}"><img src="{source}" alt="{name}"><small>{name}</small></th>'


def _cell(euclidean: float, cosine: float, degrees: float, itself: bool) -> str:
    near = max(0.0, 1 - euclidean / math.sqrt(2))  # 1: the same; 0: at a right angle, or further
    cosine = cosine + 0.0 if abs(cosine) >= 0.0005 else 0.0  # no "-0.000"
    return (
        f'<td class="{"self" if itself else ""}" style="--near:{near:.2f}"><b>{euclidean:.3f}</b>'
        f"<span><i>cos </i>{cosine:.3f}</span><span>{degrees:.1f}°</span></td>"
    )

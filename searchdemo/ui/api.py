"""The typed API: seven endpoints that answer with the JSON of the command line, and refuse with its sentences."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from searchdemo.collection.box import box_of
from searchdemo.collection.knn import ANY_ANGLE, TEMPERATURE
from searchdemo.collection.query import Query
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadPicture, BadQuery
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.faceoff.question import answer as face_off
from searchdemo.measure.race import Race, run
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.query_picture import QueryPicture, readable
from searchdemo.ui.components.tiles import file_name
from searchdemo.ui.mine.files import OwnFiles
from searchdemo.ui.page import Choice, Page, filter_text, whole
from searchdemo.ui.serving.limits import FACEOFF, MINE, PICTURE, RACE, TEXT, WHY
from searchdemo.ui.serving.turns import SCAN, SEARCH, STEP, TURNS

NAMES = ("search_by_text", "search_by_image", "why", "classify", "faceoff", "compare_latency", "bring_pictures")


def add(page: Page) -> None:
    """Only galleries and indexes that the page offers pass: see Page.choice."""

    def search_by_text(
        text: str, gallery: str, encoder: str, index: str, k: int, where: str = "", min_probability: float = 0.0
    ) -> dict:
        """The k pictures of a gallery that are nearest to a text, as {"hits": [...], "timing": {...}}.

        text: words, or several terms such as "a beach + sunset - people" or "2: dog + #12", a row of the gallery
        min_probability: no hits where the gallery shows what the text says with less than that, from 0 to 1
        where: a filter, such as "label in ('goldfish', 'bullfrog')"; "": all pictures
        """
        return found(Query(text=text), page.choice(gallery, encoder, index, k, where), min_probability)

    def search_by_image(
        image: Image.Image | None,
        gallery: str,
        encoder: str,
        index: str,
        k: int,
        where: str = "",
        text: str = "",
        box: str = "",
    ) -> dict:
        """The k pictures of a gallery that are nearest to a picture, as {"hits": [...], "timing": {...}}.

        text: what is added and taken away, such as "+ snow - people"; box: "x,y,width,height", the part of the picture
        """
        return found(picture_query(image, text, box), page.choice(gallery, encoder, index, k, where))

    def found(query: Query, chosen: Choice, min_probability: float = 0.0) -> dict:
        collection = page.open(chosen)
        with turn_of(query, chosen.index):
            answer = chosen.search(collection, query, pictures=False, min_probability=min_probability)
        return seen(chosen, answer.to_json())

    def seen(chosen: Choice, answer: dict) -> dict:
        """Files of others are told by their names alone, without the folders that they lie in."""
        if not page.is_own(chosen.gallery):
            names_alone(answer)
        return answer

    def why(image: Image.Image | None, gallery: str, encoder: str, row: int, text: str = "", box: str = "") -> dict:
        """Which parts of a picture of the gallery carry its score for a query, as {"score": ..., "drops": [[...]]}.

        row: of the picture; the query is an image, a text or both, as in the searches
        drops: how much the cosine falls where a cell is covered, from the top row down, each from the left
        """
        given = whole("row", row)
        query = picture_query(image, text, box) if image is not None or not text else Query(text=text)
        collection = page.library.open(*page.names(gallery, encoder))
        with TURNS.turn(SEARCH):
            return collection.why(query, given).to_json()

    def classify_image(
        image: Image.Image | None,
        gallery: str,
        encoder: str,
        index: str,
        k: int,
        temperature: float,
        where: str = "",
        max_degrees: float = ANY_ANGLE,
    ) -> dict:
        """The classes of a picture by the vote of its k nearest, and by class names where the encoder reads words.

        max_degrees: neighbours and names at a larger angle to the picture count for nothing, such as 58
        """
        chosen = page.choice(gallery, encoder, index, k, where)
        query, collection = picture_query(image), page.open(chosen)
        with turn_of(query, index):
            answer = collection.classify(
                query,
                index,
                chosen.k,
                temperature,
                pictures=False,
                where=chosen.where,
                max_degrees=max_degrees,
                **chosen.params,
            )
        return seen(chosen, answer.to_json())

    def faceoff(
        image: Image.Image | None,
        gallery: str,
        encoders: list[str],
        k: int,
        text: str = "",
        box: str = "",
        where: str = "",
    ) -> dict:
        """One query by several encoders, as `searchdemo faceoff --json` prints it: columns, what they share, fusion.

        encoders: names; none: all that are built for the gallery. The query is an image, a text or both
        """
        opened, _ = page.names(gallery, encoders[0] if encoders else "bundled")
        query = picture_query(image, text, box) if image is not None or not text else Query(text=text)
        with TURNS.turn(SCAN):
            found = face_off(page.library, opened, query, whole("k", k), encoders, filter_text(where), fetch=False)
        if not page.is_own(opened):
            for part in (*found["columns"], found.get("fusion", {})):
                names_alone(part)
        return found

    def compare_latency(gallery: str, encoder: str, indexes: list[str], k: int, repeats: int) -> list[dict]:
        """Time, recall and size of each index on one held-out query of the gallery, each searched `repeats` times."""
        if not isinstance(indexes, list) or not indexes:
            raise BadQuery("indexes must be a list of names, such as ['flat', 'ivf'].")
        chosen = [page.choice(gallery, encoder, index, k) for index in dict.fromkeys(map(str, indexes))]
        names = tuple(choice.index for choice in chosen)
        race = Race(names, k=chosen[0].k, repeats=whole("repeats", repeats))
        race.check()
        collection = page.open(chosen[0])
        query = collection.queries[:1] if len(collection.queries) else collection.vectors.take(np.arange(1))
        for name in names:  # built and loaded before its turn
            collection.index(name)
        return [row.to_json() for row in run(collection, race, query, turn=partial(TURNS.turn, STEP))]

    def bring_pictures(files: list[Path], encoder: str, request: gr.Request) -> dict:
        """The client's own pictures, files or zips of them, as a gallery for as long as its session lasts.

        {"gallery": its name for the other endpoints, "report": what became of every file}
        """
        ENCODERS.find(encoder)
        gallery = page.own.bring(request.session_hash or "", files)
        page.library.build(page.key(gallery.name, encoder))
        return {"gallery": gallery.name, "report": gallery.report.to_json()}

    gr.api(sentence_errors(search_by_text), api_name="search_by_text", concurrency_id=TEXT)
    gr.api(sentence_errors(compare_latency), api_name="compare_latency", concurrency_id=RACE)
    with gr.Row(visible=False):  # gr.api takes no pictures, so hidden components check them
        image, temperature, answer = QueryPicture(label="image"), gr.Number(TEMPERATURE, label="temperature"), gr.JSON()
        files, brought = OwnFiles(label="files"), gr.JSON()
        names = [gr.Textbox(value, label=name) for name, value in DEFAULTS.items()]
        k, where = gr.Number(10, label="k", precision=0), gr.Textbox("", label="where")
        degrees = gr.Number(ANY_ANGLE, label="max_degrees")
        text, box = gr.Textbox("", label="text"), gr.Textbox("", label="box")
        row = gr.Number(0, label="row", precision=0)
        encoders = gr.Dropdown(list(ENCODERS), value=[], multiselect=True, label="encoders")
    inputs = [image, *names, k]
    gr.Button(visible=False).click(
        sentence_errors(search_by_image),
        [*inputs, where, text, box],
        answer,
        api_name="search_by_image",
        concurrency_id=PICTURE,
    )
    gr.Button(visible=False).click(
        sentence_errors(why), [*inputs[:3], row, text, box], answer, api_name="why", concurrency_id=WHY
    )
    gr.Button(visible=False).click(
        sentence_errors(classify_image),
        [*inputs, temperature, where, degrees],
        answer,
        api_name="classify",
        concurrency_id=PICTURE,
    )
    gr.Button(visible=False).click(
        sentence_errors(faceoff),
        [image, names[0], encoders, k, text, box, where],
        answer,
        api_name="faceoff",
        concurrency_id=FACEOFF,
    )
    bring = gr.Button(visible=False).click
    bring(sentence_errors(bring_pictures), [files, names[1]], brought, api_name="bring_pictures", concurrency_id=MINE)


def names_alone(answer: dict) -> None:
    """Takes the folders off the files of its hits."""
    for hit in answer.get("hits", ()):
        hit |= {"file": file_name(hit["file"])} if "file" in hit else {}


def turn_of(query: Query, index: str) -> AbstractContextManager[None]:
    """A turn for what takes long: all but a text in an approximate index."""
    if INDEXES[index].exact:
        return TURNS.turn(SCAN)
    return nullcontext() if query.picture is None else TURNS.turn(SEARCH)


def picture_query(image: Image.Image | BadPicture | None, text: str = "", box: str = "") -> Query:
    """Raises BadQuery, BadPicture."""
    if (picture := readable(image)) is None:
        raise BadQuery("There is no picture to search with: give one as `image`.")
    return Query(picture=picture, text=text or None, box=box_of(box or ""))


DEFAULTS = {"gallery": "tiny-imagenet", "encoder": "bundled", "index": "ivf"}

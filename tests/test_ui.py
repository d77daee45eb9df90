"""The pieces of the page that need no browser."""

from __future__ import annotations

import io
from urllib.parse import unquote

import gradio as gr
import page_server
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from searchdemo.collection.library import Query
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.ui import start
from searchdemo.ui.components import pieces
from searchdemo.ui.components.query_box import Origin, query_of
from searchdemo.ui.link import linked_value
from searchdemo.ui.tab_text import filled
from tests.loopback_hub import nobody


def encoded(kind: str, size: tuple[int, int] = (40, 20), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_stored_pictures_go_to_the_browser_as_they_are(kind):
    content = encoded(kind)
    sent = pieces.picture_data(content, "a red one")
    assert sent.url.startswith(f"data:image/{kind.lower()};base64,")
    assert pieces.source_of(sent) == content


def test_large_pictures_go_as_thumbnails():
    noise = io.BytesIO()
    Image.effect_noise((1000, 500), 90).save(noise, "PNG")
    sent = pieces.picture_data(noise.getvalue(), "")
    with Image.open(io.BytesIO(pieces.source_of(sent))) as small:
        assert (small.format, small.size) == ("JPEG", (256, 128))


def test_a_missing_picture_is_a_tile_with_its_caption():
    sent = pieces.picture_data(None, "3. <king> penguin 0.912")
    assert "&lt;king&gt;" in unquote(sent.url)
    assert sent.mime_type == "image/svg+xml"
    assert pieces.QueryPicture().preprocess(sent) is None  # nothing to encode: the query is a stored vector


def test_a_damaged_picture_of_the_gallery_is_a_tile_too():
    assert pieces.picture_data(b"no picture", "x").mime_type == "image/svg+xml"


def test_pictures_come_in_upright_and_rgb():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = encoded("JPEG", (40, 20), exif=exif)
    picture = pieces.QueryPicture().preprocess(pieces.picture_data(content, ""))
    assert (picture.mode, picture.size) == ("RGB", (20, 40))


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "data:image/png;base64,%%%"])
def test_what_is_no_picture_is_refused_with_a_sentence(url):
    with pytest.raises(gr.Error, match="bring a JPEG"):
        pieces.QueryPicture().preprocess(ImageData(url=url))


def test_errors_become_sentences_that_are_no_html():
    @pieces.sentence_errors
    def plain():
        raise BadQuery("<b>bold</b>")

    @pieces.sentence_errors
    def steps():
        yield 1
        raise BadQuery("halfway")

    with pytest.raises(gr.Error, match="&lt;b&gt;bold") as caught:
        plain()
    assert not caught.value.print_exception
    running = steps()
    assert next(running) == 1
    with pytest.raises(gr.Error, match="halfway"):
        next(running)


def test_a_query_is_the_clicked_row_only_in_the_gallery_it_was_clicked_in(page):
    chosen = page.choice("scenes", "bundled", "flat", 5)
    picture = Image.new("RGB", (8, 8))
    assert query_of(picture, Origin("scenes", row=3), chosen) == Query(row=3)
    assert query_of(picture, Origin("elsewhere", row=3), chosen) == Query(picture=picture)
    assert query_of(None, Origin("scenes", held_out=2), chosen) == Query(held_out=2)
    with pytest.raises(BadQuery, match="no picture"):
        query_of(None, None, chosen)


def test_the_sidebar_takes_only_what_it_offers(page):
    assert page.choice("scenes", "bundled", "ivf", 5, 3, 64, 8).params == {"nprobe": 3}
    assert page.choice("scenes", "bundled", "flat", 5, 3, 64, 8).params == {}
    for gallery, index in (("folder:/", "flat"), ("scenes", "faiss:Flat"), (None, "flat")):
        with pytest.raises(UnknownName):
            page.choice(gallery, "bundled", index, 5)
    with pytest.raises(BadQuery, match="k is empty"):
        page.choice("scenes", "bundled", "flat", None)
    for k in ("many", 2.5, float("nan"), [3]):
        with pytest.raises(BadQuery, match="not a whole number"):
            page.choice("scenes", "bundled", "flat", k)


def test_the_wait_for_an_index_that_is_built_once_is_said_where_there_is_one(page, monkeypatch):
    chosen, line, other = page.choice("scenes", "bundled", "flat", 5), gr.HTML(), gr.HTML()
    assert list(page.ready(chosen, line, [other, line])) == []
    monkeypatch.setattr(page.engine, "has_index", lambda *names: False)
    (untouched, sentence), after = page.ready(chosen, line, [other, line])
    assert untouched == gr.skip() and "Building the index flat once" in sentence
    assert after == [gr.skip(), ""]  # nothing stays where the search then fails


def test_templates():
    assert filled("a photo of a {}.", "dog") == "a photo of a dog."
    with pytest.raises(BadQuery, match=r"no \{\}"):
        filled("a photo", "dog")
    with pytest.raises(BadQuery, match="empty"):
        filled("a photo of a {}.", "  ")


def test_a_link_sets_only_what_it_may():
    k, gallery = gr.Number(), gr.Dropdown(["scenes"])
    assert linked_value(k, "7") == 7
    assert linked_value(gallery, "scenes") == "scenes"
    recall, against = gr.Slider(0.5, 1), gr.Radio(["milliseconds"])
    assert linked_value(recall, "0.9") == 0.9
    assert linked_value(against, "milliseconds") == "milliseconds"
    wrong = ((k, "many"), (k, None), (gallery, "folder:/"), (k, "9" * 40))
    wrong += ((recall, "0.4"), (recall, "nan"), (recall, "-1"), (recall, "1e0"), (against, "minutes"))
    for component, asked in wrong:
        assert linked_value(component, asked) == gr.skip()


def test_without_vectors_of_tiny_imagenet_the_page_opens_on_scenes(page):
    assert start.first_gallery(page.engine) == "scenes"


def test_a_hub_that_is_not_there_is_out_of_reach(monkeypatch):
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert not start.hub_within_reach()


@pytest.fixture
def page():
    from searchdemo.collection.jobs import Builds
    from searchdemo.ui.page import Page

    with gr.Blocks() as demo:
        return Page(page_server.engine(), Builds(page_server.engine()), ("scenes",), "scenes", demo)

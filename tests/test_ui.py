"""The parts of the page that need no browser."""

from __future__ import annotations

import io
import re
import threading
import time
import typing
from urllib.parse import unquote

import gradio as gr
import numpy as np
import page_server
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from searchdemo.collection.collection import Collection
from searchdemo.collection.jobs import Job
from searchdemo.collection.progress import Progress
from searchdemo.collection.query import Query
from searchdemo.errors import BadPicture, BadQuery, Cancelled, NotInstalled, UnknownName
from searchdemo.indexes.base import SEARCH_PARAMS, IndexSpec
from searchdemo.indexes.table import INDEXES
from searchdemo.types import MISSING
from searchdemo.ui import start, status
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.query_picture import FOREIGN, QueryPicture, foreign, readable, source_of
from searchdemo.ui.components.search_params import visibilities
from searchdemo.ui.components.thumbnails import picture_data
from searchdemo.ui.components.tiles import by_terms, result_tiles
from searchdemo.ui.demo import build_demo
from searchdemo.ui.link import linked_value
from searchdemo.ui.origin import HELD_OUT, PICTURE, ROW, WORDS, Origin, another, given_words, query_of
from searchdemo.ui.page import Page, about
from tests.loopback_hub import nobody


def encoded(kind: str, size: tuple[int, int] = (40, 20), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


def test_events_without_progress_leave_nothing_that_later_events_copy():
    """gradio tells every component on which progress was ever shown of every event, and copies all that it holds."""
    events = build_demo(page_server.library(), "scenes").get_config_file()["dependencies"]
    quiet = [each["show_progress_on"] for each in events if each["show_progress"] == "hidden"]
    assert len(quiet) > 50 and not any(each != [] for each in quiet)


def test_what_is_asked_during_an_answer_is_dropped_only_where_it_is_one_long_job():
    """gradio's default drops it, and `always_last` repeats it with the data of the event before."""
    events = [each for each in build_demo(page_server.library(), "scenes").fns.values() if each.fn and each.inputs]
    dropped = {each.name for each in events if each.trigger_mode == "once" and each.api_visibility == "private"}
    jobs = {"build", "draw", "_open", "_bring", "compare", "measured", "fetch", "begin"}
    assert dropped == jobs | {"add_own", "forget_all", "look"}  # a file, all sheets, the time: the second asks the same
    with_data = [each for each in build_demo(page_server.library(), "scenes").fns.values() if of_its_own(each)]
    assert {each.trigger_mode for each in with_data} == {"multiple"}


def of_its_own(event) -> bool:
    """Whether its handler takes what the browser tells of the event."""
    return bool(event.fn) and gr.EventData in typing.get_type_hints(event.fn).values()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_stored_pictures_go_to_the_browser_as_they_are(kind):
    content = encoded(kind)
    sent = picture_data(content, "a red one")
    assert sent.url.startswith(f"data:image/{kind.lower()};base64,")
    assert source_of(sent) == content


def test_large_pictures_go_as_thumbnails():
    noise = io.BytesIO()
    Image.effect_noise((1000, 500), 90).save(noise, "PNG")
    sent = picture_data(noise.getvalue(), "")
    with Image.open(io.BytesIO(source_of(sent))) as small:
        assert (small.format, small.size) == ("JPEG", (256, 128))


def test_a_missing_picture_is_a_tile_with_its_caption():
    sent = picture_data(None, "3. <king> penguin 0.912")
    assert "&lt;king&gt;" in unquote(sent.url)
    assert sent.mime_type == "image/svg+xml"
    assert QueryPicture().preprocess(sent) is None  # nothing to encode: the query is a stored vector


def test_a_damaged_picture_of_the_gallery_is_a_tile_too():
    assert picture_data(b"no picture", "x").mime_type == "image/svg+xml"


def test_pictures_come_in_upright_and_rgb():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = encoded("JPEG", (40, 20), exif=exif)
    picture = QueryPicture().preprocess(picture_data(content, ""))
    assert (picture.mode, picture.size) == ("RGB", (20, 40))


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "data:image/png;base64,%%%"])
def test_what_is_no_picture_is_refused_with_a_sentence(url):
    refused = QueryPicture().preprocess(ImageData(url=url))
    with pytest.raises(BadPicture, match="bring a JPEG"):
        readable(refused)


def test_errors_become_sentences_that_are_no_html():
    @sentence_errors
    def plain():
        raise BadQuery("<b>bold</b>")

    @sentence_errors
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


def test_a_query_is_what_it_came_from(page):
    chosen, picture = page.choice("scenes", "bundled", "flat", 5), Image.new("RGB", (8, 8))
    collection, template = page.open(chosen), "a photo of a {}."

    def query(origin, picture=None, words=""):
        return query_of(origin, picture, words, template, chosen, collection)

    assert query(Origin(ROW, "scenes", 3), picture) == Query(row=3)
    assert query(Origin(ROW, "elsewhere", 3), picture) == Query(picture=picture)
    assert query(Origin(HELD_OUT, "scenes", 2)) == Query(held_out=2)  # no picture here, but a vector
    assert query(Origin(HELD_OUT, "scenes", 2), picture) == Query(picture=picture)
    assert query(Origin(PICTURE), picture, "words that were typed before") == Query(picture=picture)
    assert query(Origin(WORDS), picture, "dog") == Query(text="dog", prompt=template)
    for nothing, said in ((None, "no query yet"), (Origin(WORDS), "empty"), (Origin(ROW, "elsewhere", 3), "elsewhere")):
        with pytest.raises(BadQuery, match=said):
            query(nothing)


@pytest.mark.parametrize("origin", [Origin(ROW, "scenes", 4), Origin(HELD_OUT, "scenes", 5), Origin(WORDS), None])
def test_a_surprise_is_another_picture(page, origin):
    drawn = {another(np.array([4, MISSING, 5]), origin, ROW, page.library.gallery("scenes")) for _ in range(50)}
    assert drawn == ({5} if origin == Origin(ROW, "scenes", 4) else {4, 5})
    assert another(np.array([4]), Origin(ROW, "scenes", 4), ROW, page.library.gallery("scenes")) == 4  # the only one


def test_the_sidebar_takes_only_what_it_offers(page):
    assert page.choice("scenes", "bundled", "ivf", 5, "", 3, 64, 8).params == {"nprobe": 3}
    assert page.choice("scenes", "bundled", "flat", 5, "", 3, 64, 8).params == {}
    assert page.choice("scenes", "bundled", "flat", 5, " label = 'boat' ").where == " label = 'boat' "
    assert [page.choice("scenes", "bundled", "flat", 5, nothing).where for nothing in (None, "", "  ")] == ["", "", ""]
    for where, said in (("labl = 'boat'", "no column 'labl'"), (7, "no text"), ("x" * 10**6, "1,000,000 characters")):
        with pytest.raises(BadQuery, match=said):
            page.choice("scenes", "bundled", "flat", 5, where)
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
    collection = page.open(chosen)
    assert list(page.ready(collection, chosen, line, [other, line])) == []
    monkeypatch.setattr(Collection, "has_index", lambda self, name: False)
    (untouched, sentence), after = page.ready(collection, chosen, line, [other, line])
    assert untouched == gr.skip() and "Building the index flat once" in sentence
    assert after == [gr.skip(), ""]  # nothing stays where the search then fails


def test_a_visitor_who_leaves_ends_the_build(page, monkeypatch):
    chosen, line, told = page.choice("scenes", "bundled", "hnsw", 5), gr.HTML(), threading.Event()
    raised = threading.Event()

    def build(self, name, progress):
        progress(500, 2000)
        told.set()
        while True:  # until the visitor is gone
            time.sleep(0.01)
            try:
                progress(1000, 2000)
            except Cancelled:
                raised.set()
                raise

    monkeypatch.setattr(Collection, "has_index", lambda self, name: False)
    monkeypatch.setattr(Collection, "index", build)
    monkeypatch.setattr("searchdemo.ui.waiting.TICK_S", 0.01)
    signs = page.ready(page.open(chosen), chosen, line, [line])
    assert "Building the index hnsw once" in next(signs)[0]
    next(signs)
    assert told.wait(60)
    assert re.search("(500|1,000) of 2,000 vectors", next(signs)[0])
    signs.close()
    assert raised.wait(60)


def test_an_index_that_cannot_be_built_leaves_no_wait_behind_and_is_logged(page, monkeypatch, caplog):
    chosen, line = page.choice("scenes", "bundled", "annoy", 5), gr.HTML()

    def fail(self, name, progress):
        raise NotInstalled(f"{name} is not installed.")

    monkeypatch.setattr(Collection, "has_index", lambda self, name: False)
    monkeypatch.setattr(Collection, "index", fail)
    steps = page.ready(page.open(chosen), chosen, line, [line])
    assert "Building the index annoy" in next(steps)[0]
    assert next(steps) == [""]
    with pytest.raises(NotInstalled):
        next(steps)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("searchdemo.ui.page", "WARNING")
    assert record.getMessage() == "the index annoy could not be built: annoy is not installed."


def test_the_start_of_the_page_is_logged(caplog):
    caplog.set_level("INFO", logger="searchdemo.ui")
    build_demo(page_server.library(), "scenes")
    (record,) = [record for record in caplog.records if record.name == "searchdemo.ui.demo"]
    assert (
        record.getMessage()
        == f"starting the page on the gallery scenes; builds go to {page_server.library().store.own}"
    )


@pytest.mark.parametrize(
    ("indexes", "shown"),
    [
        (["flat"], []),
        (["annoy"], ["search_k"]),
        (["ivf", "annoy"], ["nprobe", "search_k"]),
        (["ivf-fastscan"], ["nprobe", "k_factor"]),
    ],
)
def test_only_the_parameters_of_the_chosen_indexes_are_shown(indexes, shown):
    visible = dict(zip([param.name for param in SEARCH_PARAMS], visibilities(indexes), strict=True))
    assert [name for name, seen in visible.items() if seen is True] == shown
    assert {seen for name, seen in visible.items() if name not in shown} == {"hidden"}  # gradio keeps their values


def test_the_line_under_an_index_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(IndexSpec, "installed", False)
    assert about("annoy") == "trees of random planes, by Annoy. It is not installed: run `pip install annoy`."
    monkeypatch.setattr(IndexSpec, "installed", True)
    assert about("annoy") == "trees of random planes, by Annoy"


@pytest.mark.parametrize("index", ["annoy", "kd-tree"])
def test_another_library_answers_through_the_page(page, index):
    if not INDEXES[index].installed:
        pytest.skip(f"needs {INDEXES[index].package}: requirements-bench.txt")
    queries = [page.choice("scenes", "bundled", name, 5) for name in ("flat", index)]
    exact, found = (chosen.search(page.open(chosen), Query(row=7)) for chosen in queries)
    assert [hit.row for hit in found.hits] == [hit.row for hit in exact.hits]


def test_an_empty_text():
    with pytest.raises(BadQuery, match="empty"):
        given_words("  ")


def test_each_term_is_put_in_the_template(page):
    chosen = page.choice("scenes", "bundled", "flat", 3)
    query = query_of(Origin(WORDS), None, "red - 0.5: boat", "a photo of a {}.", chosen, page.open(chosen))
    assert [(str(term), term.weight) for term in query.terms] == [("red", 1), ("boat", -0.5)]
    assert query.prompt == "a photo of a {}."
    tile = result_tiles(chosen.search(page.open(chosen), query), "scenes")[0]
    away = r"\(taken away: the picture is (like it, which lowers|unlike it, which raises) the score\)"
    assert re.match(rf"The score is [+-]\d\.\d+ by 1: red, [+-]\d\.\d+ by -0\.5: boat {away}\. Cosine", tile.explained)
    assert [share.term for share in tile.shares] == ["red", "less: boat"]
    assert [share.lowers for share in tile.shares] == [share.adds[0] == "-" for share in tile.shares]
    said = by_terms([("red", 1.0), ("boat", -0.5)], [0.4, -0.1])
    assert said.endswith("-0.100 by -0.5: boat (taken away: the picture is like it, which lowers the score).")


def test_a_link_sets_only_what_it_may():
    k, gallery, number = (
        gr.Slider(1, 200, 12, step=1),
        gr.Dropdown(["scenes"], value="scenes"),
        gr.Number(1, precision=0),
    )
    recall, against, ticked = (
        gr.Slider(0.5, 1, 0.9),
        gr.Radio(["ms"], value="ms"),
        gr.CheckboxGroup(["a", "b"], value=["a"]),
    )
    right = (
        (k, "7", 7),
        (gallery, "scenes", "scenes"),
        (number, "30", 30),
        (recall, "0.9", 0.9),
        (against, "ms", "ms"),
    )
    for component, asked, value in right:
        assert linked_value("x", component, [asked]) == value
        assert linked_value("x", component, []) == gr.skip()
    assert linked_value("x", ticked, ["b", "a"]) == ["b", "a"]
    wrong = ((k, "many"), (k, "0"), (k, "201"), (k, "2.5"), (gallery, "folder:/"), (number, "1.5"))
    wrong += ((recall, "0.4"), (recall, "nan"), (recall, "-1"), (against, "minutes"), (ticked, "c"))
    for component, asked in wrong:
        with pytest.raises(ValueError, match=f"^x = '{re.escape(asked)}' is .* is used.$"):
            linked_value("x", component, [asked])


def test_without_vectors_of_tiny_imagenet_the_page_opens_on_scenes(page):
    assert start.first_gallery(page.library) == "scenes"


def test_a_hub_that_is_not_there_is_out_of_reach(monkeypatch):
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert not start.hub_within_reach()


@pytest.fixture
def page():
    from searchdemo.collection.jobs import Builds

    with gr.Blocks() as demo:
        return Page(page_server.library(), Builds(page_server.library()), ("scenes",), "scenes", demo)


def test_the_page_looks_often_only_while_something_may_change_by_itself(page, monkeypatch):
    with page.demo:
        status.add(page)
    (look,) = {event.fn for event in page.demo.fns.values() if event.name == "look"}
    every = [look("scenes", "bundled")[-1]]
    page.warm = True
    every.append(look("scenes", "bundled")[-1])
    job = Job(page.key("scenes", "resnet18"), Progress("waiting", 0, 1, 0))
    monkeypatch.setattr(page.builds, "running", lambda: [job])
    every.append(look("scenes", "bundled")[-1])
    assert every == [status.POLL_SECONDS, status.CALM_SECONDS, status.POLL_SECONDS]


@pytest.mark.parametrize(("kind", "seen"), [("TIFF", False), ("JPEG", True), ("PNG", True), ("BMP", True)])
def test_a_file_that_browsers_cannot_show_is_shown_as_jpeg(tmp_path, kind, seen):
    (tmp_path / "picture").write_bytes(encoded(kind, (300, 200)))
    assert foreign(tmp_path / "picture") is not seen
    field = QueryPicture()
    field.GRADIO_CACHE = str(tmp_path / "cache")
    opened = field.preprocess(ImageData(path=str(tmp_path / "picture")))
    assert opened.info[FOREIGN] is not seen
    sent = field.postprocess(opened)
    with Image.open(sent.path) as shown:
        assert (shown.format, shown.size) == ("JPEG", (300, 200))

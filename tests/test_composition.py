"""The page's one query as a text of terms: edits of it, what stays of the picture beside it, and the Query it makes."""

from __future__ import annotations

import gradio as gr
import page_server
import pytest
from PIL import Image

from searchdemo.collection.jobs import Builds
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery, UnknownName
from searchdemo.ui.link import linked_query, query_in_link
from searchdemo.ui.origin import HELD_OUT, PICTURE, ROW, WORDS, Origin, query_of
from searchdemo.ui.page import Page
from searchdemo.ui.query import CurrentQuery

TEMPLATE, HERE = "a photo of a {}.", ("scenes", "bundled")
ROW_12, OWN = Origin(ROW, "scenes", 12), Origin(PICTURE)


@pytest.fixture(scope="module")
def page() -> Page:
    library = page_server.library()
    with gr.Blocks() as demo:
        page = Page(library, Builds(library), ("scenes", "tiny-imagenet"), "scenes", demo)
        page.query = CurrentQuery(page)
    return page


@pytest.fixture
def edit(page):
    """edit(proposed, text, origin) -> (origin, strip, text) after it. The picture and the box stay or go together."""

    def edited(proposed, text="", origin=None, picture=None, gallery="scenes"):
        field, origin, strip, text, box = page.query.edited(proposed, text, origin, picture, gallery, "bundled")
        stays = origin is not None and origin.kind != WORDS
        refused = "remove that first" in strip
        assert (field, box) == ((gr.skip(), gr.skip()) if stays or refused else (None, ""))
        return origin, strip, text

    return edited


def made(page, origin, text, picture=None, gallery="scenes", box="") -> Query:
    chosen = page.choice(gallery, "bundled", "flat", 5)
    return query_of(origin, picture, text, TEMPLATE, chosen, page.open(page.choice(*HERE, "flat", 5)), box)


@pytest.mark.parametrize(
    ("proposed", "origin", "after", "text"),
    [
        ("dog", None, Origin(WORDS), "dog"),
        ("dog", ROW_12, Origin(WORDS), "dog"),
        (" #picture - 2: dog", ROW_12, ROW_12, "#picture - 2: dog"),
        ("dog + 0.5: #picture", OWN, OWN, "dog + 0.5: #picture"),
        ("#picture", ROW_12, ROW_12, ""),
        ("#picture", Origin(WORDS), Origin(WORDS), "#picture"),
        ("#12 + dog", None, Origin(WORDS, terms_of="scenes"), "#12 + dog"),
        ("#picture + #9", OWN, Origin(PICTURE, terms_of="scenes"), "#picture + #9"),
        ("", ROW_12, None, ""),
        ("  ", Origin(WORDS), None, ""),
        ("#picture +", ROW_12, ROW_12, "#picture +"),
        ("dog +", ROW_12, Origin(WORDS), "dog +"),
    ],
)
def test_the_picture_stays_while_the_text_names_it(edit, proposed, origin, after, text):
    found, _, becomes = edit(proposed, "", origin)
    assert (found, becomes) == (after, text)


def test_numbers_stay_those_of_the_gallery_that_was_chosen_when_they_were_added(edit, page):
    there = Origin(WORDS, terms_of="tiny-imagenet")
    origin, strip, text = edit("dog + #7 + #9", "dog + #7", there)
    assert (origin, text) == (there, "dog + #7")
    assert "The query has #7 of tiny-imagenet: remove that first, or choose tiny-imagenet again." in strip
    assert edit("dog - #7", "dog + #7", there)[0] == there
    assert edit("dog + #9", "dog + #7", there)[0].terms_of == "scenes"
    assert edit("dog", "dog + #7", there)[0].terms_of == ""
    with pytest.raises(BadQuery, match="#7 of the query belongs to tiny-imagenet: choose that gallery again"):
        made(page, there, "dog + #7")
    with pytest.raises(UnknownName):
        edit("dog", gallery="folder:/etc")


def test_chips_say_each_term_its_weight_and_its_picture(edit):
    _, strip, _ = edit("2: dog - #12 + 5: #picture - 0.25: #held-out-3 + #999999", "", ROW_12)
    assert [part.split('"')[0] for part in strip.split('data-weight="')[1:]] == ["2", "-1", "5", "-0.25", "1"]
    assert [part.split('"')[0] for part in strip.split(' max="')[1:]] == ["2", "2", "5", "2", "2"]  # none is cut
    chips = [part.partition("</li>")[0] for part in strip.split("<li ")[1:]]
    assert [chip.count("<img") for chip in chips] == [0, 1, 1, 1, 0]  # there is no row 999,999, as the answer says
    assert [chip.count("aria-label") for chip in chips] == [2] * 5
    assert 'data-text="dog + #1"' in edit("dog + #1")[1]
    assert "term" not in edit("dog +")[1].partition("<ul>")[2].partition("</ul>")[0]  # none of what cannot be read


@pytest.mark.parametrize(
    "words",
    ["black-and-white", "T-shirt", "re: invoice", "3:2 photo", "C++", "don't", '"a + b"', "2001: a space odyssey"],
)
def test_a_plain_text_is_one_term(edit, page, words):
    origin, strip, text = edit(words)
    assert text == words and strip.count("<li ") == 1
    assert made(page, origin, text) == Query(text=words, prompt=TEMPLATE)


def test_a_query_of_a_picture_and_a_text(page):
    picture = Image.new("RGB", (8, 8))
    assert made(page, ROW_12, "#picture - dog") == Query(row=12, text="#picture - dog", prompt=TEMPLATE)
    assert made(page, ROW_12, "0.5: #picture + #3") == Query(row=12, text="0.5: #picture + #3")
    assert made(page, OWN, "#picture + dog", picture).picture is picture
    part = made(page, Origin(HELD_OUT, "scenes", 3), "#picture + #3", box="0,0,0.5,0.5")
    assert part.held_out == 3 and str(part.box) == "0,0,0.5,0.5"
    with pytest.raises(BadQuery, match="does not lie within"):
        made(page, ROW_12, "", box="0,0,2,2")
    with pytest.raises(BadQuery, match="#picture stands for a picture, and none is given"):
        _ = made(page, Origin(WORDS), "#picture + dog").terms


@pytest.fixture
def photograph(tmp_path) -> str:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "own.png")
    return str(tmp_path / "own.png")


@pytest.mark.parametrize(
    ("origin", "text", "box", "becomes"),
    [
        (Origin(WORDS), "dog - cat", "", "dog - cat + #picture"),
        (ROW_12, "", "", "#12 + #picture"),
        (ROW_12, "dog - 2: #picture", "", "dog - 2: #12 + #picture"),
        (Origin(HELD_OUT, "scenes", 3), "", "", "#held-out-3 + #picture"),
        (OWN, "0.5: #picture + dog", "", "0.5: #picture + dog"),
        (ROW_12, "#picture + dog", "0,0,1,0.5", "#picture + dog"),
        (OWN, "", "", ""),
    ],
)
def test_a_picture_of_ones_own_is_added_to_what_is_there(page, photograph, origin, text, box, becomes):
    _, now, strip, after, part = page.query._added(photograph, box, text, origin, None, *HERE)
    assert (now.kind, after, part) == (PICTURE, becomes, "")
    assert ("takes the place of the picture before" in strip) == ("#12" not in after and origin.kind in (PICTURE, ROW))
    assert made(page, now, after, Image.new("RGB", (8, 8))).terms


def test_without_its_picture_the_query_is_its_other_terms(page):
    gone = page.query._brought(None, "#picture + 2: dog", OWN, None, *HERE)
    assert gone[0] is None and gone[1] == Origin(WORDS) and gone[3] == "2: dog"
    assert page.query._brought(None, "", OWN, None, *HERE)[1] is None


def test_a_link_carries_what_whoever_follows_it_has(page):
    text, part = "#picture + dog - #9", "0,0,0.5,1"
    base = Origin(ROW, "scenes", 12, terms_of="scenes")
    pairs = query_in_link(base, text, TEMPLATE, part, "scenes")
    assert pairs == {"row": 12, "box": part, "text": text, "template": TEMPLATE}
    said: list[str] = []
    asked = {name: str(value) for name, value in pairs.items()}
    _, origin, _, *rest = linked_query(page, *HERE, asked, said)
    assert (origin.kind, origin.number, origin.terms_of, *rest, said) == (ROW, 12, "scenes", text, part, [])
    for own in (OWN, Origin(PICTURE, terms_of="scenes"), Origin(ROW, "tiny-imagenet", 12)):
        assert query_in_link(own, text, TEMPLATE, part, "scenes") == {}
    assert query_in_link(Origin(WORDS, terms_of="upload:x"), "#3", TEMPLATE, "", "upload:x") == {}
    assert query_in_link(Origin(WORDS), "dog", TEMPLATE, "", "upload:x")["text"] == "dog"


@pytest.mark.parametrize(
    ("asked", "text", "part", "sentence"),
    [
        ({"row": "12", "text": "- dog"}, "#picture - dog", "", ""),
        ({"row": "12", "text": "dog +"}, "", "", "The picture alone is searched with. The query cannot be read"),
        ({"row": "12", "text": "11: dog"}, "", "", "the weight 11 is out of bounds"),
        ({"row": "12", "box": "0.5,0,nan,1"}, "", "", "All of the picture is searched with. The box"),
        ({"text": "dog", "box": "0,0,1,1"}, "dog", "", "is a part of a picture, and the link has none"),
        ({"text": "nan: dog"}, "nan: dog", "", ""),
        ({"text": "dog +"}, "dog +", "", ""),  # the answer says why it cannot be read
        ({"picture": "3", "box": "0,0,1,1e0"}, "", "0,0,1,1", ""),
    ],
)
def test_what_is_wrong_in_a_link_is_told_and_the_rest_is_taken(page, asked, text, part, sentence):
    said: list[str] = []
    *_, after, box = linked_query(page, *HERE, asked, said)
    assert (after, box) == (text, part)
    assert sentence in " ".join(said) and bool(said) == bool(sentence)


def test_a_row_of_a_link_that_the_gallery_does_not_have_is_refused(page):
    with pytest.raises(ValueError, match="row = '2000' is none of the 2,000 that scenes has"):
        linked_query(page, *HERE, {"row": "2000"}, [])

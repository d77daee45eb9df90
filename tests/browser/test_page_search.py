"""Searching as a visitor does it: one query for the whole page, what the index missed, and what a link brings back."""

from __future__ import annotations

import re
import threading

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from searchdemo.collection.box import box_of
from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.encoders.table import find
from searchdemo.indexes.base import NPROBE
from searchdemo.indexes.table import INDEXES
from searchdemo.pictures import open_picture
from searchdemo.ui import tab_image
from searchdemo.ui.examples import numbers
from searchdemo.ui.page import INDEX
from tests.browser.tools import choose, copied_link, open_tab, results, search_words, set_slider


def found(library, query: Query, **options) -> list[str]:
    """What the engine finds, as the tiles say it."""
    hits = library.open("scenes", "bundled").search(query, **{"index": "ivf", "k": 12} | options).hits
    return [f"{hit.rank}. {hit.class_name} {hit.score:.3f}" for hit in hits]


def upload(page: Page, path) -> None:
    page.locator("#query-picture input[type=file]").set_input_files(path)


def remove_picture(page: Page) -> None:
    page.locator("#query-picture").get_by_label(re.compile("Remove Image|Clear")).first.click()


@pytest.fixture
def as_opened(shared_page, library) -> Page:
    """The first example is searched in all of scenes, with the values that the sidebar starts with."""
    page, first = shared_page, numbers(library.open("scenes", "bundled"))[0]
    open_tab(page, tab_image.TITLE)
    for field, name in (("Gallery", "scenes"), ("Encoder", "bundled"), ("Index", INDEX)):
        if page.get_by_label(field, exact=True).input_value() != name:
            choose(page, field, name)
    for slider, value in (("k", 12), ("nprobe", NPROBE.default)):
        if page.locator(f"#{slider} input[type=range]").input_value() != str(value):
            set_slider(page, slider, value)
    page.locator("#image-examples .tile").first.click()
    expect(page.locator("#query")).to_contain_text(f"held-out picture {first:,} of scenes")
    wanted = found(library, Query(picture=library.gallery("scenes").queries.encoded(first)))
    scores = page.locator("#image-results .tile:not(.missed) .score")
    expect(scores).to_have_text([tile.split()[-1] for tile in wanted])
    return page


def test_it_opens_on_an_example_that_is_searched_already_and_says_what_happened(browser_page, library):
    page, collection = browser_page, library.open("scenes", "bundled")
    first = numbers(collection)[0]
    truth = collection.gallery.class_names[collection.gallery.queries.labels[first]]
    results(page, "image")
    expect(page.locator("#query")).to_contain_text(truth)
    expect(page.locator("#query")).to_contain_text(f"held-out picture {first:,} of scenes")
    answer = page.locator("#image-answer")
    expect(answer).to_contain_text("This picture became 48 numbers")
    expect(answer).to_contain_text("nearest of 2,000 pictures")
    steps = answer.locator(".steps i").evaluate_all("parts => parts.map(part => parseFloat(part.style.width))")
    assert len(steps) == 4 and sum(steps) == pytest.approx(100, abs=0.1)
    tile = page.locator("#image-results .tile").first
    tile.hover()
    expect(tile.locator(".tip")).to_contain_text(re.compile(r"Cosine [\d.]+: .*° apart"))
    page.get_by_role("button", name="Learn").click()
    lesson = page.locator("#lesson details")
    expect(lesson).to_contain_text("The products sum to the cosine")
    assert lesson.locator("svg").count() == 3
    drawn = page.locator("#lesson svg, #image-answer svg").evaluate_all(
        "svgs => svgs.map(svg => svg.innerHTML.split('M').length - 1)"
    )
    assert drawn[0] == drawn[1] and 24 < min(drawn) <= max(drawn) <= 48  # a bar for each number that is not 0


def test_a_slider_that_is_dragged_changes_what_is_marked_as_missed(as_opened, library):
    page, query = as_opened, library.open("scenes", "bundled")
    results(page, "image")
    number = numbers(query)[0]
    picture = library.gallery("scenes").queries.encoded(number)
    for nprobe in (1, 32):
        set_slider(page, "nprobe", nprobe)
        result = query.search(Query(picture=picture), "ivf", 12, compare=True, nprobe=nprobe)
        lost = len(result.comparison.missed.missed)
        expect(page.locator("#image-results .tile.missed")).to_have_count(lost)
        said = f"{lost} of 12 missed" if lost else "Nothing missed"
        expect(page.locator("#image-answer .loss b")).to_have_text(said)
    set_slider(page, "nprobe", 1)
    remedy = page.locator("#image-answer .remedy")
    missed = page.locator("#image-results .tile.missed")
    expect(missed.first).to_have_attribute("aria-label", re.compile("missed$"))
    expect(missed.first.locator(".tip")).to_contain_text("cell visited as number")
    value = re.search(r"nprobe (\d+) finds all", remedy.inner_text())[1]
    remedy.click()
    expect(missed).to_have_count(0)
    expect(page.locator("#nprobe input[type=range]")).to_have_value(value)


def test_one_query_follows_into_every_tab(as_opened, library, tmp_path):
    page, row, gallery = as_opened, 777, library.gallery("scenes")
    (tmp_path / "query.webp").write_bytes(gallery.pictures.encoded(row))
    results(page, "image")
    upload(page, tmp_path / "query.webp")
    expect(page.locator("#query")).to_contain_text("your picture")
    name = gallery.class_name(row)
    voted = library.open("scenes", "bundled").classify(Query(picture=gallery.pictures.encoded(row)), "ivf", 20).guesses
    expect(page.locator("#image-results .tile .score").first).to_have_text("1.000")
    assert results(page, "image")[0] == f"1. {name} 1.000"
    open_tab(page, "Classify")
    expect(page.locator("#classify-verdict b").first).to_have_text(voted[0].class_name)
    search_words(page, "a red boat")  # words are the query now, everywhere
    expect(page.locator("#query")).to_contain_text("“a red boat”")
    expect(page.locator("#text-answer")).to_contain_text("This text became 48 numbers")
    words = Query(text=page.get_by_label("Prompt template").input_value().replace("{}", "a red boat"))
    assert results(page, "text") == found(library, words)
    page.locator("#text-results .tile").nth(3).click()  # results of words can be searched with too
    clicked = library.open("scenes", "bundled").search(words, "ivf", 12).hits[3]
    expect(page.locator("#query")).to_contain_text(f"picture {clicked.row:,} of scenes")
    open_tab(page, "Image search")
    expect(page.locator("#image-answer")).to_contain_text("nothing was encoded")
    assert results(page, "image") == found(library, Query(row=clicked.row))  # without itself
    page.locator("#surprise").click()
    expect(page.locator("#query")).to_contain_text("held-out picture")
    assert len(results(page, "image")) >= 12


TALL = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='40' height='400'/>"


def test_an_enlarged_hit_shows_which_parts_carry_its_score(as_opened):
    page = as_opened
    page.locator("#image-results .enlarge").first.focus()
    page.keyboard.press("Enter")
    dialog, canvas = page.locator("#enlarged dialog"), page.locator("#enlarged canvas")
    picture = dialog.locator("img")
    picture.evaluate("async (img, tall) => { img.src = tall; await img.decode(); }", TALL)
    why = dialog.get_by_role("button", name="Why did this match?")
    why.click()
    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"lowers the score of 0\.\d+ by 0\.\d+|falls nowhere"))
    expect(canvas).to_be_visible()
    expect(why).to_have_attribute("aria-pressed", "true")
    # Of the same size, in the same box and fitted alike, so that each part lies on what it is about.
    assert canvas.evaluate("each => [each.width, each.height]") == [40, 400]
    assert canvas.bounding_box() == picture.bounding_box()
    assert {each.evaluate("each => getComputedStyle(each).objectFit") for each in (canvas, picture)} == {"contain"}
    darkest = canvas.evaluate(
        "each => Math.max(...each.getContext('2d').getImageData(0, 0, 40, 400).data.filter((_, i) => i % 4 === 3))"
    )
    assert 100 < darkest <= 215
    why.click()
    expect(canvas).to_be_hidden()
    why.click()
    expect(canvas).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def chips(page: Page) -> list[str]:
    """ "2 sunset" of each."""
    return page.locator("#query .term").evaluate_all(
        "chips => chips.map(chip => ['output', '.name'].map(part => chip.querySelector(part).textContent).join(' '))"
    )


def expect_tiles(page: Page, tab: str, wanted: list[str]) -> None:
    scores = page.locator(f"#{tab}-results .tile:not(.missed) .score")
    expect(scores).to_have_text([tile.split()[-1] for tile in wanted])
    assert results(page, tab, ":not(.missed)") == wanted


def test_words_tiles_and_weights_make_one_query_whose_chips_and_text_are_one(as_opened, library):
    page, prompt = as_opened, find("bundled").prompt
    first, gallery = numbers(library.open("scenes", "bundled"))[0], library.gallery("scenes")
    picture, name = gallery.queries.encoded(first), gallery.truth(first)
    more = page.get_by_label("Add terms to the query")
    more.fill("- 0.5: blue")
    more.press("Enter")
    expect(page.locator("#query .term")).to_have_count(2)
    assert chips(page) == [f"1 {name}", "-0.5 blue"]
    expect(page.locator("#image-answer")).to_contain_text("This sum of 2 terms became 48 numbers")
    expect(page.locator("#image-answer")).to_contain_text("has no probability")
    query = Query(picture=picture, text="#picture - 0.5: blue", prompt=prompt)
    expect_tiles(page, "image", found(library, query))
    hits = library.open("scenes", "bundled").search(query, "ivf", 12).hits
    shares = page.locator("#image-results .tile:not(.missed) .shares").first.locator("b")
    expect(shares).to_have_text([f"{share:+.3f}" for share in hits[0].shares])

    added = hits[3].row
    tile = page.locator("#image-results .tile:not(.missed)").nth(3).locator("xpath=..")
    tile.hover()
    tile.get_by_role("button", name="Less like").click()
    expect(page.locator("#query .term")).to_have_count(3)
    expect(page.locator("#query .term").nth(2).locator("img")).to_have_count(1)
    weight = page.locator("#query .term").nth(1).get_by_role("slider")
    weight.focus()
    for _ in range(8):
        weight.press("ArrowRight")  # from -0.5 to 0.3
    text = f"#picture + 0.3: blue - #{added}"
    expect_tiles(page, "image", found(library, Query(picture=picture, text=text, prompt=prompt)))
    box = weight.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 5, box["y"] + box["height"] / 2, steps=8)
    text = f"#picture + 2: blue - #{added}"
    expect_tiles(page, "image", found(library, Query(picture=picture, text=text, prompt=prompt)))  # before it ends
    page.mouse.up()

    open_tab(page, "Text search")  # the query follows, and the field has the text of the chips
    expect(page.get_by_label("Words")).to_have_value(text)
    page.get_by_label("Words").fill(f"{text} + green")
    page.get_by_label("Words").press("Enter")
    expect(page.locator("#query .term")).to_have_count(4)
    for _ in range(2):  # the picture, then blue
        page.locator("#query .term button").first.click()
        expect(page.locator("#query .term").first).not_to_contain_text(name if _ == 0 else "blue")
    expect(page.get_by_label("Words")).to_have_value(f"- #{added} + green")
    expect(page.locator("#query")).to_contain_text(f"“- #{added} + green”")
    expect_tiles(page, "text", found(library, Query(text=f"- #{added} + green", prompt=prompt)))
    link = copied_link(page)
    assert f"text=-+%23{added}+%2B+green" in link
    size = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 1200})  # what the terms add does not widen the tiles
    right = "each => each.getBoundingClientRect().right"
    tiles = page.locator("#text-results ul")
    assert tiles.locator("li").nth(2).evaluate(right) == pytest.approx(tiles.evaluate(right), abs=1)
    expect(tiles.locator(".shares").first).to_contain_text("less: #")
    page.set_viewport_size(size)


def finger_draws(page: Page, stage: dict, points: list[tuple[float, float]]) -> list[float] | None:
    """Touches the query picture at these shares of its size, one after the other. The box after it, None without."""
    page.evaluate("scrollTo(0, 0)")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for number, (x, y) in enumerate(points):
        at = [{"x": stage["x"] + x * stage["width"], "y": stage["y"] + y * stage["height"]}]
        kind = "touchMove" if number else "touchStart"
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    devtools.detach()
    box = page.locator(".box")
    if box.is_hidden():
        return None
    return box.evaluate("box => ['left', 'top', 'width', 'height'].map(side => parseFloat(box.style[side]) / 100)")


def test_a_box_is_drawn_by_mouse_keys_and_finger_and_cleared(as_opened, library):
    page, number = as_opened, numbers(library.open("scenes", "bundled"))[2]
    picture = library.gallery("scenes").queries.encoded(number)
    page.locator("#image-examples .tile").nth(2).click()
    expect_tiles(page, "image", found(library, Query(picture=picture)))
    stage = page.locator(".box-stage").bounding_box()
    assert stage["width"] == pytest.approx(stage["height"], abs=1)  # it lies over the picture, which is a square
    at = lambda x, y: (stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])  # noqa: E731
    page.mouse.move(*at(0.5, 0.25))
    page.mouse.down()
    page.mouse.move(*at(1.2, 0.75), steps=6)
    page.mouse.up()
    part = copied_link(page).partition("box=")[2].partition("&")[0].replace("%2C", ",")
    assert [float(number) for number in part.split(",")] == pytest.approx([0.5, 0.25, 0.5, 0.5], abs=0.01)
    expect(page.locator("#image-answer")).to_contain_text("This part of a picture became")
    expect_tiles(page, "image", found(library, Query(picture=picture, box=box_of(part))))
    page.locator(".box").press("Delete")
    expect_tiles(page, "image", found(library, Query(picture=picture)))
    page.keyboard.press("Enter")  # on the button that draws one
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    query = Query(picture=picture, box=box_of("0.23,0.23,0.52,0.5"))
    expect_tiles(page, "image", found(library, query))
    drawn = finger_draws(page, stage, [(0.9, 0.1), (0.6, 0.4), (0.3, 0.6)])  # across the box from outside
    assert drawn == pytest.approx([0.3, 0.1, 0.6, 0.5], abs=0.02)
    assert finger_draws(page, stage, [(0.6, 0.4), (0.55, 0.5)]) == pytest.approx([0.25, 0.2, 0.6, 0.5], abs=0.02)
    page.get_by_role("button", name="Search with all of it").click()
    assert finger_draws(page, stage, [(0.2, 0.2), (0.4, 0.6)]) is None  # it scrolls the page
    page.locator("#image-examples .tile").nth(1).click()  # another picture is searched with as a whole
    expect(page.locator(".box")).to_be_hidden()
    expect(page.locator("#image-answer")).to_contain_text("This picture became")


def test_without_its_picture_the_results_go_quietly(as_opened):
    results(as_opened, "image")
    remove_picture(as_opened)
    expect(as_opened.locator("#image-results .tile")).to_have_count(0)
    expect(as_opened.locator("#image-answer")).to_contain_text("There is no query yet")
    expect(as_opened.locator("#query")).to_contain_text("No query yet")
    expect(as_opened.get_by_test_id("toast-body")).to_have_count(0)


@pytest.fixture
def held_up(monkeypatch):
    """(searching, go_on): while go_on is not set a search waits, and it has set searching before."""
    searching, go_on, search = threading.Event(), threading.Event(), Collection.search
    go_on.set()

    def patient(*given, **options):
        searching.set()
        return go_on.wait(200) and search(*given, **options)

    monkeypatch.setattr(Collection, "search", patient)
    yield searching, go_on
    go_on.set()


def test_what_comes_during_a_search_is_searched_next(as_opened, library, held_up):
    page, (searching, go_on) = as_opened, held_up
    results(page, "image")
    examples = page.locator("#image-examples .tile")
    for event in held_up:
        event.clear()
    examples.nth(1).click()
    assert searching.wait(200)
    examples.nth(2).click()
    page.wait_for_timeout(500)  # for the click to reach the search at work; too short a wait finds less, never too much
    go_on.set()
    name = examples.nth(2).locator(".caption").inner_text()
    expect(page.locator("#image-answer")).to_contain_text(f"class {name}")

    search_words(page, "blue")
    expect(page.locator("#query")).to_contain_text("“blue”")
    results(page, "text")
    for event in held_up:
        event.clear()
    for k in (5, 4):
        set_slider(page, "k", k)
        assert searching.wait(200)
    page.wait_for_timeout(500)
    go_on.set()
    expect(page.locator("#text-results .tile:not(.missed)")).to_have_count(4)


def test_while_an_index_is_built_the_open_tab_says_so_and_it_can_be_cancelled(as_opened, monkeypatch):
    page, built, build = as_opened, threading.Event(), Collection.index
    results(page, "image")
    monkeypatch.setattr(Collection, "has_index", lambda self, name: built.is_set())
    monkeypatch.setattr(Collection, "index", lambda self, name, *told: built.wait(200) and build(self, name))
    choose(page, "Index", "flat")
    line = page.locator("#image-answer")
    expect(line).to_contain_text("Building the index flat once")
    line.get_by_role("button", name="Cancel").click()
    expect(line).to_contain_text("The build of flat was cancelled")
    set_slider(page, "k", 11)
    expect(line).to_contain_text("Building the index flat once")
    built.set()
    expect(line).to_contain_text("Exact: the query was compared with every vector")


def test_a_long_text_leaves_the_button_as_it_is(as_opened):
    search_words(as_opened, "red")
    button = as_opened.locator("#text-run")
    before = button.bounding_box()["height"]
    as_opened.get_by_label("Words").fill("a red boat on the sea " * 40)
    assert button.bounding_box()["height"] == before


HOLD_FRAMES = """() => {
  window.held = [];
  window.frame = requestAnimationFrame;
  window.requestAnimationFrame = (run) => held.push(run);
}"""
LET_GO = """async () => {
  window.requestAnimationFrame = frame;
  held.splice(0).forEach((run) => run(performance.now()));
  await new Promise((done) => frame(() => frame(done)));
}"""


def test_words_that_are_typed_while_their_tab_opens_stay_and_a_link_brings_the_view_back(browser_page, visit, page_url):
    """gradio sets the fields of a tab once more, a frame after they are there."""
    page = browser_page
    results(page, "image")
    set_slider(page, "k", 5)
    page.evaluate(HOLD_FRAMES)  # a slow machine
    open_tab(page, "Text search")
    words = page.get_by_label("Words")
    words.fill("blue & white")
    page.evaluate(LET_GO)
    words.press("Enter")
    expect(page.locator("#text-answer")).to_contain_text("This text became")  # until then it shows the example's
    first = results(page, "text")
    page.locator("#copy-link").click()
    page.wait_for_url("**text=blue**")
    again = visit.open(page.url)
    assert results(again, "text") == first
    assert again.get_by_label("Words").input_value() == "blue & white"
    expect(again.locator("#k input[type=range]")).to_have_value("5")
    expect(again.get_by_role("tab", selected=True)).to_have_text("Text search")

    query = "&".join(("row=12", "tab=Classify", "votes=7", "nprobe=9999", "encoder=nobody", "k=x", "card=nothing"))
    third = visit.open(f"{page_url}/?{query}")
    expect(third.locator("#classify-neighbours .tile")).to_have_count(7)
    expect(third.locator("#query")).to_contain_text("picture 12 of scenes")
    notice = third.locator("#link-notice")
    for wrong in (
        "nprobe = '9999' is out of bounds, 16 is used",
        "encoder = 'nobody' is not offered",
        "k = 'x' is out",
        "card = 'nothing' is not on this machine",
    ):
        expect(notice).to_contain_text(wrong)
    for bad, said in (("row=2000", "row = '2000' is none of the 2,000"), ("tab=Nothing", "There is no tab 'Nothing'")):
        third.goto(f"{page_url}/?{bad}")
        expect(third.locator("#link-notice")).to_contain_text(said)


def test_only_the_search_parameters_of_the_index_are_shown(as_opened):
    expect(as_opened.locator("#nprobe")).to_be_visible()
    choose(as_opened, "Index", "hnsw")
    expect(as_opened.locator("#ef_search")).to_be_visible()
    expect(as_opened.locator("#nprobe")).to_be_hidden()


def test_bad_texts_get_a_sentence_in_place_and_emoji_get_results(browser_page):
    answer = browser_page.locator("#text-answer")
    search_words(browser_page, "   ")
    expect(answer).to_contain_text("There is no query yet")
    search_words(browser_page, "x" * 10_000)
    expect(answer).to_contain_text("characters: shorten it")
    search_words(browser_page, "🚀🌊")
    expect(answer).to_contain_text("This text became")
    assert len(results(browser_page, "text", ":not(.missed)")) == 12
    expect(browser_page.get_by_test_id("toast-body")).to_have_count(0)


def test_bad_pictures_get_a_sentence_and_the_next_works(as_opened, tmp_path):
    results(as_opened, "image")
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    noise.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    (tmp_path / "words.jpg").write_text("not a picture")
    for name, sentence in (("cut.png", "cannot be decoded"), ("words.jpg", "not a picture that can be read")):
        upload(as_opened, tmp_path / name)
        expect(as_opened.locator("#image-answer .refusal")).to_contain_text(sentence)
        expect(as_opened.locator("#query")).to_contain_text("it cannot be read")
        remove_picture(as_opened)
        expect(as_opened.locator("#query")).to_contain_text("No query yet")
    upload(as_opened, tmp_path / "whole.png")
    expect(as_opened.locator("#query")).to_contain_text("it stays on this page")
    assert len(results(as_opened, "image", ":not(.missed)")) == 12


@pytest.mark.parametrize("kind", ["TIFF", "HEIF"])
def test_files_that_browsers_do_not_know_are_searched_and_shown(as_opened, library, tmp_path, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"photograph.{'tif' if kind == 'TIFF' else 'heic'}"
    open_picture(library.gallery("scenes").pictures.encoded(31)).save(path, kind)
    as_opened.get_by_test_id("Your picture-upload-button").set_input_files(path)
    expect(as_opened.locator("#query")).to_contain_text("it stays on this page")
    expect(as_opened.locator("#image-answer")).to_contain_text("This picture became")
    as_opened.wait_for_function("document.querySelector('#query-picture img')?.naturalWidth > 0")


def test_an_example_text_is_what_it_says_also_after_another_gallery_was_chosen(browser_page, library):
    page = browser_page
    open_tab(page, "Text search")
    for gallery in ("scenes", "tiny-imagenet", "scenes"):
        choose(page, "Gallery", gallery)
        for text in library.gallery(gallery).example_texts[:2]:
            page.locator("#text-examples").get_by_text(text, exact=True).click()
            expect(page.get_by_label("Words")).to_have_value(text)


@pytest.mark.parametrize(("index", "parameter"), [("annoy", "search_k"), ("kd-tree", None)])
def test_another_library_searches_with_its_own_parameters(as_opened, library, index, parameter):
    if not INDEXES[index].installed:
        pytest.skip(f"needs {INDEXES[index].package}: requirements-bench.txt")
    page = as_opened
    results(page, "image")
    choose(page, "Index", index)  # the page builds it and searches again
    for field in ("nprobe", "ef_search", "k_factor", "search_k"):
        expect(page.locator(f"#{field}")).to_be_visible(visible=field == parameter)
    expect(page.locator("#image-answer")).to_contain_text(f"{index} found the 12 nearest")
    picture = library.gallery("scenes").queries.encoded(numbers(library.open("scenes", "bundled"))[0])
    assert results(page, "image") == found(library, Query(picture=picture), index="flat")  # of 2,000 they find all


def test_an_index_without_its_library_says_how_to_install_it(as_opened, without_usearch):
    page = as_opened
    results(page, "image")
    choose(page, "Index", "usearch")
    expect(page.locator("#image-answer")).to_contain_text("needs the Python package 'usearch")
    expect(page.locator("#image-answer")).to_contain_text("pip install usearch")
    expect(page.locator("#index")).to_contain_text("It is not installed: run pip install usearch.")
    expect(page.locator("#image-results .tile")).to_have_count(0)
    choose(page, "Index", "flat")
    assert len(results(page, "image")) == 12

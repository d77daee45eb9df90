"""What a query is made of: words, tiles and weights, a part of a picture, files; and why a hit matched."""

from __future__ import annotations

import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from searchdemo.collection.box import box_of
from searchdemo.collection.query import Query
from searchdemo.encoders.table import find
from searchdemo.pictures import open_picture
from searchdemo.ui.examples import numbers
from tests.browser.tools import copied_link, expect_tiles, found, open_tab, remove_picture, results, upload

IN_ITS_LIST = """list => {
  const right = each => each.getBoundingClientRect().right;
  const all = document.querySelector(list);
  return all && Math.abs(right(all.querySelectorAll("li")[2]) - right(all)) <= 1;
}"""
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
    page.set_viewport_size({"width": 390, "height": 1200})  # what the terms add does not widen the tiles
    page.wait_for_function(IN_ITS_LIST, arg="#text-results ul")
    expect(page.locator("#text-results .shares").first).to_contain_text("less: #")


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

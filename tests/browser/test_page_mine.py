"""The three ways to one's own pictures: a folder typed, files dropped, a zip; and one picture enlarged."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.tools import open_tab, results
from tests.conftest import png
from tests.test_mine import COLOURS
from tests.test_uploaded import zipped
from tests.test_video import made


def draw_map(page: Page, said: str, count: int) -> None:
    open_tab(page, "Map")
    line = page.locator("#map-line")
    expect(line).to_contain_text(said)
    line.get_by_role("button", name=f"Draw the map of {count} pictures").click()
    expect(line).to_contain_text("nearest were found")
    expect(page.locator("#map")).to_contain_text(f"{count} pictures, laid out by PCA")


def test_pictures_that_are_dropped_are_searched_and_enlarged(browser_page, library, tmp_path):
    page = browser_page
    expect(page.locator("#mine")).to_be_hidden()
    page.get_by_role("button", name="My pictures").click()
    path = zipped(tmp_path, {f"trip/{name}": data for name, data in COLOURS.items()} | {"notes.txt": b"n"})
    page.locator("#mine-files input[type=file]").set_input_files(path)
    expect(page.locator("#mine-line")).to_contain_text("3 pictures are in memory")
    expect(page.locator("#mine-line")).to_contain_text("Skipped, no pictures: 1 .txt (notes.txt)")
    expect(page.get_by_label("Gallery", exact=True)).to_have_value("your 3 pictures")
    first = page.locator("#image-results .tile").first
    expect(first).to_contain_text(".png")
    assert len(results(page, "image")) == 2  # the query is the third
    expect(first.locator(".folder")).to_have_text("trip")
    first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.locator("#enlarged dialog")
    expect(dialog).to_contain_text(re.compile(r"path\s*trip/\w+\.png"))
    expect(dialog).to_contain_text("4 × 4 pixels")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    draw_map(page, "The map of your pictures is not drawn yet.", 3)


def test_a_folder_of_this_machine_is_opened_built_and_searched(browser_page, tmp_path):
    for name, data in COLOURS.items():
        (tmp_path / name).write_bytes(data)
    made(tmp_path / "film", {"red": 4, "lime": 4}, codec="libvpx", format="webm")
    (tmp_path / ("x" * 200 + ".png")).symlink_to("nowhere.png")
    page = browser_page
    page.get_by_role("button", name="My pictures").click()
    expect(page.get_by_label("Class of a picture")).to_have_value("as before")
    page.get_by_label("Folder on this machine").fill(str(tmp_path / "nowhere"))
    page.locator("#mine-open").click()
    expect(page.locator("#mine-line .refusal")).to_contain_text("There is no folder")
    page.get_by_label("Folder on this machine").fill(str(tmp_path))
    page.get_by_label("Folder on this machine").press("Enter")
    expect(page.locator("#mine-line")).to_contain_text("5 pictures found")
    expect(page.locator("#build-whole")).to_contain_text("Build all 5 pictures")
    page.locator("#build-whole").click()
    expect(page.locator("#not-built")).to_be_hidden()
    expect(page.locator("#image-results .tile")).to_have_count(4)
    said = page.locator("#missing")
    expect(said).to_contain_text("was not entered: a link to nothing")
    assert said.evaluate("line => line.scrollWidth <= line.clientWidth")
    expect(page.locator("#get-pictures")).to_be_hidden()  # there is nowhere to get a person's own from
    expect(page.locator("#mine-line")).not_to_contain_text("the next build reads")
    (tmp_path / "gray.png").write_bytes(png((99, 99, 99)))
    page.locator("#mine-open").click()
    expect(page.locator("#mine-line")).to_contain_text("1 file is new or was changed; the next build reads it")
    page.get_by_role("button", name="Catch up with the folder").click()
    expect(page.locator("#mine-line")).not_to_contain_text("the next build reads")
    expect(page.locator("#mine-line")).to_contain_text("6 pictures found")
    frame = page.locator("#image-results li", has_text="film#t=4.000")
    frame.hover()
    frame.locator(".enlarge").click()
    dialog = page.locator("#enlarged dialog")
    expect(dialog).to_contain_text(re.compile(r"film.*at\s*0:04", re.S))
    expect(dialog.locator("video")).to_have_js_property("currentTime", 4)
    expect(dialog.locator("video")).to_have_js_property("videoWidth", 64)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("Escape")
    draw_map(page, "is not made yet: run `", 6)
    page.locator("#copy-link").click()
    expect(page.locator("#link textarea, #link input")).to_have_value(re.compile("^http.*gallery=folder"))
    page.goto(page.locator("#link textarea, #link input").input_value())  # as whoever follows it here
    expect(page.get_by_label("Gallery", exact=True)).to_have_value(f"folder:{tmp_path}")
    open_tab(page, "Image search")
    expect(page.locator("#image-results .tile")).to_have_count(5)
    expect(page.get_by_text("From the link:")).to_be_hidden()

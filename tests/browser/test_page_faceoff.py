"""The Face-off tab: columns of two encoders, marks by clicks that add up, and a link that opens the same."""

from __future__ import annotations

import importlib.util

import page_server
import pytest
from playwright.sync_api import Page, expect

from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.encoders.table import is_here
from searchdemo.measure.faceoff import kept
from tests.browser.tools import LateAnswers, copied_link, open_tab, search_words, set_slider

TWO = ("bundled", "clip-rn50")


class TwoColours(page_server.ColoursLibrary):
    """Both encoders are here."""

    def has_weights(self, encoder: str) -> bool:
        return encoder in TWO


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[str, Library]:
    """A page over a part of `scenes`, which both encoders see alike."""
    home = tmp_path_factory.mktemp("faceoff")
    library = TwoColours(Store(own=home, shipped=home / "nothing-ships"), limit=40)
    for name in TWO:
        library.build(Key("scenes", name, limit=40))
    return page_server.serve(library), library


def titles(page: Page) -> list[str]:
    page.locator("#faceoff-columns section").first.wait_for()
    return page.locator("#faceoff-columns h2").all_inner_texts()


def test_columns_marks_and_a_link(visit, served):
    url, library = served
    page = visit.open(url)
    open_tab(page, "Face-off")
    assert titles(page) == [*TWO, "All together"]
    tiles = page.locator("#faceoff-columns section").nth(0).locator(".tile")
    expect(tiles).to_have_count(12)
    expect(tiles.first).to_contain_text("2 of 2")
    expect(page.locator("#faceoff-line")).to_contain_text("12 of the first 12 stand in all 2 columns")
    expect(page.locator("#faceoff-classes")).to_contain_text("By its 12 neighbours")
    for number in (0, 2, 1, 2):  # one after the other, and the last takes a mark away
        tiles.nth(number).click()
    figures = page.locator("#faceoff-figures tbody tr")
    expect(figures).to_have_count(3)
    expect(figures.first).to_contain_text("100 % (34 to 100) 2/2")
    expect(figures.first).to_contain_text("17 % (5 to 45) 2/12")
    expect(page.locator("#faceoff-columns [aria-pressed=true]")).to_have_count(6)  # two pictures in three columns
    accuracy = page.locator("#faceoff-accuracy table")
    with LateAnswers(page, '"data":["scenes",[],12]') as late:
        page.locator("#faceoff-all").click()
        late.wait()
        set_slider(page, "k", 9)
    set_slider(page, "k", 12)
    expect(accuracy).to_be_visible()
    set_slider(page, "k", 9)
    expect(accuracy).to_have_count(0)  # it is of another k
    set_slider(page, "k", 12)
    search_words(page, "red")
    open_tab(page, "Face-off")
    expect(page.locator("#faceoff-columns [aria-pressed=true]")).to_have_count(0)
    page.locator("#faceoff-none").click()
    expect(figures.first).to_contain_text("2/24")
    expect(figures.first.locator("td").last).to_have_text("2")
    assert [len(one.right) for one in kept.load(Key("scenes", "bundled", limit=40), library.store.own / "cards")] == [
        2,
        0,
    ]
    rows = [tile.get_attribute("data-row") for tile in tiles.all()]
    link = copied_link(page)
    assert "tab=Face-off" in link
    other = visit.open(f"{link}&encoders=clip-rn50&encoders=bundled")
    assert titles(other) == ["clip-rn50", "bundled", "All together"]
    again = other.locator("#faceoff-columns section").nth(1).locator(".tile")
    assert [tile.get_attribute("data-row") for tile in again.all()] == rows
    other.locator("#faceoff-forget").click()
    expect(other.locator("#faceoff-figures")).to_contain_text("Click the pictures that are right")


def test_on_scenes_with_two_real_encoders(visit, tmp_path):
    if not is_here("efficientnet-lite0") or importlib.util.find_spec("torch") is None:
        pytest.skip("needs the weights of efficientnet-lite0: requirements-dev.txt")
    library = Library(Store(own=tmp_path), limit=60)
    for name in ("bundled", "efficientnet-lite0"):
        library.build(Key("scenes", name, limit=60))
    page = visit.open(page_server.serve(library))
    open_tab(page, "Face-off")
    assert titles(page) == ["bundled", "efficientnet-lite0", "All together"]
    expect(page.locator("#faceoff-columns .tile")).to_have_count(36)
    page.locator("#faceoff-columns .tile").first.click()
    expect(page.locator("#faceoff-figures tbody tr")).to_have_count(3)
    search_words(page, "a red boat on the sea")
    open_tab(page, "Face-off")
    expect(page.locator("#faceoff-columns section").nth(1)).to_contain_text("efficientnet-lite0 reads no words")

"""The Latency tab in a browser: a race from one click, and what was lost."""

from __future__ import annotations

import re

import page_server
import pytest
from playwright.sync_api import Page, expect

from searchdemo.collection.store import Key
from searchdemo.indexes.table import INDEXES
from searchdemo.ui.latency.tab import STARTERS, TITLE
from tests.browser.tools import choose, open_tab, search_words, set_slider


@pytest.fixture
def tab(as_opened) -> Page:
    """With the settings that it starts with, and whatever the last race left."""
    page = as_opened
    open_tab(page, TITLE)
    for index in INDEXES:
        page.locator("#latency-indexes").get_by_label(index, exact=True).set_checked(index in STARTERS)
    page.locator("#latency-batch input").fill("1")
    size = page.locator("#latency-size input")
    if size.input_value() != "all":
        size.click()
        page.get_by_role("option", name="all", exact=True).click()
    return page


def race(page: Page) -> None:
    page.locator("#latency-run").click()


def first_cells(page: Page) -> list[str]:
    """The names of the indexes in the table."""
    return [text.split()[0] for text in page.locator("#latency-table tbody td:first-child").all_inner_texts()]


def test_one_click_races_the_three_shows_what_was_lost_and_compares_with_brute(tab):
    set_slider(tab, "nprobe", 1)
    set_slider(tab, "k", 10)
    race(tab)
    expect(tab.locator("#latency-missed h2")).to_contain_text(re.compile(r"ivf: (all 10 found|\d+ of 10 missed)"))
    assert first_cells(tab) == ["brute", "flat", "ivf"]
    plot = tab.locator("#latency-plot")
    expect(plot.locator(".name").filter(has_text=re.compile("^(brute|flat|ivf)$"))).to_have_count(3)
    expect(plot).to_contain_text("Encoding includes preprocessing")
    expect(plot).to_contain_text("1 thread")
    expect(tab.locator("#latency-missed figure")).to_have_count(20)
    loaded = "() => [...document.querySelectorAll('#latency-missed img')].every(i => i.complete && i.naturalWidth > 0)"
    tab.wait_for_function(loaded)

    # Bars compare with brute, and change their scale without the server.
    flat = plot.locator(".entry", has=tab.get_by_text("flat", exact=True))
    expect(flat.locator(".value")).to_contain_text(re.compile("(times (faster|slower) than|as fast as) brute"))
    expect(flat.locator(".track.linear")).to_be_visible()
    expect(flat.locator(".track.log")).to_be_hidden()
    asked = []

    def note(request) -> None:
        asked.append(request.url)

    tab.on("request", note)
    plot.get_by_role("button", name="Show on a log scale").focus()
    tab.keyboard.press("Enter")
    expect(flat.locator(".track.log")).to_be_visible()
    expect(flat.locator(".track.linear")).to_be_hidden()
    expect(plot.get_by_role("button", name="Show on a linear scale")).to_be_focused()
    tab.remove_listener("request", note)
    assert [url for url in asked if "/queue/join" in url] == []
    set_slider(tab, "k", 9)
    race(tab)
    expect(tab.locator("#latency-missed figure")).to_have_count(18)
    expect(flat.locator(".track.log")).to_be_visible()  # the next race keeps the scale
    plot.get_by_role("button", name="Show on a linear scale").click()
    expect(flat.locator(".track.linear")).to_be_visible()


def test_the_vectors_are_those_of_the_sidebar(visit, tmp_path):
    library = page_server.colours_library(tmp_path)
    library.build(Key("scenes", "clip-rn50", limit=60))
    page = visit.open(page_server.serve(library))
    open_tab(page, TITLE)
    subject = page.locator("#latency-subject")
    expect(subject).to_contain_text("2,000 vectors of scenes by bundled")
    choose(page, "Encoder", "clip-rn50")
    expect(subject).to_contain_text("60 vectors of scenes by clip-rn50")
    choose(page, "Encoder", "resnet18")
    expect(subject).to_contain_text("not built")
    race(page)
    expect(page.locator("#latency-status")).to_contain_text("not built")
    expect(page.locator("#latency-table table")).to_have_count(0)


def test_a_smaller_gallery_and_another_index_whose_parameters_stand_in_the_sidebar(tab):
    expect(tab.locator("#nprobe")).to_be_visible()
    expect(tab.locator("#ef_search")).to_be_hidden()
    tab.get_by_label("hnsw", exact=True).check()
    expect(tab.locator("#ef_search")).to_be_visible()
    tab.get_by_label("hnsw", exact=True).uncheck()
    tab.locator("#latency-size input").click()
    tab.get_by_role("option", name="1,000").click()
    tab.get_by_label("flat", exact=True).uncheck()
    tab.get_by_label("lsh", exact=True).check()
    race(tab)
    expect(tab.locator("#latency-table tbody td:first-child")).to_contain_text(["brute", "ivf", "lsh"])
    assert first_cells(tab) == ["brute", "ivf", "lsh"]
    tab.locator("#latency-missed-index input").click()
    tab.get_by_role("option", name="lsh").click()
    expect(tab.locator("#latency-missed h2")).to_contain_text("lsh:")


def test_numbers_out_of_bounds_give_one_sentence_in_place_and_the_next_race_encodes_words(tab):
    search_words(tab, "red")
    expect(tab.locator("#query")).to_contain_text("“red”")
    open_tab(tab, TITLE)
    batch = tab.locator("#latency-batch input")
    batch.fill("0")
    race(tab)
    expect(tab.locator("#latency-status")).to_contain_text("batch = 0 is out of bounds")
    batch.fill("2")
    set_slider(tab, "k", 5)
    race(tab)
    expect(tab.locator("#latency-missed figure")).to_have_count(10)
    expect(tab.locator("#latency-plot .name").first).to_have_text("encode (bundled)")
    expect(tab.locator("#latency-table tbody tr")).to_have_count(3)
    expect(tab.get_by_test_id("toast-body")).to_have_count(0)


def test_an_index_without_its_library_is_left_out_with_a_sentence(tab, without_usearch):
    tab.get_by_label("usearch", exact=True).check()
    race(tab)
    expect(tab.locator("#latency-status")).to_contain_text("run pip install usearch")
    expect(tab.locator("#latency-missed h2")).to_be_visible()
    assert first_cells(tab) == ["brute", "flat", "ivf"]

"""Searching as a visitor does it: one query for the whole page, what the index missed, texts, and index libraries."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from searchdemo.collection.query import Query
from searchdemo.indexes.table import INDEXES
from searchdemo.ui.examples import numbers
from tests.browser.tools import choose, found, open_tab, remove_picture, results, search_words, set_slider, upload


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


def test_a_page_that_is_not_touched_draws_nothing(as_opened):
    """Each request of a frame has the next number."""
    waited = "() => new Promise((done) => { const first = requestAnimationFrame(() => {}); setTimeout(() =>"
    asked = f"{waited} done(requestAnimationFrame(() => {{}}) - first - 1), 500); }})"
    assert any(as_opened.evaluate(asked) == 0 for _ in range(20))  # an answer may be on its way


def test_without_its_picture_the_results_go_quietly(as_opened):
    results(as_opened, "image")
    remove_picture(as_opened)
    expect(as_opened.locator("#image-results .tile")).to_have_count(0)
    expect(as_opened.locator("#image-answer")).to_contain_text("There is no query yet")
    expect(as_opened.locator("#query")).to_contain_text("No query yet")
    expect(as_opened.get_by_test_id("toast-body")).to_have_count(0)


def test_a_long_text_leaves_the_button_as_it_is(as_opened):
    search_words(as_opened, "red")
    button = as_opened.locator("#text-run")
    before = button.bounding_box()["height"]
    as_opened.get_by_label("Words").fill("a red boat on the sea " * 40)
    assert button.bounding_box()["height"] == before


def test_only_the_search_parameters_of_the_index_are_shown(as_opened):
    expect(as_opened.locator("#nprobe")).to_be_visible()
    choose(as_opened, "Index", "hnsw")
    expect(as_opened.locator("#ef_search")).to_be_visible()
    expect(as_opened.locator("#nprobe")).to_be_hidden()


def test_bad_texts_get_a_sentence_in_place_and_emoji_get_results(as_opened):
    answer = as_opened.locator("#text-answer")
    search_words(as_opened, "   ")
    expect(answer).to_contain_text("There is no query yet")
    search_words(as_opened, "x" * 10_000)
    expect(answer).to_contain_text("characters: shorten it")
    search_words(as_opened, "🚀🌊")
    expect(answer).to_contain_text("This text became")
    assert len(results(as_opened, "text", ":not(.missed)")) == 12
    expect(as_opened.get_by_test_id("toast-body")).to_have_count(0)


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

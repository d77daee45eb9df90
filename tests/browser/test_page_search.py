"""Searching as a visitor does it, by picture and by words, and what a link brings back."""

from __future__ import annotations

import threading

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.indexes.table import INDEXES


def results(page: Page, tab: str) -> list[str]:
    """Captions of the results, all of whose pictures are there."""
    tiles = page.locator(f"#{tab}-results .thumbnail-item")
    tiles.first.wait_for()
    page.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} img`)].every(img => img.complete && img.naturalWidth > 0)",
        arg=f"{tab}-results",
    )
    return [caption.strip() for caption in tiles.locator(".caption-label").all_inner_texts()]


def found(library, words: str) -> list[str]:
    """Captions of what the engine finds."""
    hits = library.open("scenes", "bundled").search(Query(text=words), "ivf", k=12).hits
    return [f"{hit.rank}. {hit.class_name} {hit.score:.3f}" for hit in hits]


def upload(page: Page, path) -> None:
    page.locator("#image-picture input[type=file]").set_input_files(path)


def remove_picture(page: Page) -> None:
    page.locator("#image-picture").get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()


def search_words(page: Page, words: str) -> None:
    page.get_by_role("tab", name="Text search").click()
    box = page.get_by_label("Words")
    box.fill(words)
    box.press("Enter")


def choose_index(page: Page, name: str) -> None:
    page.get_by_label("Index", exact=True).click()
    page.get_by_role("option", name=name, exact=True).click()


def says(page: Page, sentence: str) -> None:
    """A message with this sentence appears, and is closed again."""
    toast = page.get_by_test_id("toast-body").filter(has_text=sentence)
    toast.first.wait_for()
    assert "Traceback" not in toast.first.inner_text()
    for button in page.get_by_test_id("toast-close").all():
        button.click()


def test_an_uploaded_picture_of_the_gallery_finds_itself_first(browser_page, library, tmp_path):
    row = 777
    gallery = library.gallery("scenes")
    (tmp_path / "query.webp").write_bytes(gallery.pictures.encoded(row))
    upload(browser_page, tmp_path / "query.webp")
    captions = results(browser_page, "image")
    assert len(captions) == 12
    assert captions[0] == f"1. {gallery.class_name(row)} 1.000"
    expect(browser_page.locator("#image-timing")).to_contain_text("search")


def test_a_click_on_a_result_searches_with_it_and_leaves_it_out(browser_page):
    browser_page.locator("#image-examples .thumbnail-item").first.click()
    before = results(browser_page, "image")
    browser_page.locator("#image-results .thumbnail-item").nth(3).click()
    clicked = before[3].split(". ")[1].rsplit(" ", 1)[0]
    expect(browser_page.locator("#image-timing")).to_contain_text(f"query: {clicked}")
    expect(browser_page.locator("#image-timing")).to_contain_text("encode 0.0 ms")  # its stored vector is there
    assert len(results(browser_page, "image")) == 12


def test_surprise_me_brings_a_query_whose_class_is_known(browser_page, library):
    browser_page.locator("#image-surprise").click()
    assert len(results(browser_page, "image")) == 12
    truth = browser_page.locator("#image-timing").inner_text().rsplit("query: ")[-1].strip()
    assert truth in library.gallery("scenes").class_names


def test_without_its_picture_the_results_go_quietly(browser_page):
    browser_page.locator("#image-surprise").click()
    results(browser_page, "image")
    remove_picture(browser_page)
    expect(browser_page.locator("#image-results .thumbnail-item")).to_have_count(0)
    expect(browser_page.locator("#image-timing")).to_be_empty()
    expect(browser_page.get_by_test_id("toast-body")).to_have_count(0)


@pytest.fixture
def held_up(monkeypatch):
    """(searching, go_on): while go_on is not set a search waits, and it has set searching before."""
    searching, go_on, search = threading.Event(), threading.Event(), Collection.search

    def patient(*given, **options):
        searching.set()
        return go_on.wait(200) and search(*given, **options)

    monkeypatch.setattr(Collection, "search", patient)
    yield searching, go_on
    go_on.set()


def test_a_picture_that_comes_during_a_search_is_searched_next(browser_page, held_up):
    page, (searching, go_on) = browser_page, held_up
    examples = page.locator("#image-examples .thumbnail-item")
    examples.first.click()
    assert searching.wait(200)
    examples.nth(1).click()
    page.wait_for_timeout(500)  # for the click to reach the search at work; too short a wait finds less, never too much
    go_on.set()
    name = examples.nth(1).locator("img").get_attribute("alt")
    expect(page.locator("#image-timing")).to_contain_text(f"query: {name}")


def test_words_and_choices_that_come_during_a_search_are_searched_next(browser_page, library, held_up):
    page, (searching, go_on) = browser_page, held_up
    search_words(page, "red")
    assert searching.wait(200)
    search_words(page, "blue")
    page.wait_for_timeout(500)
    go_on.set()
    captions = page.locator("#text-results .caption-label")
    blue = found(library, "blue")
    expect(captions).to_have_text(blue)
    for event in held_up:
        event.clear()
    for k in ("5", "4"):
        page.get_by_label("k: how many results").fill(k)
        page.get_by_label("k: how many results").press("Enter")
        assert searching.wait(200)
    page.wait_for_timeout(500)
    go_on.set()
    expect(captions).to_have_text(blue[:4])


def test_while_an_index_is_built_every_tab_with_a_query_says_so(browser_page, monkeypatch):
    page, built, build = browser_page, threading.Event(), Collection.index
    page.locator("#image-surprise").click()
    results(page, "image")
    search_words(page, "a red boat")
    results(page, "text")
    monkeypatch.setattr(Collection, "has_index", lambda self, name: built.is_set())
    monkeypatch.setattr(Collection, "index", lambda self, name: built.wait(200) and build(self, name))
    choose_index(page, "flat")
    for tab in ("Image search", "Text search"):
        page.get_by_role("tab", name=tab).click()
        line = page.locator(f"#{tab.split()[0].lower()}-timing")
        expect(line).to_contain_text("Building the index flat once")
    built.set()
    expect(line).to_contain_text("search")


def test_a_long_text_leaves_the_button_as_it_is(browser_page):
    search_words(browser_page, "red")
    button = browser_page.locator("#text-run")
    before = button.bounding_box()["height"]
    browser_page.get_by_label("Words").fill("a red boat on the sea " * 40)
    assert button.bounding_box()["height"] == before


def test_words_find_what_the_engine_finds(browser_page, library):
    search_words(browser_page, "a red boat")
    assert results(browser_page, "text") == found(library, "a red boat")


def test_a_link_brings_the_view_back(browser_page, visit, page_url):
    browser_page.get_by_label("k: how many results").fill("5")
    browser_page.get_by_label("k: how many results").press("Tab")
    search_words(browser_page, "blue & white")
    first = results(browser_page, "text")
    assert len(first) == 5
    browser_page.locator("#copy-link").click()
    browser_page.wait_for_url("**text=blue**")
    link = browser_page.url
    again = visit.open(link)
    assert again.get_by_label("Words").input_value() == "blue & white"
    assert again.get_by_label("k: how many results").input_value() == "5"
    assert results(again, "text") == first


def test_only_the_search_parameters_of_the_index_are_shown(browser_page):
    expect(browser_page.locator("#nprobe")).to_be_visible()
    browser_page.get_by_label("Index", exact=True).click()
    browser_page.get_by_role("option", name="hnsw", exact=True).click()
    expect(browser_page.locator("#ef_search")).to_be_visible()
    expect(browser_page.locator("#nprobe")).to_be_hidden()


@pytest.mark.parametrize("k", ["0", "-1", "1000000000"])
def test_a_k_out_of_bounds_is_refused_and_the_next_query_works(browser_page, k):
    field = browser_page.get_by_label("k: how many results")
    field.fill(k)
    field.press("Tab")
    browser_page.locator("#image-surprise").click()
    says(browser_page, "out of bounds")
    field.fill("3")
    field.press("Tab")
    browser_page.locator("#image-run").click()
    assert len(results(browser_page, "image")) == 3


def test_bad_texts_get_a_sentence_and_emoji_get_results(browser_page):
    search_words(browser_page, "   ")
    says(browser_page, "The text is empty")
    search_words(browser_page, "x" * 10_000)
    says(browser_page, "10,000 characters")
    search_words(browser_page, "🚀🌊")
    assert len(results(browser_page, "text")) == 12


def test_bad_pictures_get_a_sentence_and_the_next_works(browser_page, tmp_path):
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    noise.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    (tmp_path / "words.jpg").write_text("not a picture")
    for name, sentence in (("cut.png", "cannot be decoded"), ("words.jpg", "not a picture that can be read")):
        upload(browser_page, tmp_path / name)
        says(browser_page, sentence)
        remove_picture(browser_page)
    upload(browser_page, tmp_path / "whole.png")
    assert len(results(browser_page, "image")) == 12


def test_an_example_text_is_what_it_says_also_after_another_gallery_was_chosen(browser_page, library):
    page = browser_page
    page.get_by_role("tab", name="Text search").click()
    for gallery in ("scenes", "tiny-imagenet", "scenes"):
        page.locator("#gallery input").click()
        page.get_by_role("option", name=gallery, exact=True).click()
        for text in library.gallery(gallery).example_texts[:2]:
            page.locator("#text-examples").get_by_text(text, exact=True).click()
            expect(page.get_by_label("Words")).to_have_value(text)


@pytest.mark.parametrize(("index", "parameter"), [("annoy", "search_k"), ("kd-tree", None)])
def test_another_library_searches_with_its_own_parameters(browser_page, library, index, parameter):
    if not INDEXES[index].installed:
        pytest.skip(f"needs {INDEXES[index].package}: requirements-bench.txt")
    page = browser_page
    page.locator("#image-examples .thumbnail-item").first.click()
    exact, line = results(page, "image"), page.locator("#image-timing")
    took = line.inner_text()
    choose_index(page, index)  # the page builds it and searches again
    for field in ("nprobe", "ef_search", "k_factor", "search_k"):
        expect(page.locator(f"#{field}")).to_be_visible(visible=field == parameter)
    expect(line).not_to_have_text(took)
    expect(line).to_contain_text("search")
    assert results(page, "image") == exact  # of 2,000 vectors they find all, as the inverted file does
    assert library.open("scenes", "bundled").has_index(index)


def test_an_index_without_its_library_says_how_to_install_it(browser_page, without_usearch):
    page = browser_page
    page.locator("#image-examples .thumbnail-item").first.click()
    results(page, "image")
    choose_index(page, "usearch")
    says(page, "run `pip install usearch`")
    expect(page.locator("#index")).to_contain_text("It is not installed: run pip install usearch.")
    expect(page.locator("#image-results .thumbnail-item")).to_have_count(0)
    page.locator("#image-run").click()
    says(page, "needs the Python package 'usearch")
    expect(page.locator("#image-timing")).to_be_empty()
    choose_index(page, "flat")
    assert len(results(page, "image")) == 12

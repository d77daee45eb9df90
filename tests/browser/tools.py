"""What a visitor does on the page, and what the tests read from it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from searchdemo.collection.library import Library
from searchdemo.collection.query import Query


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def choose(page: Page, field: str, name: str) -> None:
    """An entry of a drop-down field of the sidebar: "Gallery", "Encoder", "Index"."""
    page.get_by_label(field, exact=True).click()
    page.get_by_role("option", name=name, exact=True).click()


def set_slider(page: Page, name: str, value: int) -> None:
    """Moves it at once, as a drag of one step does."""
    page.locator(f"#{name} input[type=range]").fill(str(value))


def search_words(page: Page, words: str) -> None:
    open_tab(page, "Text search")
    box = page.get_by_label("Words")
    box.fill(words)
    box.press("Enter")


def upload(page: Page, path: Path) -> None:
    page.locator("#query-picture input[type=file]").set_input_files(path)


def remove_picture(page: Page) -> None:
    page.locator("#query-picture").get_by_label(re.compile("Remove Image|Clear")).first.click()


def found(library: Library, query: Query, **options) -> list[str]:
    """What the engine finds, as the tiles say it."""
    hits = library.open("scenes", "bundled").search(query, **{"index": "ivf", "k": 12} | options).hits
    return [f"{hit.rank}. {hit.class_name} {hit.score:.3f}" for hit in hits]


def expect_tiles(page: Page, tab: str, wanted: list[str]) -> None:
    """wanted: as `found` says them; tiles that the index missed do not count."""
    scores = page.locator(f"#{tab}-results .tile:not(.missed) .score")
    expect(scores).to_have_text([tile.split()[-1] for tile in wanted])
    assert results(page, tab, ":not(.missed)") == wanted


def results(page: Page, tab: str, mark: str = "") -> list[str]:
    """ "1. boat 0.912" of each tile, all of whose pictures are there. mark: only those that bear it."""
    tiles = page.locator(f"#{tab}-results .tile{mark}")
    tiles.first.wait_for()
    page.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} img`)].every(img => img.complete && img.naturalWidth > 0)",
        arg=f"{tab}-results",
    )
    said = tiles.evaluate_all(
        "tiles => tiles.map(tile => ['.caption', '.score'].map(part => tile.querySelector(part).textContent).join(' '))"
    )
    return [" ".join(one.split()) for one in said]


class LateAnswers:
    """Within it, answers to requests that contain a text stay on their way; all arrive at its end, in their order."""

    def __init__(self, page: Page, text: str):
        self._page, self._text, self._held, self._over = page, text, [], False

    def __enter__(self) -> LateAnswers:
        self._page.route("**/gradio_api/**", self._take)
        return self

    def _take(self, route: Route) -> None:
        if not self._over and self._text in (route.request.post_data or ""):
            self._held.append((route, route.fetch()))
        else:
            route.fallback()

    def wait(self, count: int = 1) -> None:
        """Until so many are on their way."""
        for _ in range(2_000):
            if len(self._held) >= count:
                return
            self._page.wait_for_timeout(10)
        raise AssertionError(f"No request has {self._text!r}.")

    def __exit__(self, *_: object) -> None:
        self._over = True
        for route, answer in self._held:
            route.fulfill(response=answer)
        self._page.unroute("**/gradio_api/**", self._take)


def copied_link(page: Page) -> str:
    """The address of the page after "Copy link" was pressed."""
    page.evaluate("history.replaceState(null, '', '?')")
    page.locator("#copy-link").click()
    page.wait_for_url("**gallery=**")
    return page.url

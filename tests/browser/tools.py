"""What a visitor does on the page, and what the tests read from it."""

from __future__ import annotations

from playwright.sync_api import Page


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


def copied_link(page: Page) -> str:
    """The address of the page after "Copy link" was pressed."""
    page.evaluate("history.replaceState(null, '', '?')")
    page.locator("#copy-link").click()
    page.wait_for_url("**gallery=**")
    return page.url

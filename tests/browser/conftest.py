"""A real Chromium on the page that page_server serves; no test passes that left an error on it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import page_server
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET = "no Chromium: apt-get install chromium (or set SEARCHDEMO_CHROMIUM to one)"
WAIT_MS = 60_000  # for anything to appear; generous, because both processors may be busy


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def page_url() -> str:
    return page_server.page_url()


@pytest.fixture(scope="session")
def library():
    return page_server.library()


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """The running browser. Without one: a failure where CI=true, else a skip."""
    path = os.environ.get("SEARCHDEMO_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(HOW_TO_GET)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)  # it does not heed the time-out of the context
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium):
    """One for all tests, so that gradio's scripts are fetched and compiled once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 2400})
    context.set_default_timeout(WAIT_MS)
    return context


class Visit:
    """Opens pages and keeps what went wrong on them."""

    def __init__(self, context):
        self._context, self._pages = context, []
        self.wrong: list[str] = []

    def open(self, url: str, size: tuple[int, int] | None = None):
        """A page of the app, ready to be used."""
        page = self._context.new_page()
        self._pages.append(page)
        if size:
            page.set_viewport_size({"width": size[0], "height": size[1]})
        origin = "/".join(url.split("/")[:3])

        def look_at(request) -> None:
            if not request.url.startswith((origin, "data:", "blob:")):
                self.wrong.append(f"request off the page's origin: {request.url}")

        page.on("request", look_at)
        page.on("pageerror", lambda error: self.wrong.append(f"error on the page: {error}"))
        page.goto(url, wait_until="domcontentloaded")
        page.locator("#image-examples .thumbnail-item").last.wait_for(state="attached")
        return page

    def close(self) -> None:
        for page in self._pages:
            page.close()


@pytest.fixture
def visit(context) -> Iterator[Visit]:
    visit = Visit(context)
    yield visit
    visit.close()
    assert visit.wrong == []


@pytest.fixture
def without_usearch(monkeypatch):
    """The page's process cannot import the library, and none of its tests has opened the index before."""
    for module in [name for name in sys.modules if name.startswith("usearch.")] + ["searchdemo.indexes.usearch_index"]:
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "usearch", None)


@pytest.fixture
def browser_page(visit, page_url):
    """The app's page, open on the first tab."""
    return visit.open(page_url)

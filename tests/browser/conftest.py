"""A real Chromium on the page that page_server serves; no test passes that left an error on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import page_server
import pytest
from playwright.sync_api import expect

from searchdemo.collection.query import Query
from searchdemo.indexes.base import NPROBE
from searchdemo.ui import tab_image
from searchdemo.ui.examples import numbers
from searchdemo.ui.page import INDEX, K
from tests.browser.tools import choose, found, open_tab, set_slider

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET = "no Chromium: apt-get install chromium (or set SEARCHDEMO_CHROMIUM to one)"
VIEWPORT = (1280, 2400)  # tall, because pictures out of sight are not loaded
WAIT_MS = 120_000  # for anything to appear; generous, because both processors may be busy


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
    from playwright.sync_api import sync_playwright

    expect.set_options(timeout=WAIT_MS)  # it does not heed the time-out of the context
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            # No script of the page runs for so long that compiling it for speed pays: a tenth of the processor time.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--js-flags=--no-opt"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium):
    """One for all tests, so that gradio's scripts are fetched once."""
    context = chromium.new_context()
    context.set_default_timeout(WAIT_MS)
    return context


@pytest.fixture(scope="session")
def window(context):
    """One for all tests, each of which loads the app afresh: in a new one all scripts would be compiled again."""
    return context.new_page()


def load(page, url: str) -> None:
    """Until it can be used."""
    page.goto(url, wait_until="domcontentloaded")
    page.locator("#image-examples .tile").last.wait_for(state="attached")


class Visit:
    """Opens pages and keeps what went wrong on them. The first is in the one window, further ones get their own."""

    def __init__(self, window):
        self._window, self._listeners = window, []
        self.wrong: list[str] = []

    def open(self, url: str, size: tuple[int, int] = VIEWPORT):
        """A page of the app, ready to be used."""
        page = self._window.context.new_page() if self._listeners else self._window
        page.bring_to_front()  # one that lies behind another draws once a second, and each click waits for that
        page.set_viewport_size({"width": size[0], "height": size[1]})
        origin = "/".join(url.split("/")[:3])

        def look_at(request) -> None:
            if not request.url.startswith((origin, "data:", "blob:")):
                self.wrong.append(f"request off the page's origin: {request.url}")

        def note(error) -> None:
            self.wrong.append(f"error on the page: {error}")

        self._listeners += [(page, "request", look_at), (page, "pageerror", note)]
        for _, event, listener in self._listeners[-2:]:
            page.on(event, listener)
        load(page, url)
        return page

    def close(self) -> None:
        for page, event, listener in self._listeners:
            page.remove_listener(event, listener)
        for page in {page for page, *_ in self._listeners} - {self._window}:
            page.close()
        self._window.goto("about:blank")  # ends what this test's page still does


@pytest.fixture
def visit(window) -> Iterator[Visit]:
    visit = Visit(window)
    yield visit
    visit.close()
    assert visit.wrong == []


@pytest.fixture(scope="module")
def long_visit(context) -> Iterator[Visit]:
    """A window of its own, for all tests of a file."""
    with its_own(context) as visit:
        yield visit


@pytest.fixture(scope="session")
def longest_visit(context) -> Iterator[Visit]:
    """A window of its own, for the tests of all files."""
    with its_own(context) as visit:
        yield visit


@contextlib.contextmanager
def its_own(context) -> Iterator[Visit]:
    window = context.new_page()
    visit = Visit(window)
    yield visit
    visit.close()
    window.close()


@pytest.fixture(scope="session")
def once_opened(longest_visit, page_url):
    return longest_visit.open(page_url)


@pytest.fixture
def shared_page(request, once_opened, longest_visit, page_url):
    """The app's page, opened once for all tests that take it, with the values that the sidebar starts with. Each test
    sets what else it needs. After one that failed it is loaded afresh."""
    page, failed = once_opened, request.session.testsfailed
    page.bring_to_front()
    page.set_viewport_size({"width": VIEWPORT[0], "height": VIEWPORT[1]})
    for field, name in (("Gallery", "scenes"), ("Encoder", "bundled"), ("Index", INDEX)):
        if page.get_by_label(field, exact=True).input_value() != name:
            choose(page, field, name)
    for slider, value in (("k", K), ("nprobe", NPROBE.default)):
        if page.locator(f"#{slider} input[type=range]").input_value() != str(value):
            set_slider(page, slider, value)
    yield page
    wrong, longest_visit.wrong = longest_visit.wrong, []
    if request.session.testsfailed > failed:
        load(page, page_url)
    assert wrong == []


@pytest.fixture
def as_opened(shared_page, library):
    """The first example is searched in all of scenes, with the values that the sidebar starts with."""
    page, first = shared_page, numbers(library.open("scenes", "bundled"))[0]
    open_tab(page, tab_image.TITLE)
    page.locator("#image-examples .tile").first.click()
    expect(page.locator("#query")).to_contain_text(f"held-out picture {first:,} of scenes")
    wanted = found(library, Query(picture=library.gallery("scenes").queries.encoded(first)))
    scores = page.locator("#image-results .tile:not(.missed) .score")
    expect(scores).to_have_text([tile.split()[-1] for tile in wanted])
    return page


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

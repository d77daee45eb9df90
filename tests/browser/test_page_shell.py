"""The page around the tabs: an encoder without vectors, one without words, a mobile phone; the README's picture."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import numpy as np
import page_server
import pytest
from loopback_hub import nobody
from playwright.sync_api import expect

from searchdemo.collection.store import Key, Store
from tests.browser.tools import choose, set_slider
from tests.cli_tools import folder_of

SCREENSHOT = Path(__file__).parents[2] / "docs" / "screenshot.png"


@pytest.fixture
def hub_out_of_reach(monkeypatch):
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield


def test_an_encoder_that_is_not_built_says_so_and_offers_to_build(as_opened, hub_out_of_reach):
    expect(as_opened.locator("#not-built")).to_be_hidden()
    choose(as_opened, "Encoder", "resnet18")
    panel = as_opened.locator("#not-built")
    expect(panel).to_contain_text("resnet18 is not built for this gallery")
    expect(panel).to_contain_text("python -m searchdemo build --gallery scenes --encoder resnet18")
    as_opened.locator("#build-whole").click()
    expect(panel).to_contain_text("The weights of resnet18 are not on this machine")
    choose(as_opened, "Encoder", "bundled")
    expect(panel).to_be_hidden()


def test_a_build_that_was_started_on_the_page_can_be_searched_and_a_changed_folder_is_caught_up_with(
    visit, tmp_path, monkeypatch
):
    gallery = folder_of({"a.png": "red", "b.png": "blue"}, tmp_path / "mine")
    library = page_server.ColoursLibrary(Store(own=tmp_path / "own", shipped=tmp_path / "nothing-ships"))
    library.build(Key(gallery, "bundled"))
    page = visit.open(page_server.serve(library, gallery))
    tiles = page.locator("#image-results .tile:not(.missed)")
    expect(tiles).to_have_count(1)  # the first example is one of the two
    expect(page.locator("#not-built")).to_be_hidden()

    seen, build = threading.Event(), library.build
    monkeypatch.setattr(library, "build", lambda *given: seen.wait(200) and build(*given))
    choose(page, "Encoder", "clip-rn50")
    expect(page.locator("#build-whole")).to_be_visible()
    expect(page.locator("#build-part")).to_be_hidden()  # all of it is no more than the part
    expect(tiles).to_have_count(0)
    page.locator("#build-whole").click()
    expect(page.locator("#builds")).to_contain_text("Building clip-rn50 for")
    seen.set()
    expect(page.locator("#not-built")).to_be_hidden()
    page.locator("#surprise").click()
    expect(tiles).to_have_count(1)

    folder_of({"c.png": "white"}, tmp_path / "mine")
    expect(page.locator("#not-built-sentence")).to_contain_text("1 picture was added since the last build")
    page.locator("#build-whole").click()
    expect(page.locator("#not-built")).to_be_hidden()
    set_slider(page, "k", 11)
    expect(tiles).to_have_count(2)


def test_the_results_follow_the_sidebar(as_opened):
    tiles = as_opened.locator("#image-results .tile:not(.missed)")
    expect(tiles).to_have_count(12)
    number = as_opened.locator("#k input[type=number]")
    number.fill("4")
    number.press("Tab")
    expect(tiles).to_have_count(4)
    choose(as_opened, "Encoder", "resnet18")  # not built: what another encoder found must not stay
    expect(tiles).to_have_count(0)
    choose(as_opened, "Encoder", "bundled")
    expect(tiles).to_have_count(4)


def test_an_encoder_without_words_is_not_offered_for_text(as_opened):
    choose(as_opened, "Encoder", "dino-vits16")
    as_opened.get_by_role("tab", name="Text search").click()
    expect(as_opened.locator("#text-refusal")).to_contain_text("no text tower")
    expect(as_opened.locator("#words")).to_be_hidden()
    as_opened.locator("#text-switch").click()
    expect(as_opened.locator("#words")).to_be_visible()
    expect(as_opened.locator("#badge")).to_contain_text("pictures and words")


def test_small_grey_text_can_be_read_in_light_mode(shared_page):
    colour = shared_page.locator("#badge").evaluate("part => getComputedStyle(part).color")
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    assert 1.05 / (luminance + 0.05) >= 4.5  # WCAG AA, on white


@pytest.mark.skipif("SEARCHDEMO_SCREENSHOT" not in os.environ, reason="SEARCHDEMO_SCREENSHOT=1 writes the screenshot")
def test_screenshot(visit):
    """With the real weights, on pictures that may be shown."""
    from searchdemo.collection.library import Library

    page = visit.open(page_server.serve(Library(), "scenes"), size=(1280, 800))
    page.locator("#image-results .tile").first.wait_for()
    page.wait_for_timeout(3000)  # for the tiles to be painted, and the answer to be no longer dimmed
    SCREENSHOT.parent.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOT)
    assert SCREENSHOT.stat().st_size > 10_000

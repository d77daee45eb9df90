"""Markup in whatever a person, a file, a card or a link brings is text in a real browser: no script, no element."""

from __future__ import annotations

import io
import json
import sys
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tradeoff_card import tradeoff_card

from searchdemo import assets
from searchdemo.measure import cards
from searchdemo.ui.demo import TABS
from tests.browser.tools import choose, open_tab, search_words
from tests.test_uploaded import zipped

TAG = "<planted-x>"
EVIL = f"{TAG}<img src=x onerror=window.planted=1><script>window.planted=2<" + "\u2044script>\"'><svg onload=planted=3>"
LINKED = ("gallery", "encoder", "index", "k", "where", "text", "template", "tab", "map", "row", "picture", "nprobe")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file of Windows has such a name")


def check(page: Page, shown: str | None = None) -> None:
    """shown: where the planted text has to be seen."""
    if shown:
        expect(page.locator(shown).filter(has_text=TAG).first).to_be_visible()
    assert page.evaluate("window.planted") is None
    found = "planted-x, img[src='x'], [onerror], svg[onload], script:not([src]):not([type])"
    look = "found => [...document.querySelectorAll(found)].map(e => e.outerHTML).filter(e => e.includes('planted'))"
    assert page.evaluate(look, found) == []


def photo(colour: str) -> bytes:
    """A JPEG whose header is written by somebody."""
    facts, buffer = Image.Exif(), io.BytesIO()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B, 0x8298):  # description, make, model, software, artist, rights
        facts[tag] = EVIL
    facts.get_ifd(0x8769)[0xA434] = EVIL  # the lens
    Image.new("RGB", (40, 30), colour).save(buffer, "JPEG", exif=facts)
    return buffer.getvalue()


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Cards and vectors of somebody else, in the places where they are looked for."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    cards.save(tradeoff_card(machine=EVIL, notes=[EVIL]), cards.own_cards())
    folder = tmp_path / EVIL
    for name, colour in (("red", "red"), ("blue", "blue"), ("lime", "lime")):
        (folder / f"{EVIL} {name}").mkdir(parents=True)
        (folder / f"{EVIL} {name}" / f"{EVIL}.jpg").write_bytes(photo(colour))
    (folder / f"{EVIL}.txt").write_text("no picture")
    lines = [
        {"file_name": f"{EVIL} {name}/{EVIL}.jpg", "text": f"{EVIL} of {name}", "label": [EVIL, name], EVIL: EVIL}
        for name in ("red", "blue")
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_what_lies_in_a_folder_on_this_machine_stays_text(planted, browser_page):
    page = browser_page
    page.get_by_role("button", name="My pictures").click()
    page.get_by_label("Folder on this machine").fill(f"{planted}-that-is-not-there")
    page.locator("#mine-open").click()
    expect(page.locator("#mine-line .refusal")).to_contain_text(TAG)
    page.get_by_label("Folder on this machine").fill(str(planted))
    page.locator("#mine-open").click()
    expect(page.locator("#mine-line")).to_contain_text("3 pictures found")
    check(page, "#mine-line")
    check(page, "#not-built")
    page.locator("#build-whole").click()
    expect(page.locator("#image-results .tile")).to_have_count(2)
    check(page, "#image-results")
    page.locator("#image-results li").first.hover()
    page.locator("#image-results .enlarge").first.click()
    check(page, "#enlarged dialog")
    page.keyboard.press("Escape")
    for where in (f"label = '{EVIL.replace(chr(39), chr(39) * 2)}'", EVIL, f"caption = {EVIL}"):
        page.locator("#where textarea, #where input").first.fill(where)
        page.keyboard.press("Enter")
        page.wait_for_timeout(300)
        check(page)
    page.locator("#where textarea, #where input").first.fill("")
    search_words(page, EVIL)
    for tab in TABS:
        open_tab(page, tab.TITLE)
        page.wait_for_timeout(200)
        check(page)
    open_tab(page, "Trade-offs")
    choose(page, "Gallery", "scenes")
    check(page, "#tradeoffs-source")


def test_what_is_uploaded_and_what_a_link_says_stay_text(visit, page_url, tmp_path):
    page = visit.open(f"{page_url}/?{urlencode(dict.fromkeys(LINKED, EVIL))}")
    check(page, "#link-notice")
    names = {
        f"{EVIL}/{EVIL}.jpg": photo("red"),
        "b/b.jpg": photo("blue"),
        "c/c.jpg": photo("lime"),
        EVIL: b"no picture",
    }
    page.get_by_role("button", name="My pictures").click()
    page.locator("#mine-files input[type=file]").set_input_files(zipped(tmp_path, names))
    expect(page.locator("#mine-line")).to_contain_text("3 pictures are in memory")
    check(page, "#mine-line")
    page.locator("#image-results .tile").first.wait_for()
    check(page)

"""On a mobile phone nothing sticks out, and the answer comes first: one page, on which each test opens its tab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from searchdemo.ui import tab_image
from tests.browser.test_page_map import opened, surprise
from tests.browser.tools import open_tab

WIDTH = 390  # pixels


@pytest.fixture(scope="module")
def once(long_visit, page_url) -> Page:
    return long_visit.open(page_url, (WIDTH, 2400))


@pytest.fixture
def phone(once, long_visit) -> Iterator[Page]:
    once.bring_to_front()
    yield once
    assert once.evaluate("document.documentElement.scrollWidth") <= WIDTH
    assert long_visit.wrong == []


def test_the_sidebar_covers_nothing(phone):
    phone.set_viewport_size({"width": WIDTH, "height": 844})
    open_tab(phone, tab_image.TITLE)
    phone.locator("#surprise").click()
    phone.locator("#image-results .tile").first.wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth") <= WIDTH
    phone.set_viewport_size({"width": WIDTH, "height": 2400})


def test_the_buttons_of_a_tile_leave_the_picture_free_where_nothing_hovers(phone):
    devtools = phone.context.new_cdp_session(phone)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert phone.evaluate("matchMedia('(hover: none)').matches")
    open_tab(phone, tab_image.TITLE)
    item = phone.locator("#image-results li").first
    whole, frame = item.bounding_box(), item.locator(".frame").bounding_box()
    boxes = [corner.bounding_box() for corner in item.locator(".corner").all()]
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    devtools.detach()
    assert len(boxes) == 3 and all(box["y"] >= frame["y"] + frame["height"] and box["width"] >= 24 for box in boxes)
    edges = [
        whole["x"],
        *(edge for box in boxes for edge in (box["x"], box["x"] + box["width"])),
        whole["x"] + whole["width"],
    ]
    assert edges == sorted(edges)  # side by side, and within the tile


def test_the_answer_comes_before_the_picture(phone):
    open_tab(phone, tab_image.TITLE)
    phone.locator("#image-results .tile").first.wait_for()
    parts = ("image-examples", "image-answer", "image-results", "query-picture", "query-box")
    tops = [phone.locator(f"#{part}").bounding_box()["y"] for part in parts]
    assert tops == sorted(tops) and len(set(tops)) == len(tops)


def test_the_verdict_comes_before_the_settings(phone):
    open_tab(phone, "Classify")
    phone.locator("#classify-neighbours .tile").first.wait_for()
    parts = [phone.locator(f"#classify-{part}") for part in ("verdict", "settings", "neighbours")]
    tops = [part.bounding_box()["y"] for part in parts]
    assert tops == sorted(tops)


def test_a_bar_of_a_race_has_a_line_of_its_own_under_name_and_value(phone):
    open_tab(phone, "Latency")
    phone.locator("#latency-run").click()
    phone.locator("#latency-missed h2").wait_for()
    bar, value = (phone.locator(f"#latency-plot .{name}").first.bounding_box() for name in ("track", "value"))
    assert bar["width"] > 250 and bar["y"] >= value["y"] + value["height"]


def test_all_parts_of_the_map_lie_on_the_screen(phone):
    opened(phone)
    surprise(phone)
    for part in (".map-stage", ".map-zoom", ".map-effort", ".map-legend"):
        box = phone.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= WIDTH

"""The Map tab in a browser: hover, click, keys, visited cells, the walk. What is drawn is told by data attributes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from searchdemo.bench.suite import frames
from searchdemo.collection.maps import STEPS
from searchdemo.collection.query import Query
from searchdemo.indexes.base import NPROBE
from searchdemo.ui.examples import numbers
from searchdemo.ui.page import INDEX
from tests.browser.tools import choose, open_tab, set_slider

NUMBER = re.compile(r"held-out picture ([\d,]+)")


def opened(page: Page) -> Page:
    page.get_by_role("tab", name="Map").click()
    expect(board(page)).to_have_attribute("data-points", "2000")
    expect(board(page)).to_have_attribute("data-frames", re.compile(r"[1-9]"))
    return page


@pytest.fixture
def tab(shared_page) -> Page:
    """All of the map, with nothing pointed at, and a query that has a place on it."""
    page, stage = shared_page, shared_page.locator(".map-stage")
    page.mouse.move(2, 2)
    if not NUMBER.search(page.locator("#query").inner_text()):
        page.locator("#surprise").click()
        expect(page.locator("#query")).to_contain_text(NUMBER)
    opened(page)
    stage.press("Escape")
    stage.press("0")
    expect(board(page)).to_have_attribute("data-zoom", "1.00")
    return page


@pytest.fixture(scope="module")
def collection(library):
    return library.open("scenes", "bundled")


def board(page: Page):
    return page.locator("#map .map")


def fact(page: Page, name: str) -> str:
    return board(page).get_attribute(f"data-{name}") or ""


def spot(page: Page, stored) -> tuple[float, float]:
    """Where on the stage a stored position is drawn, in pixels."""
    box = page.locator(".map-stage").bounding_box()
    scale, x, y = (float(fact(page, name)) for name in ("scale", "x", "y"))
    left, top = stored[0] / STEPS, 1 - stored[1] / STEPS  # up is up
    return box["width"] / 2 + (left - x) * scale, box["height"] / 2 + (top - y) * scale


def point_at(page: Page, collection, position: int) -> None:
    x, y = spot(page, collection.map().stored[position].astype(int))
    page.locator(".map-stage").hover(position={"x": x, "y": y})
    expect(board(page)).to_have_attribute("data-hover", re.compile(r"\d"))


def surprise(page: Page) -> int:
    """The number of the held-out query that is on the map then."""
    expect(board(page)).to_have_attribute("data-at", re.compile(r"\d"))  # of the query that the page came with
    before = fact(page, "at")
    page.locator("#surprise").click()
    expect(board(page)).not_to_have_attribute("data-at", before)
    return int(NUMBER.search(page.locator("#query").inner_text())[1].replace(",", ""))


def test_a_link_brings_the_place_on_the_map_back(tab, visit):
    stage = tab.locator(".map-stage")
    stage.focus()
    for _ in range(3):
        stage.press("+")
    stage.press("ArrowRight")
    expect(board(tab)).to_have_attribute("data-zoom", "4.10")  # 1.6 cubed: what follows starts where the last ends
    there = [fact(tab, name) for name in ("x", "y", "zoom")]
    tab.locator("#copy-link").click()
    tab.wait_for_url("**map=**")
    again = visit.open(tab.url)
    expect(board(again)).to_have_attribute("data-points", "2000")
    for name, value in zip(("x", "y", "zoom"), there, strict=True):
        expect(board(again)).to_have_attribute(f"data-{name}", value)


def test_hovering_a_point_brings_its_picture_and_class(tab, collection):
    point_at(tab, collection, 1000)
    position, card = int(fact(tab, "hover")), tab.locator(".map-card")
    near = collection.map().stored[[position, 1000]].astype(int)
    assert abs(near[0] - near[1]).max() < 0.02 * STEPS
    expect(card.locator("b")).to_have_text(collection.gallery.class_name(position))
    expect(card).to_contain_text(f"row {position:,}")
    expect(card.locator("img")).to_have_attribute("src", re.compile("^data:image/"))
    tab.wait_for_function(
        "(picture => picture.complete && picture.naturalWidth > 0)(document.querySelector('.map-card img'))"
    )
    tab.mouse.move(2, 2)
    expect(card).to_be_hidden()


def test_a_click_searches_with_the_point(tab, collection):
    point_at(tab, collection, 500)
    position = int(fact(tab, "hover"))
    tab.mouse.down()
    tab.mouse.up()
    expect(tab.locator("#query")).to_contain_text(f"picture {position:,} of scenes")
    expect(board(tab)).to_have_attribute("data-found", "12")
    expect(tab.locator(".map-legend li[data-mark=query]")).to_be_visible()


def test_a_higher_nprobe_lights_more_cells_and_finds_more(tab, collection):
    number, index = surprise(tab), collection.index("ivf")
    ranks, cells = index.visit_ranks(collection.queries[number]), index.cells()
    slider, lit = tab.locator(".map-effort input"), []
    for effort in ("0", "2", slider.get_attribute("max")):
        slider.fill(effort)
        nprobe = int(fact(tab, "nprobe"))
        lit.append(int(fact(tab, "visited")))
        assert lit[-1] == (ranks[cells] <= nprobe).sum()
        assert int(fact(tab, "found")) + int(fact(tab, "missed")) == 12
        expect(tab.locator(".map-effort output")).to_contain_text(
            f"{lit[-1]:,} of 2,000 vectors are compared, and {fact(tab, 'found')} of the 12 nearest found"
        )
    assert lit == sorted(set(lit)) and lit[-1] == 2000 and fact(tab, "missed") == "0"


def test_the_sliders_of_the_map_and_of_the_sidebar_are_one(tab, collection):
    surprise(tab)
    on_map, in_sidebar = tab.locator(".map-effort input"), tab.locator("#nprobe input[type=range]")
    on_map.fill("0")
    expect(in_sidebar).to_have_value("1")
    expect(tab.locator("#map-line")).to_contain_text("ivf with nprobe 1:")
    on_map.press("End")  # by the keyboard
    expect(in_sidebar).to_have_value(str(len(collection.index("ivf").visit_ranks(collection.queries[0]))))
    set_slider(tab, "nprobe", 5)
    expect(board(tab)).to_have_attribute("data-nprobe", "5")


def test_the_map_follows_the_sidebar_that_moves_before_an_answer(tab):
    surprise(tab)
    tab.locator(".map-effort input").fill("0")
    tab.wait_for_function(
        """() => {
          const sidebar = document.querySelector("#nprobe input[type=range]");
          if (sidebar.value !== "1") return false;
          sidebar.value = 7;  // at once: nprobe 1 is never searched with
          return sidebar.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        polling=1,
    )
    expect(board(tab)).to_have_attribute("data-nprobe", "7")


def test_the_walk_of_a_graph_is_replayed(tab):
    tab.get_by_label("Index", exact=True).click()
    tab.get_by_role("option", name="hnsw", exact=True).click()
    surprise(tab)
    slider, replay = tab.locator(".map-effort input"), tab.get_by_role("button", name="Replay")
    expect(replay).to_be_visible()
    last = slider.get_attribute("max")
    assert int(last) >= 63 and fact(tab, "step") == last  # ef_search 64
    replay.click()
    assert int(fact(tab, "step")) < int(last)
    slider.fill("5")  # a hand on the slider stops it
    expect(board(tab)).to_have_attribute("data-step", "5")
    tab.locator(".map-legend li[data-mark=walk]").wait_for()


CAUGHT = """() => {
  window.steps = [];
  window.intervals = [setInterval, clearInterval];
  window.setInterval = (run) => steps.push(run);
  window.clearInterval = (number) => { steps[number - 1] = null; };
}"""


def test_a_replay_ends_when_another_index_is_chosen(tab):
    choose(tab, "Index", "hnsw")
    replay, effort = tab.get_by_role("button", name="Replay"), tab.locator(".map-effort")
    expect(replay).to_be_visible()
    tab.evaluate(CAUGHT)
    replay.click()
    expect(effort.locator("input")).to_have_value("0")
    choose(tab, "Index", INDEX)
    expect(effort.locator("label span")).to_have_text("nprobe")
    tab.evaluate("() => steps.forEach((run) => run?.())")  # what is left of it
    assert fact(tab, "nprobe") == str(NPROBE.default)
    tab.evaluate("() => { [window.setInterval, window.clearInterval] = intervals; }")


def test_what_is_pointed_at_says_whether_it_was_found_while_nprobe_moves(tab, collection):
    number = numbers(collection)[0]
    open_tab(tab, "Image search")
    tab.locator("#image-examples .tile").first.click()
    expect(tab.locator("#query")).to_contain_text(f"held-out picture {number:,} of scenes")
    set_slider(tab, "k", 60)
    set_slider(tab, "nprobe", 1)
    asked = Query(picture=collection.gallery.queries.encoded(number))
    missed = collection.search(asked, INDEX, 60, compare=True, nprobe=1).comparison.hits
    opened(tab)
    expect(board(tab)).to_have_attribute("data-missed", str(len(missed)))
    for hit in missed:
        tab.mouse.move(2, 2)
        expect(board(tab)).not_to_have_attribute("data-hover", re.compile(r"\d"))
        point_at(tab, collection, hit.position)
        if fact(tab, "hover") == str(hit.position):  # no other point lies there
            break
    card = tab.locator(".map-card")
    expect(card).to_contain_text("missed, cosine")
    tab.locator(".map-effort input").press("End")
    expect(card).to_contain_text("found, cosine")
    set_slider(tab, "k", 12)


def test_wheel_and_drag_move_the_map(tab):
    surprise(tab)
    box = tab.locator(".map-stage").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(*middle)
    tab.mouse.wheel(0, -400)
    tab.wait_for_function("document.querySelector('.map').dataset.zoom > 1.5")
    before = float(fact(tab, "x"))
    tab.mouse.down()
    tab.mouse.move(middle[0] - 200, middle[1], steps=5)
    tab.mouse.up()
    expect(board(tab)).not_to_have_attribute("data-x", f"{before:.4f}")
    assert float(fact(tab, "x")) == pytest.approx(before + 200 / float(fact(tab, "scale")), abs=0.002)
    expect(tab.locator("#query")).to_contain_text("held-out picture")  # a drag is no click
    tab.get_by_role("button", name="Show all of the map").click()
    expect(board(tab)).to_have_attribute("data-zoom", "1.00")


def test_keys_move_zoom_and_search(tab):
    stage = tab.locator(".map-stage")
    stage.focus()
    before = float(fact(tab, "x"))
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function(f"document.querySelector('.map').dataset.x > {before}")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("+")
    tab.wait_for_function("document.querySelector('.map').dataset.zoom > 1.5")
    tab.keyboard.press("0")
    expect(board(tab)).to_have_attribute("data-zoom", "1.00")
    tab.keyboard.press("Enter")
    expect(tab.locator("#query")).to_contain_text(re.compile(r"(?<!held-out )picture [\d,]+ of scenes"))


def touch(page: Page, *events: tuple[str, int, float, float]) -> None:
    """events: (kind, finger, x, y) in pixels of the stage."""
    page.locator(".map-stage").evaluate(
        """(stage, events) => {
          stage.setPointerCapture = () => {};  // of a pointer that no device has
          const box = stage.getBoundingClientRect();
          for (const [kind, pointerId, x, y] of events) stage.dispatchEvent(new PointerEvent(kind,
            {bubbles: true, pointerId, pointerType: 'touch', clientX: box.left + x, clientY: box.top + y}));
        }""",
        events,
    )


def test_a_finger_sees_the_picture_before_it_searches(tab, collection):
    at = spot(tab, collection.map().stored[700].astype(int))
    touch(tab, ("pointerdown", 9, *at), ("pointerup", 9, *at))
    button = tab.get_by_role("button", name="Search with it")
    expect(button).to_be_visible()
    position = int(fact(tab, "hover"))
    button.click()
    expect(tab.locator("#query")).to_contain_text(f"picture {position:,} of scenes")


def test_two_fingers_zoom(tab):
    touch(tab, ("pointerdown", 1, 300, 200), ("pointerdown", 2, 400, 200))
    touch(tab, ("pointermove", 1, 250, 200), ("pointermove", 2, 450, 200))  # twice as far apart
    expect(board(tab)).to_have_attribute("data-zoom", "2.00")
    touch(tab, ("pointerup", 1, 250, 200), ("pointerup", 2, 450, 200))
    expect(tab.locator(".map-card")).to_be_hidden()


def test_the_benchmark_moves_the_map_and_counts_its_frames(tab):
    surprise(tab)
    rows = frames.motions(tab, 0.1)
    assert [(row["motion"], row["where"]) for row in rows] == [
        (motion, where) for where in ("the whole map", "8 times closer") for motion in ("pan", "zoom")
    ]
    for row in rows:
        assert row["drawn"] >= 2 and row["frame_p50_ms"] > 0
        assert row["frames_per_second"] > 0
    expect(tab.locator("#query")).to_contain_text("held-out picture")  # a drag is no click


def test_what_has_no_map_says_why(tab):
    choose(tab, "Encoder", "clip-rn50")
    expect(tab.locator(".map-note")).to_contain_text("'clip-rn50' is not built for this gallery")
    expect(board(tab)).to_have_attribute("data-points", "0")
    choose(tab, "Encoder", "bundled")
    expect(board(tab)).to_have_attribute("data-points", "2000")

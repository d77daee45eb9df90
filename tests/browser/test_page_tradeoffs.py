"""The Trade-offs tab in a browser: encoders, bounds that pick, dots that are all reached, measuring, distances."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from tradeoff_card import row as measured_row
from tradeoff_card import tradeoff_card

from searchdemo import assets
from searchdemo.bench import table
from searchdemo.bench.suite import tradeoff
from searchdemo.bench.sweep import QUICK
from searchdemo.collection.progress import Progress
from searchdemo.encoders.table import ENCODERS
from searchdemo.measure import cards as run_card
from searchdemo.ui.demo import TABS
from tests.browser.tools import LateAnswers, open_tab


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """(own, shipped) of the page that runs in this process."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    return run_card.own_cards(), assets.CARDS


@pytest.fixture
def tab(roots, visit, page_url) -> Page:
    run_card.save(tradeoff_card(machine="The maker's CPU"), roots[1])
    page = visit.open(page_url)
    page.get_by_role("tab", name="Trade-offs").click()
    return page


def dots(page: Page):
    return page.locator("#tradeoffs-plot .dot")


def middle_of(page: Page, name: str) -> tuple[float, float]:
    """Where the mouse points at a dot."""
    dot = page.locator(f"#tradeoffs-plot .dot[aria-label^='{name}']")
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def winner(page: Page):
    return page.locator("#tradeoffs-winner b").first


def test_of_two_dots_the_last_one_is_shown_while_the_answer_about_the_first_is_on_its_way(tab):
    places = [middle_of(tab, f"IVF64,SQfp16 (nprobe {nprobe})") for nprobe in (1, 8)]
    first = tab.locator("#tradeoffs-plot .dot[aria-label^='IVF64,SQfp16 (nprobe 1)']").get_attribute("id")
    with LateAnswers(tab, f'"data":["{first.removeprefix("dot-")}"') as late:
        tab.mouse.click(*places[0])
        late.wait()
        tab.mouse.click(*places[1])
        tab.wait_for_timeout(300)  # for the click to be told; too short a wait finds less, never too much
    expect(winner(tab)).to_have_text("IVF64,SQfp16 (nprobe 8)")
    expect(tab.locator("#tradeoffs-winner")).to_contain_text("chosen in the plot")


def test_the_shipped_card_is_drawn_where_its_figures_say_and_a_dot_that_is_chosen_is_tried_in_the_sidebar(tab):
    expect(dots(tab)).to_have_count(5)
    expect(tab.locator("#tradeoffs-plot .dot.front")).to_have_count(4)
    expect(tab.locator("#tradeoffs-card input")).to_have_value(re.compile("The maker's CPU · 2026-01-02 · shipped"))
    expect(tab.locator("#tradeoffs-source")).to_contain_text("The maker's CPU")
    expect(winner(tab)).to_have_text("IVF64,SQfp16 (nprobe 8)")
    expect(tab.locator("#tradeoffs-code")).to_contain_text("SearchParametersIVF(nprobe=8)")
    expect(tab.locator("#tradeoffs-others input")).to_be_disabled()
    expect(tab.locator("#tradeoffs-warning")).to_contain_text("These are figures of tiny-imagenet × bundled")
    off = """() => [...document.querySelectorAll('#tradeoffs-plot .dot')].map(dot => {
      const area = dot.parentElement, [at, inside] = [dot, area].map(one => one.getBoundingClientRect());
      const x = inside.left + area.clientLeft + area.clientWidth * parseFloat(dot.style.left) / 100;
      const y = inside.top + area.clientHeight * (1 - parseFloat(dot.style.bottom) / 100);
      return Math.hypot(at.left + at.width / 2 - x, at.top + at.height / 2 - y);
    })"""
    assert max(tab.evaluate(off)) < 0.5  # pixels
    expect(tab.locator("#distances-grid td")).to_have_count(9)  # three are there at the start

    tip = tab.locator("#tradeoffs-plot .tip")
    expect(tip).to_be_hidden()
    tab.mouse.move(*middle_of(tab, "HNSW32"))
    expect(tip).to_contain_text("HNSW32 (efConstruction 200, ef_search 64)")
    expect(tip).to_contain_text("p50 0.500 ms")
    tab.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    tab.mouse.click(*middle_of(tab, "IVF64,SQfp16 (nprobe 1)"))
    expect(winner(tab)).to_have_text("IVF64,SQfp16 (nprobe 1)")
    expect(tab.locator("#tradeoffs-winner")).to_contain_text("chosen in the plot; outside the bounds (recall>=0.95)")
    expect(tab.locator("#tradeoffs-code")).to_contain_text("SearchParametersIVF(nprobe=1)")
    tab.get_by_label("your own vectors", exact=True).check()
    expect(tab.locator("#tradeoffs-code")).to_contain_text("vectors.npy")
    expect(winner(tab)).to_have_text("IVF64,SQfp16 (nprobe 1)")
    tab.locator("#tradeoffs-plot .area").focus()
    tab.keyboard.press("End")  # Flat, the slowest
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    expect(winner(tab)).to_have_text("HNSW32 (efConstruction 200, ef_search 64)")
    expect(tab.locator("#tradeoffs-try-note")).to_contain_text("so its figures will differ")
    tab.locator("#tradeoffs-try").click()
    expect(tab.get_by_role("tab", name="Image search")).to_have_attribute("aria-selected", "true")
    expect(tab.get_by_label("Index", exact=True)).to_have_value("hnsw")


def test_bounds_change_the_winner_and_its_code_and_a_link_brings_them_back(tab, visit):
    expect(winner(tab)).to_have_text("IVF64,SQfp16 (nprobe 8)")
    tab.locator("#tradeoffs-recall input[type=number]").fill("0.98")
    tab.locator("#tradeoffs-recall input[type=number]").press("Enter")
    expect(winner(tab)).to_have_text("HNSW32 (efConstruction 200, ef_search 64)")
    expect(tab.locator("#tradeoffs-code")).to_contain_text("SearchParametersHNSW(efSearch=64)")
    expect(tab.locator("#tradeoffs-plot .dot.faded")).to_have_count(3)
    tab.locator("#tradeoffs-mb textarea, #tradeoffs-mb input").fill("60")
    expect(winner(tab)).to_have_text("Flat")
    tab.get_by_label("megabytes", exact=True).check()
    expect(tab.locator("#tradeoffs-plot")).to_contain_text("MB of the index (log)")
    tab.locator("#copy-link").click()
    tab.wait_for_url("**most_mb=60**")
    again = visit.open(tab.url)
    expect(winner(again)).to_have_text("Flat")
    expect(again.get_by_label("megabytes", exact=True)).to_be_checked()
    tab.bring_to_front()
    tab.locator("#tradeoffs-ms textarea, #tradeoffs-ms input").fill("0.45")
    panel = tab.locator("#tradeoffs-winner")
    expect(panel).to_contain_text("None of 5 measured points")
    expect(tab.locator("#tradeoffs-code")).to_be_hidden()
    expect(dots(tab)).to_have_count(5)
    tab.locator("#tradeoffs-ms textarea, #tradeoffs-ms input").fill("soon")
    expect(panel).to_contain_text("Max latency (ms) = 'soon' is not a number")


CROWDED = [
    measured_row(
        "IVF64,SQfp16", "ivf", 0.1 + 0.0005 * (number % 40), 0.9 + 0.002 * (number % 25), 26, nprobe=number + 1
    )
    for number in range(120)
] + [measured_row("IVF64,SQfp16", "ivf", 0.3, 0.97, 26, nprobe=number) for number in range(200, 212)]  # at one place

REACHED = """() => {
  const area = document.querySelector('#tradeoffs-plot .area'), dots = [...area.querySelectorAll('.dot')];
  const send = (type, at) => area.dispatchEvent(new PointerEvent(type, {bubbles: true, ...at}));
  const key = (name) => area.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  const active = () => area.querySelector('.dot.active')?.id;
  const clicked = new Set(), across = new Set(), upwards = new Set();
  for (const dot of dots) {  // as often as dots lie there, at the middle of each
    const box = dot.getBoundingClientRect();
    const at = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2};
    send('pointermove', {clientX: 0, clientY: 0});
    send('pointermove', at);
    for (const _ of dots) {
      send('click', at);
      clicked.add(active());
      if (active() === dot.id) break;
    }
  }
  key('Home');
  for (const _ of dots) across.add(active()), key('ArrowRight');
  key('Escape');
  key('Home');
  for (const _ of dots) key('ArrowDown');
  for (const _ of dots) upwards.add(active()), key('ArrowUp');
  return [clicked.size, across.size, upwards.size];
}"""


def test_every_dot_is_reached_by_clicks_and_by_arrow_keys(roots, visit, page_url):
    run_card.save(tradeoff_card(parts={"points": CROWDED}), roots[1])
    page = visit.open(page_url)
    page.get_by_role("tab", name="Trade-offs").click()
    expect(dots(page)).to_have_count(132)
    assert page.evaluate(REACHED) == [132, 132, 132]
    page.mouse.move(*middle_of(page, "IVF64,SQfp16 (nprobe 205)"))
    tip = page.locator("#tradeoffs-plot .tip")
    expect(tip).to_contain_text("12 settings lie here. Click or tap again for the next:")
    expect(tip).to_contain_text("and 7 more")


def test_encoders_stand_side_by_side_and_one_is_put_into_the_sidebar(tab):
    rows = tab.locator("#tradeoffs-encoders tbody tr")
    expect(rows).to_have_count(len(ENCODERS))
    expect(tab.locator("#tradeoffs-encoders tr.chosen")).to_contain_text("bundled")
    tab.get_by_role("button", name="Use: resnet18").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_label("Encoder", exact=True)).to_have_value("resnet18")
    expect(tab.locator("#tradeoffs-encoders tr.chosen")).to_contain_text("resnet18")
    expect(tab.locator("#tradeoffs-warning")).to_contain_text("No run of scenes × resnet18 is on this machine yet")
    tab.locator("#tradeoffs-measure").click()
    expect(tab.locator("#tradeoffs-refused")).to_contain_text("'resnet18' is not built for this gallery")


def test_without_a_card_a_sentence_says_so_and_measuring_adds_one(roots, visit, page_url, monkeypatch, hasty):
    seen, measure = threading.Event(), table.measure
    monkeypatch.setattr(tradeoff, "QUICK", QUICK[:3])  # exact, inverted files, graphs
    for part in ("by_k", "by_shards", "by_metric"):
        monkeypatch.setattr(tradeoff.Sweep, part, lambda self, *numbers: [])

    def first_waits(name, bench):
        for point in range(10_000):
            bench.report(Progress("waiting", point, 10_000, 0))  # raises when the run is cancelled
            if seen.wait(0.05):
                break
        return measure(name, bench)

    monkeypatch.setattr(table, "measure", first_waits)
    page = visit.open(page_url)
    page.get_by_role("tab", name="Trade-offs").click()
    expect(page.locator("#tradeoffs-plot")).to_contain_text("No run of the trade-off benchmark is on this machine yet")
    expect(page.locator("#tradeoffs-code")).to_be_hidden()
    expect(page.locator("#tradeoffs-cancel")).to_be_hidden()
    status = page.locator("#tradeoffs-status")
    page.locator("#tradeoffs-measure").click()
    expect(status).to_contain_text(re.compile(r"Measuring scenes × bundled, quick: waiting, [\d,]+ of 10,000"))
    page.locator("#tradeoffs-measure").click()
    refused = page.locator("#tradeoffs-refused")
    expect(refused).to_contain_text("The measurement of scenes × bundled, quick goes on. A second run would slow it")
    expect(status).to_contain_text(
        re.compile(r"waiting, [\d,]+ of 10,000, \d:(0[3-9]|[1-5]\d) so far")
    )  # a second or more later
    expect(refused).to_contain_text("A second run would slow it")
    page.locator("#tradeoffs-cancel").click()
    expect(status).to_contain_text("Cancelled at waiting")
    expect(refused).to_have_text("")
    expect(page.locator("#tradeoffs-cancel")).to_be_hidden()
    assert not list(roots[0].rglob("*.json"))
    seen.set()
    page.locator("#tradeoffs-measure").click()
    expect(status).to_contain_text(
        re.compile(r"Measured scenes × bundled, quick: \d+ settings on 2,000 vectors of 48 dimensions"), timeout=180_000
    )
    expect(page.locator("#tradeoffs-card input")).to_have_value(re.compile(r"^scenes × bundled \(.*quick run\)"))
    expect(page.locator("#tradeoffs-plot .dot.ringed")).to_have_count(1)
    expect(page.locator("#tradeoffs-warning p")).to_have_count(0)
    assert dots(page).count() > 10
    assert (roots[0] / "scenes" / "bundled" / "tradeoff-quick.json").is_file()
    expect(status).to_contain_text("Measured scenes × bundled")  # it stays


def cells(page: Page) -> list[list[float]]:
    """[[d, cos, degrees], ...] row by row, as they are shown."""
    texts = page.locator("#distances-grid td").all_inner_texts()
    return [[float(number) for number in re.findall(r"-?\d+\.\d+", text)] for text in texts]


def add_row(page: Page, row: int) -> None:
    page.locator("#distances-number input").fill(str(row))
    page.locator("#distances-add").click()


@pytest.fixture
def empty_grid(shared_page) -> Page:
    """The tab, where no picture is compared yet."""
    open_tab(shared_page, "Trade-offs")
    grid = shared_page.locator("#distances-grid")
    expect(grid).to_contain_text(re.compile(r"\d|Add two"))  # those that it starts with have come
    shared_page.locator("#distances-clear").click()
    expect(grid).to_contain_text("Add two pictures or more")
    return shared_page


def test_the_grid_has_the_distances_of_the_pictures_that_were_chosen(empty_grid, library):
    tab, grid = empty_grid, empty_grid.locator("#distances-grid")
    rows = [0, 7, 1999]
    for count, row in enumerate(rows, start=1):
        add_row(tab, row)
        expect(grid.locator("td")).to_have_count(count**2)
    vectors = library.open("scenes", "bundled").vectors.take(np.array(rows))
    cosines = (vectors @ vectors.T).ravel()
    expected = np.stack(
        [np.sqrt(np.maximum(2 - 2 * cosines, 0)), cosines, np.degrees(np.arccos(np.minimum(cosines, 1)))], 1
    )
    np.testing.assert_allclose(cells(tab), expected, atol=0.06)  # arc cosine of float32 near 1
    assert [cells(tab)[i] for i in (0, 4, 8)] == [[0, 1, 0]] * 3
    loaded = "() => [...document.querySelectorAll('#distances-grid img')].every(i => i.complete && i.naturalWidth > 0)"
    tab.wait_for_function(loaded)


def test_ones_own_picture_joins_the_grid_and_a_sixth_is_refused(empty_grid, library, tmp_path):
    tab, picture = empty_grid, tmp_path / "mine.png"
    picture.write_bytes(library.gallery("scenes").pictures.encoded(7))
    grid = tab.locator("#distances-grid")
    add_row(tab, 7)
    expect(grid.locator("td")).to_have_count(1)
    tab.locator("#distances-own input[type=file]").set_input_files(picture)
    expect(grid.locator("td")).to_have_count(4)
    assert cells(tab)[1][0] < 0.02 and cells(tab)[1][1] > 0.999  # the very picture; its stored vector is a half float
    tab.locator("#distances-surprise").click()
    expect(grid.locator("td")).to_have_count(9)
    for count, row in ((16, 1), (25, 2)):
        add_row(tab, row)
        expect(grid.locator("td")).to_have_count(count)
    add_row(tab, 3)
    said = tab.locator("#distances-said")
    expect(said).to_contain_text("The grid holds 5 pictures")
    tab.locator("#distances-clear").click()
    expect(said).to_be_hidden()
    add_row(tab, 999_999)
    expect(said).to_contain_text("There is no row 999999")
    expect(tab.get_by_test_id("toast-body")).to_have_count(0)


def test_on_a_phone_all_tabs_are_in_sight_and_nothing_sticks_out(roots, visit, page_url):
    run_card.save(tradeoff_card(), roots[1])
    page = visit.open(page_url, size=(390, 2400))
    if page.locator(".sidebar.open").count():
        page.locator(".sidebar .toggle-button").click()
    tab = page.get_by_role("tab", name="Trade-offs")
    expect(tab).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(len(TABS))
    tab.click()
    expect(dots(page)).to_have_count(5)
    expect(page.locator("#distances-grid td")).to_have_count(9)
    page.mouse.click(*middle_of(page, "Flat"))  # the one farthest to the right
    tip = page.locator("#tradeoffs-plot .tip").bounding_box()
    assert tip["x"] >= 0 and tip["x"] + tip["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

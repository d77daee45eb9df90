"""The Classify tab in a browser: the vote, its shares, and the truth."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from searchdemo.collection.query import Query
from searchdemo.ui.examples import numbers
from searchdemo.ui.page import INDEX
from searchdemo.ui.tab_classify import PLAIN, WEIGHTED, K
from tests.browser.tools import choose, open_tab, remove_picture, set_slider


@pytest.fixture
def tab(as_opened, library) -> Page:
    """The first example by 20 neighbours, weighted, as the tab starts."""
    page = as_opened
    open_tab(page, "Classify")
    page.get_by_label(WEIGHTED, exact=True).check()
    if page.locator("#classify-k input[type=range]").input_value() != str(K):
        set_slider(page, "classify-k", K)
    collection = library.open("scenes", "bundled")
    first = library.gallery("scenes").queries.encoded(numbers(collection)[0])
    voted = collection.classify(Query(picture=first), INDEX, K).shares
    expect(page.locator("#classify-neighbours .score")).to_have_text([f"{100 * share:.2f} %" for share in voted])
    return page


def shares(page: Page) -> list[str]:
    """ "4.76 %" of each neighbour."""
    page.locator("#classify-neighbours .tile").first.wait_for()
    return page.locator("#classify-neighbours .score").all_inner_texts()


def test_a_held_out_picture_has_a_verdict_and_shares_that_add_up(tab):
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_contain_text(re.compile(r"truth: .* (right|wrong)"))
    percent = [float(share.removesuffix(" %")) for share in shares(tab)]
    assert len(percent) == 20 and percent == sorted(percent, reverse=True)
    assert sum(percent) == pytest.approx(100, abs=0.2)  # each is rounded to 0.01
    guess = verdict.locator("b").first.inner_text()
    best = tab.locator("#classify-bars .name").first.inner_text().removesuffix(" ✓")
    assert guess == best
    expect(tab.locator("#classify-bars h2")).to_have_text(
        [
            "By the vote of 20 neighbours",
            "By class names",
            "Angles to the query",
        ]
    )


def test_an_uploaded_picture_has_no_truth_and_a_plain_vote_counts_each_once(tab, library, tmp_path):
    (tmp_path / "query.webp").write_bytes(library.gallery("scenes").pictures.encoded(5))
    tab.get_by_test_id("Your picture-upload-button").set_input_files(tmp_path / "query.webp")
    expect(tab.locator("#query")).to_contain_text("your picture")
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_contain_text("of the vote")
    expect(verdict).not_to_contain_text("truth")
    tab.get_by_label(PLAIN).check()
    expect(tab.locator("#classify-neighbours .score").first).to_have_text("5.00 %")
    assert set(shares(tab)) == {"5.00 %"}
    tab.locator("#classify-neighbours .tile").nth(1).click()  # a neighbour can be searched with, as any result
    expect(tab.locator("#query")).to_contain_text(re.compile(r"picture [\d,]+ of scenes"))
    expect(verdict).to_contain_text("truth")


def test_the_verdict_follows_the_sidebar_and_the_tab_of_the_query(tab):
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_be_visible()
    choose(tab, "Encoder", "resnet18")  # not built: what another encoder said must not stay
    expect(tab.locator("#classify-verdict .verdict")).to_have_count(0)
    choose(tab, "Encoder", "bundled")
    expect(verdict).to_be_visible()
    open_tab(tab, "Image search")
    remove_picture(tab)
    expect(tab.locator("#query")).to_contain_text("No query yet")
    open_tab(tab, "Classify")
    expect(tab.locator("#classify-verdict")).to_contain_text("There is no query yet")
    expect(verdict).to_have_count(0)


def test_a_number_of_neighbours_counts_at_once(tab):
    assert len(shares(tab)) == 20
    set_slider(tab, "classify-k", 7)
    expect(tab.locator("#classify-neighbours .tile")).to_have_count(7)

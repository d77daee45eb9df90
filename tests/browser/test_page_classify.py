"""The Classify tab in a browser: the vote, its shares, and the truth."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def tab(browser_page) -> Page:
    browser_page.get_by_role("tab", name="Classify").click()
    return browser_page


def choose_encoder(page: Page, name: str) -> None:
    page.get_by_label("Encoder", exact=True).click()
    page.get_by_role("option", name=name, exact=True).click()


def captions(page: Page) -> list[str]:
    page.locator("#classify-neighbours .thumbnail-item").first.wait_for()
    return page.locator("#classify-neighbours .caption-label").all_inner_texts()


def test_a_held_out_picture_has_a_verdict_and_shares_that_add_up(tab):
    tab.locator("#classify-surprise").click()
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_contain_text(re.compile(r"truth: .* (right|wrong)"))
    shares = [float(caption.split(" %")[0]) for caption in captions(tab)]
    assert len(shares) == 20 and shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)  # each is rounded to 0.01
    guess = verdict.locator("b").first.inner_text()
    best = tab.locator("#classify-bars .name").first.inner_text().removesuffix(" ✓")
    assert guess == best
    expect(tab.locator("#classify-bars h4")).to_have_text(["By the vote of 20 neighbours", "By class names"])


def test_an_uploaded_picture_has_no_truth_and_a_plain_vote_counts_each_once(tab, library, tmp_path):
    (tmp_path / "query.webp").write_bytes(library.gallery("scenes").pictures.encoded(5))
    tab.locator("#classify-picture input[type=file]").set_input_files(tmp_path / "query.webp")
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_contain_text("of the vote")
    assert "truth" not in verdict.inner_text()
    tab.get_by_label("plain: each counts once").check()
    expect(tab.locator("#classify-neighbours .caption-label").first).to_have_text(re.compile(r"^\s*5\.00 %"))
    assert all(caption.strip().startswith("5.00 %") for caption in captions(tab))


def test_the_verdict_follows_the_sidebar_and_goes_with_the_picture(tab):
    tab.locator("#classify-surprise").click()
    expect(tab.locator("#classify-verdict .verdict")).to_be_visible()
    choose_encoder(tab, "resnet18")  # not built: what another encoder said must not stay
    expect(tab.locator("#classify-verdict")).to_be_empty()
    choose_encoder(tab, "bundled")
    expect(tab.locator("#classify-verdict .verdict")).to_be_visible()
    tab.locator("#classify-picture").get_by_label("Remove Image").or_(tab.get_by_label("Clear")).first.click()
    expect(tab.locator("#classify-verdict")).to_be_empty()
    expect(tab.get_by_test_id("toast-body")).to_have_count(0)


def test_a_typed_number_of_neighbours_counts_when_the_visitor_goes_on(tab):
    tab.locator("#classify-surprise").click()
    assert len(captions(tab)) == 20
    number = tab.locator("#classify-k input[type=number]")
    number.fill("7")
    number.press("Tab")
    expect(tab.locator("#classify-neighbours .caption-label")).to_have_count(7)


def test_on_a_mobile_phone_the_verdict_comes_before_the_settings(visit, page_url):
    page = visit.open(page_url, size=(390, 2400))
    page.get_by_role("tab", name="Classify").click()
    page.locator("#classify-surprise").click()
    page.locator("#classify-neighbours .thumbnail-item").first.wait_for()
    parts = [page.locator(f"#classify-{part}") for part in ("run", "verdict", "settings", "neighbours")]
    tops = [part.bounding_box()["y"] for part in parts]
    assert tops == sorted(tops)


def test_moving_a_slider_before_there_is_a_picture_says_nothing(tab):
    tab.locator("#classify-temperature input[type=range]").press("ArrowRight")
    tab.locator("#classify-run").click()
    toast = tab.get_by_test_id("toast-body")
    expect(toast).to_have_count(1)  # the button's, not the slider's
    expect(toast).to_contain_text("no picture to search with")

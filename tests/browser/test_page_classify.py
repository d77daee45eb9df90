"""The Classify tab in a browser: the vote, its shares, and the truth."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def tab(browser_page) -> Page:
    browser_page.get_by_role("tab", name="Classify").click()
    return browser_page


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


def test_an_uploaded_picture_has_no_truth_and_a_plain_vote_counts_each_once(tab, engine, tmp_path):
    (tmp_path / "query.webp").write_bytes(engine.gallery("scenes").pictures.encoded(5))
    tab.locator("#classify-picture input[type=file]").set_input_files(tmp_path / "query.webp")
    verdict = tab.locator("#classify-verdict .verdict")
    expect(verdict).to_contain_text("of the vote")
    assert "truth" not in verdict.inner_text()
    tab.get_by_label("plain: each counts once").check()
    expect(tab.locator("#classify-neighbours .caption-label").first).to_have_text(re.compile(r"^\s*5\.00 %"))
    assert all(caption.strip().startswith("5.00 %") for caption in captions(tab))


def test_moving_a_slider_before_there_is_a_picture_says_nothing(tab):
    tab.locator("#classify-temperature input[type=range]").press("ArrowRight")
    tab.locator("#classify-run").click()
    toast = tab.get_by_test_id("toast-body")
    expect(toast).to_have_count(1)  # the button's, not the slider's
    expect(toast).to_contain_text("no picture to search with")

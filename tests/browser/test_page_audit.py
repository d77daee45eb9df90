"""The Audit tab: who presses its button while another audit goes on reads why none starts."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from searchdemo.collection.progress import Progress
from searchdemo.ui.audit import auditing, tab
from tests.browser.tools import open_tab


@pytest.fixture
def endless(monkeypatch):
    """An audit goes on until somebody cancels it."""

    def audit(collection, report):
        while True:
            time.sleep(0.02)
            report(Progress("reading", 1, 3, 1))

    monkeypatch.setattr(auditing, "audit", audit)
    monkeypatch.setattr("searchdemo.ui.waiting.TICK_S", 0.05)
    yield
    tab.AUDITING.cancel()


def test_a_second_audit_is_refused_beside_the_progress_of_the_first(visit, page_url, endless):
    page = visit.open(page_url)
    open_tab(page, tab.TITLE)
    page.locator("#audit-go").click()
    expect(page.locator("#audit-status")).to_contain_text("reading: 1 of 3")
    other = visit.open(page_url)
    for one in (page, other):  # who started it, and somebody else
        one.bring_to_front()
        open_tab(one, tab.TITLE)
        one.locator("#audit-go").click()
        expect(one.locator("#audit-refused")).to_contain_text("A second audit would slow it")
        one.wait_for_timeout(500)  # ten signs of life
        assert "A second audit would slow it" in one.locator("#audit-refused").inner_text()
        expect(one.locator("#audit-status")).to_contain_text("reading: 1 of 3")
        expect(one.locator("#audit-cancel")).to_be_visible()
    other.locator("#audit-cancel").click()
    for one in (page, other):
        one.bring_to_front()
        expect(one.locator("#audit-status")).to_contain_text("was cancelled while reading")
        expect(one.locator("#audit-refused")).to_have_text("")
        expect(one.locator("#audit-cancel")).to_be_hidden()

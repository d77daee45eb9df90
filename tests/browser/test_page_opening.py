"""What the page asks of its server: the open tab alone, and each tab when it is opened, not a second time."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.tools import choose, open_tab


class Asked:
    """How often answers were asked for an element, by its elem_id."""

    def __init__(self, page: Page, url: str):
        config = page.request.get(f"{url}/config").json()
        names = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
        self._filled = {one["id"]: [names[output] for output in one["outputs"]] for one in config["dependencies"]}
        self._asked: list[list[str | None]] = []
        page.on("request", self.note)

    def note(self, request: Request) -> None:
        if request.method == "POST" and "/gradio_api/" in request.url:
            self._asked.append(self._filled[json.loads(request.post_data or "")["fn_index"]])

    def since(self, *elem_ids: str) -> list[int]:
        """Times since the last call."""
        asked, self._asked = self._asked, []
        return [sum(elem_id in filled for filled in asked) for elem_id in elem_ids]


@pytest.fixture
def asked(window, page_url):
    asked = Asked(window, page_url)
    yield asked
    window.remove_listener("request", asked.note)


def test_a_tab_is_asked_for_when_it_is_opened_and_again_only_for_other_vectors(visit, asked, page_url):
    page = visit.open(page_url)
    expect(page.locator("#image-results .tile:not(.missed)")).to_have_count(12)
    dots = page.locator("#tradeoffs-plot .dot")
    once = ("tradeoffs-encoders", "tradeoffs-plot", "tradeoffs-found", "latency-subject")
    assert asked.since("image-results", "image-examples", *once) == [1, 1, 0, 0, 0, 0]

    open_tab(page, "Trade-offs")
    dots.first.wait_for()
    expect(page.locator("#tradeoffs-found")).to_contain_text("Neighbours name the class")
    assert asked.since("image-results", *once) == [0, 1, 1, 1, 0]

    name = (dots.nth(3).get_attribute("aria-label") or "").split(" (")[0]
    expect(page.locator("#tradeoffs-winner")).not_to_contain_text(name)
    dots.nth(3).click(force=True)
    expect(page.locator("#tradeoffs-winner")).to_contain_text(name)
    open_tab(page, "Latency")
    expect(page.locator("#latency-subject")).to_contain_text("2,000 vectors of scenes by bundled")
    open_tab(page, "Trade-offs")
    expect(page.locator("#tradeoffs-winner")).to_contain_text(name)
    choose(page, "Encoder", "resnet18")
    expect(page.locator("#tradeoffs-encoders tr.chosen")).to_contain_text("resnet18")
    expect(page.locator("#tradeoffs-warning")).to_contain_text("No run of scenes × resnet18")
    assert asked.since("image-results", *once) == [0, 1, 1, 1, 1]

    open_tab(page, "Latency")
    expect(page.locator("#latency-subject")).to_contain_text("'resnet18' is not built for this gallery")

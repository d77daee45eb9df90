"""The page for everybody: axe finds nothing serious on any tab, and every width shows all of it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from searchdemo.ui.demo import TABS
from tests.browser.tools import open_tab, search_words

WIDTHS = (390, 768, 820, 1440)
SERIOUS = {"serious", "critical"}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # all else is the same in both themes
RUN = """options => axe.run({resultTypes: ["violations"], ...options}).then(found => found.violations.map(
  ({id, impact, nodes}) => ({id, impact, nodes: nodes.map(({target, html}) => ({target, html}))})))"""
OURS = {"heading-order"}  # axe calls it moderate
# gradio's own, which no option of it changes: a label of the sliders' numbers, the wrapper of a radio group.
NOT_OURS: set[str] = set()


def violations(page: Page, options: dict) -> list[str]:
    """ "color-contrast: .badge b" of each serious fault that stays: an answer is dimmed while the next one is made."""
    found = serious(page, options)
    return serious(page, options, after_ms=1500) if found else []


def serious(page: Page, options: dict, after_ms: int = 0) -> list[str]:
    page.wait_for_timeout(after_ms)
    page.wait_for_function("!document.querySelector('[data-testid=status-tracker]:not(.hide)')")
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate(RUN, options)  # violations alone: all that axe has to say takes seconds to hand over
    return [
        f"{fault['id']}: {node['target'][0]} {node['html'][:120]}"
        for fault in found
        if (fault["impact"] in SERIOUS or fault["id"] in OURS) and fault["id"] not in NOT_OURS
        for node in fault["nodes"]
    ]


def test_axe_finds_nothing_serious_on_any_tab(visit, page_url):
    page = visit.open(f"{page_url}/?__theme=light", size=(1280, 1400))
    page.locator("#image-results .tile").first.wait_for()
    page.add_style_tag(content="* { transition: none !important }")  # a colour on its way from one theme to the other
    wrong = []
    for tab in TABS:
        open_tab(page, tab.TITLE)
        page.wait_for_timeout(300)
        for dark, rules in ((False, {}), (True, COLOURS)):
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)  # as __theme does
            wrong += [f"{tab.TITLE}, {'dark' if dark else 'light'}: {fault}" for fault in violations(page, rules)]
    assert wrong == []


def test_screen_readers_are_told_in_words(visit, page_url):
    page = visit.open(page_url)
    page.locator("#image-results .tile").first.wait_for()
    search_words(page, "red")
    expect(page.locator(".sr-only[role=status]")).to_have_text("Complete")


def test_menus_close_when_the_focus_moves_on(visit, page_url):
    page = visit.open(page_url, size=(768, 1000))
    page.locator("#image-results .tile").first.wait_for()
    sidebar, button = page.locator("#sidebar.open"), page.locator("#sidebar .toggle-button")
    expect(sidebar).to_have_count(0)
    button.click()
    options = page.get_by_role("option")
    page.get_by_label("Gallery", exact=True).click()
    expect(options.first).to_be_visible()
    page.keyboard.press("Escape")  # the list alone
    expect(options).to_have_count(0)
    expect(sidebar).to_have_count(1)
    page.get_by_label("Index", exact=True).click()
    expect(options.first).to_be_visible()
    page.locator("#k input[type=number]").focus()  # as Tab does
    expect(options).to_have_count(0)
    slider = page.locator("#k input[type=range]")
    slider.press("ArrowRight")
    expect(slider).to_have_value("13")
    expect(page.locator("#image-results .tile:not(.missed)")).to_have_count(13)  # in sight beside the sidebar
    assert page.locator("#sidebar").bounding_box()["width"] <= 320
    slider.press("Escape")
    expect(sidebar).to_have_count(0)
    for leave in (lambda: page.locator("#surprise").focus(), lambda: page.mouse.click(700, 900)):
        button.click()
        expect(sidebar).to_have_count(1)
        leave()
        expect(sidebar).to_have_count(0)


def test_at_every_width_all_tabs_are_in_sight_and_nothing_is_wider(visit, page_url):
    page = visit.open(page_url, size=(WIDTHS[0], 1400))  # the narrowest: the sidebar is folded when the page opens
    page.locator("#image-results .tile").first.wait_for()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1400})
        if width >= 1024:
            page.locator("#sidebar .toggle-button").click()  # as it stands there when the page is opened
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        for tab in TABS:
            open_tab(page, tab.TITLE)  # fails where something lies over it
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, tab.TITLE)
        search_words(page, "red")
        expect(page.locator("#text-answer")).to_contain_text("This text became")  # else the tiles are those before
        tile = page.locator("#text-results .tile").first
        expect(tile).to_be_visible()
        tile.press("Enter")  # by the keyboard
        expect(page.locator("#query")).to_contain_text("of scenes")

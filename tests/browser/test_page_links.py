"""Every view has a link that opens it again: what a link sets stands on the page, and its own link says the same."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.tools import copied_link

SIDEBAR = {"gallery": "scenes", "encoder": "bundled", "index": "ivf", "k": "5"}
# The values of a link, and what shows that the page has taken them: a locator, and the text or the value that it has.
VIEWS: dict[str, tuple[dict, dict[str, str]]] = {
    "a held-out picture, another index, a filter": (
        {"picture": "9", "index": "ivfpq", "nprobe": "600", "where": "row < 900", "tab": "Image search"},
        {
            "#query": "held-out picture 9 of scenes",
            "#image-answer": "900 pictures that meet the filter",
            "#nprobe input[type=number]": "600",
        },
    ),
    "words by another template": (
        {"text": "blue & white", "template": "a drawing of a {}", "tab": "Text search"},
        {
            "#query": "“blue & white”",
            "#words textarea, #words input": "blue & white",
            "#text-answer": "This text became",
        },
    ),
    "a picture, less of another, a part": (
        {
            "row": "12",
            "text": "#picture - 0.5: #40",
            "box": "0.1,0.2,0.5,0.5",
            "where": "row < 900",
            "tab": "Image search",
        },
        {
            "#query .term >> nth=1": "#40",
            "#image-answer": "This sum of 2 terms became",
            ".box-tools output": "50 % × 50 %",
        },
    ),
    "a vote": (
        {"row": "12", "votes": "7", "vote": "plain: each counts once", "temperature": "0.2", "tab": "Classify"}
        | {"max_degrees": "89"},
        {
            "#query": "picture 12 of scenes",
            "#classify-bars": "By the vote of 7 neighbours",
            "#classify-temperature input[type=number]": "0.2",
            "#classify-degrees input[type=number]": "89",
            "#classify-verdict": "0 of 7 neighbours lie beyond 89°",
            ".angles": "The line is at 89° (1.553 rad)",
        },
    ),
    "a place on the map": (
        {"picture": "9", "index": "hnsw", "ef_search": "100", "map": "0.4000,0.6000,3.00", "tab": "Map"},
        {"#map-line": "hnsw with ef_search 100", ".map-effort output": "of 2,000 vectors"},
    ),
    "the settings of a race": (
        {
            "picture": "9",
            "indexes": ["flat", "lsh"],
            "size": "1000",
            "batch": "2",
            "repeats": "7",
            "nprobe": "3",
            "tab": "Latency",
        },
        {"#latency-size input": "1,000", "#latency-repeats input": "7", "#latency-subject": "2,000 vectors of scenes"},
    ),
    "a choice of an index": (
        {
            "picture": "9",
            "least_recall": "0.9",
            "most_ms": "0.5",
            "most_mb": "30",
            "against": "megabytes",
            "card": "shipped:tiny-imagenet/bundled/tradeoff.json",
            "tab": "Trade-offs",
        },
        {"#tradeoffs-recall input[type=number]": "0.9", "#tradeoffs-mb textarea, #tradeoffs-mb input": "30"},
    ),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_link_opens_the_view_and_the_view_has_this_link(visit, page_url, view):
    asked, shown = VIEWS[view]
    asked = SIDEBAR | asked
    page = visit.open(f"{page_url}/?{urlencode(asked, doseq=True)}")
    for place, said in shown.items():
        found = page.locator(place).first
        field = found.evaluate("one => one.matches('input, textarea')")
        (expect(found).to_have_value if field else expect(found).to_contain_text)(said)
    expect(page.get_by_role("tab", selected=True)).to_have_text(asked["tab"])
    expect(page.locator("#link-notice")).to_be_hidden()
    if view == "a place on the map":
        page.locator(".map[data-zoom='3.00']").wait_for(state="attached")
    if view == "a vote":
        expect(
            page.locator("#classify-temperature input[type=number]")
        ).to_be_disabled()  # it counts for the other vote
    copied = parse_qs(urlsplit(copied_link(page)).query)
    given = {name: value if isinstance(value, list) else [value] for name, value in asked.items()}
    assert {name: sorted(copied.get(name, [])) for name in given} == {name: sorted(given[name]) for name in given}
    assert not copied.keys() - given.keys() - {"template"}


BAD = {
    "k": ("0", "k = '0' is out of bounds, 12 is used"),
    "nprobe": ("5000", "nprobe = '5000' is out of bounds, 16 is used"),
    "encoder": ("nobody", "encoder = 'nobody' is not offered"),
    "index": ("faiss:Flat", "index = 'faiss:Flat' is not offered"),
    "where": ("label ==", "The filter cannot be used, at character 9"),
    "picture": ("9" * 5000, "is none of the"),
    "box": ("0,0,2,2", "All of the picture is searched with. The box 0,0,2,2 does not lie"),
    "template": ("no place", "template = 'no place' has no {} for the words"),
    "map": ("0.5,0.5,0", "map = '0.5,0.5,0' is not x,y,zoom"),
    "indexes": ("nothing", "indexes = 'nothing' is not offered"),
    "size": ("17", "size = '17' is not offered"),
    "repeats": ("many", "repeats = 'many' is out of bounds"),
    "vote": ("loud", "vote = 'loud' is not offered"),
    "temperature": ("0", "temperature = '0' is out of bounds"),
    "max_degrees": ("nan", "max_degrees = 'nan' is out of bounds, 180.0 is used"),
    "most_ms": ("fast", "most_ms = 'fast' is not a number"),
    "card": ("../x", "card = '../x' is not on this machine"),
    "tab": ("Nowhere", "There is no tab 'Nowhere'"),
}


def test_each_bad_value_of_a_link_is_told_and_the_usual_one_used(visit, page_url):
    page: Page = visit.open(f"{page_url}/?{urlencode({name: value for name, (value, _) in BAD.items()})}")
    notice = page.locator("#link-notice")
    for _, said in BAD.values():
        expect(notice).to_contain_text(said)
    expect(page.locator("#nprobe input[type=range]")).to_have_value("16")
    expect(page.locator("#where textarea, #where input").first).to_have_value("")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Image search")
    page.locator("#surprise").click()
    expect(page.locator("#image-results .tile:not(.missed)")).to_have_count(12)


def test_good_values_beside_bad_ones_are_used(visit, page_url):
    page = visit.open(f"{page_url}/?row=12&tab=Classify&votes=7&nprobe=9999&encoder=nobody&k=x&card=nothing")
    expect(page.locator("#classify-neighbours .tile")).to_have_count(7)
    expect(page.locator("#query")).to_contain_text("picture 12 of scenes")
    notice = page.locator("#link-notice")
    for said in (
        "nprobe = '9999' is out of bounds, 16 is used",
        "encoder = 'nobody' is not offered",
        "k = 'x' is out",
        "card = 'nothing' is not on this machine",
    ):
        expect(notice).to_contain_text(said)

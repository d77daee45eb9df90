"""What a visitor does while the page is at work: further queries, a build cancelled, words typed as a tab opens."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect

from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.encoders.table import find
from searchdemo.ui.components.templates import render
from searchdemo.ui.examples import numbers
from searchdemo.ui.page import INDEX
from tests.browser.tools import (
    LateAnswers,
    choose,
    copied_link,
    expect_tiles,
    found,
    open_tab,
    results,
    search_words,
    set_slider,
)


@pytest.fixture
def held_up(monkeypatch):
    """(searching, go_on): while go_on is not set a search waits, and it has set searching before."""
    searching, go_on, search = threading.Event(), threading.Event(), Collection.search
    go_on.set()

    def patient(*given, **options):
        searching.set()
        return go_on.wait(200) and search(*given, **options)

    monkeypatch.setattr(Collection, "search", patient)
    yield searching, go_on
    go_on.set()


def test_what_comes_during_a_search_is_searched_next(as_opened, library, held_up):
    page, (searching, go_on) = as_opened, held_up
    results(page, "image")
    examples = page.locator("#image-examples .tile")
    for event in held_up:
        event.clear()
    examples.nth(1).click()
    assert searching.wait(200)
    examples.nth(2).click()
    page.wait_for_timeout(500)  # for the click to reach the search at work; too short a wait finds less, never too much
    go_on.set()
    name = examples.nth(2).locator(".caption").inner_text()
    expect(page.locator("#image-answer")).to_contain_text(f"class {name}")

    search_words(page, "blue")
    expect(page.locator("#query")).to_contain_text("“blue”")
    results(page, "text")
    for event in held_up:
        event.clear()
    for k in (5, 4):
        set_slider(page, "k", k)
        assert searching.wait(200)
    page.wait_for_timeout(500)
    go_on.set()
    expect(page.locator("#text-results .tile:not(.missed)")).to_have_count(4)


def test_a_tile_is_what_it_shows_while_the_answer_that_replaces_it_is_on_its_way(as_opened, library):
    page, scenes, first = as_opened, library.open("scenes", "bundled"), numbers(library.open("scenes", "bundled"))[0]
    asked = Query(picture=library.gallery("scenes").queries.encoded(first))
    before = [hit.row for hit in scenes.search(asked, "ivf", 12).hits]
    after = [hit.row for hit in scenes.search(Query(row=before[1]), "ivf", 12).hits]
    assert before[5] != after[5]
    found = page.locator("#image-results .tile:not(.missed)")
    with LateAnswers(page, f'"row":{before[1]}') as late:
        found.nth(1).click()
        late.wait()
        found.nth(5).click()
        found.nth(5).locator("xpath=..").get_by_role("button", name="Enlarge").click(force=True)
        expect(page.locator("#enlarged .why button")).to_have_attribute("data-row", str(before[5]))
        page.keyboard.press("Escape")
    expect(page.locator("#query")).to_contain_text(f"picture {before[5]:,} of scenes")


def test_while_an_index_is_built_the_open_tab_says_so_and_it_can_be_cancelled(as_opened, monkeypatch):
    page, built, build = as_opened, threading.Event(), Collection.index
    results(page, "image")
    monkeypatch.setattr(Collection, "has_index", lambda self, name: name == INDEX or built.is_set())

    def held_back(collection, name, *told):
        return (name == INDEX or built.wait(200)) and build(collection, name)

    monkeypatch.setattr(Collection, "index", held_back)
    choose(page, "Index", "flat")
    line = page.locator("#image-answer")
    expect(line).to_contain_text("Building the index flat once")
    line.get_by_role("button", name="Cancel").click()
    expect(line).to_contain_text("The build of flat was cancelled")
    set_slider(page, "k", 11)
    expect(line).to_contain_text("Building the index flat once")
    choose(page, "Index", INDEX)  # which is there: nobody waits for the other any more
    expect(line).to_contain_text("ivf found the 11 nearest")
    choose(page, "Index", "flat")
    expect(line).to_contain_text("Building the index flat once")
    built.set()
    expect(line).to_contain_text("Exact: the query was compared with every vector")


HOLD_FRAMES = """() => {
  window.held = [];
  window.frame = requestAnimationFrame;
  window.requestAnimationFrame = (run) => held.push(run);
}"""
LET_GO = """async () => {
  window.requestAnimationFrame = frame;
  held.splice(0).forEach((run) => run(performance.now()));
  await new Promise((done) => frame(() => frame(done)));
}"""


def test_words_that_are_typed_while_their_tab_opens_stay_and_a_link_brings_the_view_back(browser_page, visit):
    """gradio sets the fields of a tab once more, a frame after they are there."""
    page = browser_page
    results(page, "image")
    set_slider(page, "k", 5)
    page.evaluate(HOLD_FRAMES)  # a slow machine
    open_tab(page, "Text search")
    words = page.get_by_label("Words")
    words.fill("blue & white")
    page.evaluate(LET_GO)
    words.press("Enter")
    expect(page.locator("#text-answer")).to_contain_text("This text became")  # until then it shows the example's
    first = results(page, "text")
    page.locator("#copy-link").click()
    page.wait_for_url("**text=blue**")
    again = visit.open(page.url)
    assert results(again, "text") == first
    assert again.get_by_label("Words").input_value() == "blue & white"
    expect(again.locator("#k input[type=range]")).to_have_value("5")
    expect(again.get_by_role("tab", selected=True)).to_have_text("Text search")


LATE_END = """() => {
  const plain = window.fetch;
  const late = {async transform(text, on) {
    for (const one of text.split(/(?<=\\n\\n)/)) {
      if (one.includes('"close_stream"')) await new Promise((go) => setTimeout(go, 700));
      on.enqueue(one);
    }
  }};
  window.fetch = async (...asked) => {
    const answer = await plain(...asked);
    if (!String(asked[0].url ?? asked[0]).includes('/queue/data')) return answer;
    const told = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream(late));
    return new Response(told.pipeThrough(new TextEncoderStream()), answer);
  };
}"""


def test_what_is_asked_for_as_the_stream_of_answers_ends_is_answered(browser_page):
    """gradio ends it with the last event; the end comes late here, and a second event finds the stream still open."""
    page = browser_page
    results(page, "image")
    page.evaluate(LATE_END)
    for k in (5, 6, 7):
        set_slider(page, "k", k)
        assert f"k={k}" in copied_link(page)


def test_an_example_text_is_what_it_says_also_after_another_gallery_was_chosen(as_opened, library):
    page = as_opened
    open_tab(page, "Text search")
    for gallery in ("scenes", "tiny-imagenet", "scenes"):
        choose(page, "Gallery", gallery)
        for text in library.gallery(gallery).example_texts[:2]:
            page.locator("#text-examples").get_by_text(text, exact=True).click()
            expect(page.get_by_label("Words")).to_have_value(text)


def test_a_weight_that_is_dragged_while_a_term_is_on_its_way_stays_as_the_term_does(as_opened, library):
    page, prompt = as_opened, find("bundled").prompt
    results(page, "image")
    picture = library.gallery("scenes").queries.encoded(numbers(library.open("scenes", "bundled"))[0])
    more, terms = page.get_by_label("Add terms to the query"), page.locator("#query .term")
    weights = terms.get_by_role("slider")
    with LateAnswers(page, '"#picture + blue"') as late:
        more.fill("blue")
        more.press("Enter")
        late.wait()
        weights.first.fill("0.5")
        open_tab(page, "Text search")
        expect(page.get_by_label("Words")).to_have_value("0.5: #picture + blue")
        open_tab(page, "Image search")
    expect(terms).to_have_count(2)
    expect(weights.first).to_have_value("0.5")
    query = Query(picture=picture, text="0.5: #picture + blue", prompt=prompt)
    expect_tiles(page, "image", found(library, query))

    with LateAnswers(page, '"0.5: #picture + blue + red"') as late:
        more.fill("red")
        more.press("Enter")
        late.wait()
        weights.nth(1).fill("-0.3")
        more.fill("- green")
        more.press("Enter")  # made of all that the visitor did before
    expect(terms).to_have_count(4)
    text = "0.5: #picture - 0.3: blue + red - green"
    expect_tiles(page, "image", found(library, Query(picture=picture, text=text, prompt=prompt)))
    open_tab(page, "Text search")
    expect(page.get_by_label("Words")).to_have_value(text)

    with LateAnswers(page, '"words that take the place of it"') as late:
        page.get_by_label("Words").fill("words that take the place of it")
        page.get_by_label("Words").press("Enter")
        late.wait()
        weights.first.fill("2")
    expect(terms).to_have_count(1)
    expect(weights.first).to_have_value("1")


TWO_STREAMS = """async (script) => {
  const streams = [], joins = [];
  const plain = window.fetch;
  window.fetch = (url, options) => new Promise((answer, fail) => {
    if (url.endsWith('/queue/join')) return joins.push((id) => answer(new Response(JSON.stringify({event_id: id}))));
    options.signal.addEventListener('abort', () => fail(new Error('aborted')));
    const body = new ReadableStream({start: (on) => streams.push(on)});
    answer(new Response(body));
  });
  eval(script)();
  const open = async () => {
    const end = new AbortController(), {body} = await fetch('http://a/queue/data', {signal: end.signal});
    (async () => { for await (const _ of body); })();
    return end;
  };
  const asked = fetch('http://a/queue/join', {});
  const first = await open();
  streams[0].enqueue(new TextEncoder().encode('data: {"msg":"process_completed","event_id":"e1"}\\n\\n'));
  await new Promise((go) => setTimeout(go, 50));
  first.abort();
  await open();
  joins[0]('e1');  // what was told of before its answer came, while another stream is open by now
  const won = await Promise.race([asked.then(() => 'answered'), new Promise((go) => setTimeout(go, 5000, 'waits'))]);
  window.fetch = plain;
  return won;
}"""


def test_what_an_earlier_stream_told_of_is_not_waited_for(window):
    window.goto("about:blank")
    assert window.evaluate(TWO_STREAMS, f"({render('stream.js')})") == "answered"

"""HTML of the page is made in one place, which escapes: markup in any name, caption, label or error stays text."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.taken_in import take_in
from searchdemo.errors import BadQuery
from searchdemo.ui import status
from searchdemo.ui.components import templates
from searchdemo.ui.components.messages import as_message, hint, refusal_html
from searchdemo.ui.components.placeholder import placeholder
from searchdemo.ui.components.templates import element, render
from searchdemo.ui.components.tiles import result_tiles
from searchdemo.ui.origin import WORDS, Origin
from searchdemo.ui.strip import strip_html
from searchdemo.ui.tradeoffs.view import warning_html

UI = Path(templates.__file__).parents[1]
EVIL = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "\"><svg onload='alert(1)'>",
    "' autofocus onfocus='alert(1)",
    "</textarea></title></style><b>x",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;img src=x onerror=alert(1)&gt;",
)


class Tags(HTMLParser):
    """Collects what a browser would make of a text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.handlers += [value for _, value in attributes if value and value.lower().startswith("javascript:")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("evil", EVIL)
def test_a_sentence_with_markup_stays_a_sentence(evil):
    for make in (hint, refusal_html, warning_html, status.panel_html, lambda said: element("div", said, title=said)):
        seen = Tags(make(evil))
        assert len(seen.tags) == 1 and seen.text == evil and not [one for one in seen.handlers if one != evil]


def test_a_command_in_backticks_is_code_and_stays_text():
    assert templates.sentence("Run `searchdemo list` & `x <y>`, not `") == (
        "Run <code>searchdemo list</code> &amp; <code>x &lt;y&gt;</code>, not `"
    )
    shown = '<p class="{}">run <code>a</code></p>'
    assert hint("run `a`") == shown.format("hint")
    assert warning_html("run `a`") == shown.format('panel warning" role="status')
    assert refusal_html("run `a`") == shown.format('refusal" role="status')
    assert not Tags(element("b", "`a`")).tags.count("code")  # a name of somebody else's is no command


@pytest.mark.parametrize("evil", EVIL)
def test_an_error_with_markup_stays_a_message(evil):
    with pytest.raises(gr.Error) as shown, as_message():
        raise BadQuery(evil)
    seen = Tags(shown.value.message)
    assert seen.tags == [] and seen.text == evil


@pytest.mark.parametrize("evil", EVIL)
def test_names_of_classes_and_files_with_markup_stay_names(evil, world):
    world.change(class_names=(evil,) * 3, label_names=(evil, f"{evil}1", f"{evil}2"))
    result = world.built().open("colours", "mean-colour").search(Query(text="red"), "flat", k=5)
    tiles = result_tiles(result, evil)
    seen = Tags(render("tiles.html", tiles=tiles, heading=evil, enlarges=True))
    assert "img" in seen.tags and evil in seen.text
    assert not {"script", "b"} & {*seen.tags} and seen.handlers == [] and seen.tags.count("svg") == 0
    assert "<" not in placeholder(evil).partition(",")[2]  # percent-encoded within a data: URL


@pytest.mark.parametrize("evil", EVIL)
def test_chips_of_terms_with_markup_stay_text(evil):
    seen = Tags(strip_html(None, Origin(WORDS), f"{evil} + 2: {evil}", said=evil))
    assert seen.tags.count("li") == 2 and seen.text.count(evil) == 5
    assert [one for one in seen.handlers if evil not in one] == []
    assert not {"script", "svg", "img"} & {*seen.tags}


@pytest.mark.parametrize("evil", EVIL)
def test_what_came_with_vectors_of_somebody_else_stays_text(evil, store, tmp_path, monkeypatch):
    np.save(tmp_path / "v.npy", np.eye(8, dtype=np.float32))
    rows = [{"id": f"{evil}{n}", "label": [evil, f"{evil}2"], "caption": evil, "class_name": evil} for n in range(8)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    take_in(store, "theirs", tmp_path / "v.npy", tmp_path / "rows.jsonl")
    result = Library(store).open("vectors:theirs", "bundled").search(Query(row=0), "flat", k=5)
    seen = Tags(render("tiles.html", tiles=result_tiles(result, evil), heading=evil, enlarges=True))
    assert evil in seen.text and not {"script", "b"} & {*seen.tags}
    assert seen.handlers == [] and seen.tags.count("svg") == 0


def test_no_other_place_makes_html():
    """An f-string with a tag in it, `|safe`, and gr.Markdown would be other ways."""
    for path in sorted(UI.rglob("*.py")):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.JoinedStr):
                fixed = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                assert not re.search(r"</?[a-z]+[\s>/]", fixed), f"{path}:{node.lineno}"
        assert not re.search(r"gr\.(Markdown|Info|Warning)\(", source), path
        assert path == Path(templates.__file__) or "Markup(" not in source, path


def test_no_template_and_no_script_lets_markup_through():
    assert templates._ENVIRONMENT.autoescape is True
    for path in sorted((UI / "templates").iterdir()):
        text = path.read_text()
        for own in ("one.picture", "refresh", "png"):  # what `render` made, and base64 of our own
            text = text.replace(f"{{{{ {own} | safe }}}}", "")
        assert not re.search(r"\|\s*safe|autoescape\s+false|insertAdjacentHTML|outerHTML|document\.write", text), path
        for assigned in re.findall(r"\.innerHTML\s*\+?=\s*(.*)", text):
            assert re.fullmatch(r"`<path d=\"\$\{path\(1\)\}\"/>.*`;", assigned), path  # numbers alone

"""Links that reproduce a view: written by "Copy link", read when the page is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from searchdemo.collection.box import box_of
from searchdemo.collection.terms import PICTURE as PICTURE_TERM
from searchdemo.collection.terms import Term, parse, written
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.ui.components.messages import hint
from searchdemo.ui.components.templates import render
from searchdemo.ui.examples import chosen, example
from searchdemo.ui.mine.galleries import UPLOAD
from searchdemo.ui.origin import HELD_OUT, PICTURE, ROW, Origin, names_picture
from searchdemo.ui.page import LAST, Page, filter_text
from searchdemo.ui.serving.arguments import shown as shown_value

VIEW = re.compile(
    r"(?:(?:0\.\d{1,9}|1\.0+),){2}(?!0+(\.0+)?$)\d{1,3}(\.\d{1,9})?"
)  # of the map: its middle, and how much closer
NUMBERED = {"row": ROW, "picture": HELD_OUT}  # in a link: a picture of the gallery, a held-out one


def add(page: Page, tabs: gr.Tabs, titles: Sequence[str], notice: gr.HTML) -> None:
    """Makes the button and its box where it is called. Call it when all tabs have added to page.linked.

    notice: says which values of a link could not be taken
    """
    query = page.query
    button = gr.Button("Copy link", elem_id="copy-link", size="sm")
    box = gr.Textbox(
        label="Link, copied (your picture stays here)",
        elem_id="link",
        visible="hidden",
        buttons=["copy"],
        interactive=False,
    )
    open_tab = gr.Textbox(visible="hidden", elem_id="open-tab")
    carried = {"gallery": page.gallery, "encoder": page.encoder, "index": page.index, "k": page.k}
    carried |= {"where": page.where}
    carried |= page.params | page.linked

    checks = {"where": filter_text} | page.linked_checks
    usual = {name: carried[name].value for name in (*page.params, *page.linked)}  # a link leaves these values out

    def write(*values: Any) -> str:
        *set_, text, template, origin, part, view, tab = values
        pairs = dict(zip(carried, set_, strict=True))
        pairs |= query_in_link(origin, text, template, part, str(pairs["gallery"]))
        if str(pairs["gallery"]).startswith(UPLOAD):  # it is not there for whoever follows the link
            pairs["gallery"] = None
        pairs |= {"map": view, "tab": tab}
        kept = {name: value for name, value in pairs.items() if value not in (None, "", [], usual.get(name))}
        return urlencode(kept, doseq=True)

    def read(request: gr.Request) -> list:
        """A value for each component that the link sets; others are skipped. Without a query: the first example."""
        asked, said = request.query_params, []
        values: list[object] = []
        offered = {"gallery": page.gallery_choices()}  # more than at the start: folders that were opened since
        for name, component in carried.items():
            try:
                given = asked.getlist(name)
                value = (
                    linked_param(name, component, given)
                    if name in page.params
                    else linked_value(name, component, given, offered.get(name))
                )
                if name in checks and isinstance(value, str):
                    checks[name](value)
                values.append(value)
            except (ValueError, SearchDemoError) as error:
                values.append(gr.skip())
                said.append(str(error))
        sidebar = [
            component.value if value == gr.skip() else value
            for component, value in zip([page.gallery, page.encoder], values[:2], strict=True)
        ]
        try:
            shown = linked_query(page, str(sidebar[0]), str(sidebar[1]), asked, said)
        except (SearchDemoError, ValueError) as error:
            said.append(str(error))
            shown = [gr.skip()] * len(query.shown)
        tab = asked.get("tab")
        if not query.asked.first():
            shown, tab = [gr.skip()] * len(query.shown), None
        if tab and tab not in titles:
            said.append(f"There is no tab {shown_value(tab)}.")
        opened = gr.update(selected=titles.index(tab)) if tab in titles else gr.skip()
        view = asked.get("map", "")
        if view and not VIEW.fullmatch(view):
            said.append(f"map = {shown_value(view)} is not x,y,zoom such as 0.5,0.5,2: all of it is shown.")
            view = ""
        template = asked.get("template") or gr.skip()
        if isinstance(template, str) and "{}" not in template:
            said.append(
                f"template = {shown_value(template)} has no {{}} for the words, {query.template.value!r} is used."
            )
            template = gr.skip()
        sentence = gr.update(value=hint("From the link: " + " ".join(said)) if said else "", visible=bool(said))
        return [*values, template, *shown, view, opened, sentence]

    inputs = [*carried.values(), query.text, query.template, query.origin, query.box, page.map_view, open_tab]
    # The first script adds what only the browser knows: where the map is, and the open tab.
    written = button.click(write, inputs, box, js=render("open_tab.js"), **LAST)
    shown = written.success(lambda: gr.update(visible=True), None, box, **LAST)
    shown.success(None, box, box, js=render("copy_link.js"))
    outputs = [*carried.values(), query.template, *query.shown, page.map_view, tabs, notice]
    loaded = page.demo.load(read, None, outputs, show_progress="hidden", queue=False)
    page.open_tab.opened(loaded.then)


def query_in_link(origin: Origin | None, text: str, template: str, part: str, gallery: str) -> dict[str, object]:
    """What a link says of the query; nothing of one with a picture that whoever follows it does not have: the
    visitor's own, or one of another gallery than the link opens."""
    if origin is None or origin.kind == PICTURE:
        return {}
    galleries = {origin.gallery, origin.terms_of} - {""}
    if galleries and (galleries != {gallery} or gallery.startswith(UPLOAD)):
        return {}
    numbers = {name: origin.number for name, kind in NUMBERED.items() if kind == origin.kind}
    return numbers | {"box": part, "text": text, "template": template if text else ""}


def linked_query(page: Page, gallery: str, encoder: str, asked: Mapping[str, str], said: list[str]) -> Sequence:
    """Values of query.shown that a link asks for. said: gets a sentence for each part that cannot be taken.

    Raises ValueError, SearchDemoError.
    """
    text, opened = asked.get("text", "").strip(), page.library.gallery(gallery)
    part, shown = linked_box(asked.get("box", ""), said), None
    for name, pictures, made in (
        ("row", opened.pictures, page.query.row),
        ("picture", opened.queries, page.query.held_out),
    ):
        if shown is None and (given := asked.get(name)) is not None:
            if not given.isdecimal() or len(given) > 15 or int(given) >= len(pictures):
                raise ValueError(f"{name} = {shown_value(given)} is none of the {len(pictures):,} that {gallery} has.")
            shown = made(opened, int(given))
    if shown is None:
        if part:
            said.append(f"box = {shown_value(part)} is a part of a picture, and the link has none.")
        if text:
            return page.query.edited(text, "", None, None, gallery, encoder)
        offered = chosen(page, gallery, encoder)
        return example(page, gallery, encoder, 0) if offered else [gr.skip()] * len(page.query.shown)
    picture, origin, strip, *_ = shown
    if text:
        try:
            terms = parse(text)
            text = text if names_picture(text) else written((Term(PICTURE_TERM), *terms))
            _, origin, strip, text, _ = page.query.edited(text, "", origin, None, gallery, encoder)
        except BadQuery as error:
            said.append(f"The picture alone is searched with. {error}")
            text = ""
    return picture, origin, strip, text, part


def linked_box(given: str, said: list[str]) -> str:
    """As the page has it; "" for all of the picture."""
    try:
        return str(box_of(given) or "")
    except BadQuery as error:
        said.append(f"All of the picture is searched with. {error}")
        return ""


def linked_value(
    name: str,
    component: gr.components.Component,
    asked: Sequence[str],
    choices: Sequence[tuple[str, object]] | None = None,
) -> object:
    """The value that a link gives a component, or a skip when it gives none. Raises ValueError for a bad one.

    choices: (label, value) that this visitor has; None: those of the component
    """
    if not asked:
        return gr.skip()
    given = asked[-1]
    if isinstance(component, (gr.Slider, gr.Number)):
        low, high = component.minimum, component.maximum
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        whole = component.step == 1 or getattr(component, "precision", None) == 0
        return linked_number(name, given, low, high, whole, usual_of(component))
    if isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", False):
        known = [value for _, value in component.choices]
        if wrong := [value for value in asked if value not in known]:
            raise ValueError(f"{name} = {shown_value(wrong[0])} is not offered, {usual_of(component)} is used.")
        return list(asked)
    if isinstance(component, (gr.Dropdown, gr.Radio)):
        offered = {str(value): value for _, value in choices or component.choices}
        if given not in offered:
            raise ValueError(f"{name} = {shown_value(given)} is not offered, {usual_of(component)} is used.")
        return offered[given]
    return given


def linked_param(name: str, slider: gr.Slider, asked: Sequence[str]) -> object:
    """As `linked_value`, of a search parameter: beyond the end of its slider, which then becomes longer, too."""
    if not asked:
        return gr.skip()
    (param,) = [param for param in SEARCH_PARAMS if param.name == name]
    value = linked_number(name, asked[-1], param.minimum, param.maximum, True, slider.value)
    return gr.update(value=value, maximum=max(slider.maximum, value))


def linked_number(name: str, given: str, low: float, high: float, whole: bool, instead: object) -> float:
    """Raises ValueError."""
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not low <= value <= high or (whole and value != int(value)):
        raise ValueError(f"{name} = {shown_value(given)} is out of bounds, {instead} is used.")
    return int(value) if whole else value


def usual_of(component: gr.components.Component) -> object:
    value = component.value
    return ", ".join(map(str, value)) if isinstance(value, list) else value

"""HTML and scripts of the page, from the files in ui/templates, which escape all values."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from searchdemo.ui.components import units


def sentence(text: str) -> Markup:
    """A sentence of the program as HTML: a command in `backticks` is code, as it is in the documents."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates", encoding="utf-8"),
    auto_reload=False,  # else it looks at the file before each use
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}  # of each tile: no blanks

_ENVIRONMENT.filters |= {
    "sentence": sentence,
    "percent": units.percent,
    "milliseconds": units.milliseconds,
    "byte_size": units.byte_size,
    "place": lambda percent: f"{percent:.2f}%",  # for CSS
}


def element(tag: str, text: str, **attributes: str) -> str:
    """One HTML element with this text, which is escaped unless it is Markup, as are its attributes' values.

    attributes: `class_` is `class`
    """
    named = Markup("").join(Markup(' {}="{}"').format(name.rstrip("_"), value) for name, value in attributes.items())
    return str(Markup("<{0}{1}>{2}</{0}>").format(tag, named, text))


def paragraph(said: str, **attributes: str) -> str:
    """A sentence of the program in a paragraph of its own, as HTML."""
    return element("p", sentence(said), **attributes)


def render(template: str, **values: object) -> str:
    """template: a file in ui/templates. Raises jinja2.UndefinedError for a value that it needs and does not get."""
    return _ENVIRONMENT.get_template(template).render(values)

"""What all tabs share: the engine, the builds in the background, and the choices in the sidebar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import gradio as gr

from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Query, SearchEngine
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NotHere, UnknownName
from searchdemo.indexes.base import SEARCH_PARAMS
from searchdemo.indexes.table import INDEXES
from searchdemo.types import SearchResult
from searchdemo.ui.components.pieces import sentence_errors

INDEX = "ivf"  # at the start
K = 12  # results at the start: two full rows


BUILDING = (
    "<div class='timing'><span class='notice'>Building the index {} once; this takes up to half a minute …</span></div>"
)


class NoQuery(BadQuery):
    """The visitor has not said yet what to search with."""


@dataclass(frozen=True)
class Choice:
    """What the sidebar says, checked."""

    gallery: str
    encoder: str
    index: str
    k: int
    params: dict[str, int] = field(default_factory=dict)  # search parameters that the index has


class Page:
    """Makes the sidebar's components where it is constructed.

    A tab's handler takes `page.inputs` among its inputs and hands their values to `page.choice`:

        button.click(sentence_errors(handler), [words, *page.inputs], [results])
        def handler(words, *sidebar): chosen = page.choice(*sidebar); result = page.search(Query(text=words), chosen)
    """

    def __init__(self, engine: SearchEngine, builds: Builds, galleries: tuple[str, ...], gallery: str, demo: gr.Blocks):
        """galleries: that visitors may choose from; gallery: the one to start with."""
        self.engine, self.builds, self.galleries, self.demo = engine, builds, galleries, demo
        self.by_gallery: list[tuple[Callable, gr.components.Component]] = []  # see on_gallery
        self.linked: dict[str, gr.components.Component] = {}  # more that "Copy link" carries: name in the URL -> where
        self.after_link: list[tuple] = []  # (a text, handler, its inputs, its outputs): run when a link brings the text
        self.gallery = gr.Dropdown(list(galleries), value=gallery, label="Gallery", elem_id="gallery")
        self.encoder = gr.Dropdown(list(ENCODERS), value="bundled", label="Encoder", elem_id="encoder")
        self.badge = gr.HTML(elem_id="badge")
        self.index = gr.Dropdown(
            list(INDEXES),
            value=INDEX,
            label="Index",
            info=INDEXES[INDEX].help,
            elem_id="index",
        )
        self.k = gr.Number(K, label="k: how many results", precision=0, elem_id="k")
        self.params = {
            param.name: gr.Number(
                param.default,
                label=param.name,
                info=param.help,
                precision=0,
                elem_id=param.name,
                visible=True if param in INDEXES[INDEX].params else "hidden",
            )
            for param in SEARCH_PARAMS
        }
        # Typed numbers count when the visitor is done with them; the state changes only when one of them did.
        numbers = [self.k, *self.params.values()]
        self.numbers = gr.State(tuple(number.value for number in numbers))
        done = [event for number in numbers for event in (number.submit, number.blur)]
        gr.on(done, lambda *values: values, numbers, self.numbers, show_progress="hidden")
        self.device = "starting"  # "cpu, bfloat16" once torch is there
        fitted = [self.index, *self.params.values()]
        self.index.change(self._fit_index, self.index, fitted, show_progress="hidden", queue=False)

    def on_gallery(self, fill: Callable, component: gr.components.Component) -> None:
        """Have fill(gallery) give the component its value when the page opens and when another gallery is chosen."""
        self.by_gallery.append((fill, component))

    def on_sidebar(self, handler: Callable, inputs: list, outputs: list, empty: tuple, **options) -> None:
        """Search again when the visitor changes the sidebar; `empty` shows where nothing is to be searched with or in.

        handler: a generator that raises SearchDemoError; what it raises beyond NotHere becomes a message.
        """
        again = or_empty(handler, empty, NotHere)  # the panel says what is not built
        events = [self.gallery.input, self.encoder.input, self.index.input, self.numbers.change]
        # gradio runs the handlers of one event in turn, so the open tab would wait for others; chained ones do not
        changed = gr.on(events, None, js="() => {}", show_progress="hidden")
        changed.success(sentence_errors(again), inputs, outputs, **options)

    def ready(self, chosen: Choice, line: gr.HTML, outputs: Sequence[gr.components.Component]) -> Iterator[list]:
        """Values of the outputs while the index is built, if it has to be: `line`, one of them, says so."""
        if self.engine.has_index(chosen.gallery, chosen.encoder, chosen.index):
            return

        def saying(sentence: str) -> list:
            return [sentence if output is line else gr.skip() for output in outputs]

        yield saying(BUILDING.format(chosen.index))
        self.engine.index(chosen.gallery, chosen.encoder, chosen.index)
        yield saying("")  # also where the search then fails

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The sidebar's components, in the order that `choice` takes their values."""
        return [self.gallery, self.encoder, self.index, self.k, *self.params.values()]

    def choice(self, gallery: str, encoder: str, index: str, k: int | None, *params: int | None) -> Choice:
        """The sidebar's values, checked. Raises UnknownName, BadQuery.

        Only names from the tables pass: `folder:` and `faiss:` belong to the command line, where they expose nothing.
        """
        for kind, name, known in (("gallery", gallery, self.galleries), ("index", index, INDEXES)):
            if not isinstance(name, str) or name not in known:
                raise UnknownName(kind, name, known)
        ENCODERS.find(encoder)
        given = dict(zip(self.params, params, strict=False))
        asked = {param.name: given.get(param.name, param.default) for param in INDEXES[index].params}
        params = {name: whole(name, value) for name, value in asked.items()}
        return Choice(gallery, encoder, index, whole("k", k), params)

    def search(self, query: Query, chosen: Choice, pictures: bool = True) -> SearchResult:
        """Raises SearchDemoError of every kind."""
        where = (chosen.gallery, chosen.encoder, chosen.index, chosen.k)
        return self.engine.search(query, *where, pictures=pictures, **chosen.params)

    def _fit_index(self, index: str) -> list:
        """Only the search parameters that the chosen index has are visible."""
        if index not in INDEXES:
            return [gr.skip()] * (1 + len(self.params))
        has = {param.name for param in INDEXES[index].params}
        return [
            gr.update(info=INDEXES[index].help),
            *(gr.update(visible=True if name in has else "hidden") for name in self.params),
        ]


def or_empty(handler: Callable, empty: tuple, *also: type[Exception]) -> Callable:
    """The generator, which shows `empty` where it raises NoQuery or one of `also`."""

    def quiet(*values):
        try:
            yield from handler(*values)
        except (NoQuery, *also):
            yield empty

    return quiet


def whole(name: str, value: object) -> int:
    """A number that came over the wire. Raises BadQuery for what is none, or not whole."""
    if value is None:
        raise BadQuery(f"{name} is empty: give a whole number.")
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise BadQuery(f"{name} = {value!r} is not a whole number.")

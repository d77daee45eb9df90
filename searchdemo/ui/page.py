"""What all tabs share: the library, the builds in the background, and the choices in the sidebar."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import gradio as gr

from searchdemo.collection.collection import Collection
from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery, NoPictures, NotBuilt, NotInstalled, NoWeights, SearchDemoError, UnknownName
from searchdemo.indexes.table import INDEXES
from searchdemo.types import SearchResult
from searchdemo.ui.components import search_params
from searchdemo.ui.components.messages import sentence_errors
from searchdemo.ui.components.templates import render

INDEX = "ivf"  # at the start
K = 12  # results at the start: two full rows

log = logging.getLogger(__name__)


class NoQuery(BadQuery):
    """The visitor has not given anything to search with yet."""


@dataclass(frozen=True)
class Choice:
    """The choices in the sidebar, checked."""

    gallery: str
    encoder: str
    index: str
    k: int
    params: dict[str, int] = field(default_factory=dict)  # search parameters that the index has

    def search(self, collection: Collection, query: Query, pictures: bool = True) -> SearchResult:
        """Raises SearchDemoError of every kind."""
        return collection.search(query, self.index, self.k, pictures=pictures, **self.params)


class Page:
    """Makes the sidebar's components where it is constructed.

    A tab's handler takes `page.inputs` among its inputs and hands their values to `page.choice`:

        button.click(sentence_errors(handler), [words, *page.inputs], [results])

        def handler(words, *sidebar):
            chosen = page.choice(*sidebar)
            result = chosen.search(page.open(chosen), Query(text=words))
    """

    def __init__(self, library: Library, builds: Builds, galleries: tuple[str, ...], gallery: str, demo: gr.Blocks):
        """galleries: the visitor's choices; gallery: the first one."""
        self.library, self.builds, self.galleries, self.demo = library, builds, galleries, demo
        self.linked: dict[str, gr.components.Component] = {}  # further values of a link: name in the URL -> component
        self.after_link: list[tuple] = []  # (a text, handler, its inputs, its outputs): run when a link brings the text
        self.gallery = gr.Dropdown(list(galleries), value=gallery, label="Gallery", elem_id="gallery")
        self.encoder = gr.Dropdown(list(ENCODERS), value="bundled", label="Encoder", elem_id="encoder")
        self.badge = gr.HTML(elem_id="badge")
        self.index = gr.Dropdown(list(INDEXES), value=INDEX, label="Index", info=about(INDEX), elem_id="index")
        self.k = gr.Number(K, label="k: how many results", precision=0, elem_id="k")
        params = search_params.param_fields([INDEX])
        self.params = {number.label: number for number in params}
        # A typed number counts when the visitor has finished it; the state changes only when a number did.
        numbers = [self.k, *params]
        self.numbers = gr.State(tuple(number.value for number in numbers))
        done = [event for number in numbers for event in (number.submit, number.blur)]
        gr.on(done, lambda *values: values, numbers, self.numbers, show_progress="hidden")
        self.device = "starting"  # "bfloat16 by openvino on cpu" once that is known
        self.index.change(_fit_index, self.index, [self.index, *params], show_progress="hidden", queue=False)

    def on_gallery(self, fill: Callable, component: gr.components.Component) -> None:
        """Have fill(gallery) give the component its value when the page opens and when another gallery is chosen."""
        events = [self.demo.load, self.gallery.change]
        gr.on(events, fill, self.gallery, component, show_progress="hidden", queue=False)

    def on_sidebar(self, handler: Callable, inputs: list, outputs: Sequence, empty: tuple, **options: object) -> None:
        """Search again when the visitor changes the sidebar, and show `empty` without a query, vectors or weights.

        handler: a generator. Any other SearchDemoError that it raises becomes a message. A change during a search has
        one more follow it: gradio's own default would drop the change.
        """
        again = or_empty(handler, empty, NotBuilt, NoWeights, NoPictures)  # the panel and the badge say these
        events = [self.gallery.input, self.encoder.input, self.index.input, self.numbers.change]
        # gradio runs the handlers of one event in turn, so the open tab would wait for others; chained ones do not
        changed = gr.on(events, None, js="() => {}", show_progress="hidden")
        changed.success(sentence_errors(again), inputs, outputs, **{"trigger_mode": "always_last", **options})

    def ready(
        self, collection: Collection, index: str, line: gr.HTML, outputs: Sequence[gr.components.Component]
    ) -> Iterator[list]:
        """Values of the outputs while the index is built, if it has to be: `line`, one of them, says so.

        Raises what Collection.index does.
        """
        if collection.has_index(index):
            return

        def saying(sentence: str) -> list:
            return [sentence if output is line else gr.skip() for output in outputs]

        yield saying(render("building.html", index=index))
        try:
            collection.index(index)
        except SearchDemoError as error:
            log.warning("the index %s could not be built: %s", index, error)
            yield saying("")
            raise
        yield saying("")  # the search may still fail

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The sidebar's components, in the order that `choice` takes their values."""
        return [self.gallery, self.encoder, self.index, self.k, *self.params.values()]

    def choice(self, gallery: object, encoder: object, index: object, k: object, *params: object) -> Choice:
        """The sidebar's values, checked. params: values of SEARCH_PARAMS, or none. Raises UnknownName, BadQuery.

        Only names from the tables pass: `folder:` and `faiss:` belong to the command line, where they expose nothing.
        """
        if not isinstance(gallery, str) or gallery not in self.galleries:
            raise UnknownName("gallery", gallery, self.galleries)
        spec, given = INDEXES.find(index), dict(zip(self.params, params, strict=False))
        numbers = {param.name: whole(param.name, given.get(param.name, param.default)) for param in spec.params}
        return Choice(gallery, ENCODERS.find(encoder).name, spec.name, whole("k", k), numbers)

    def open(self, chosen: Choice) -> Collection:
        """Raises NotBuilt, BadArtifact, NoPictures."""
        return self.library.open(chosen.gallery, chosen.encoder)

    def key(self, gallery: str, encoder: str, limit: int | None = None) -> Key:
        """Names a build: of the whole gallery, or of `limit` pictures balanced over its classes."""
        return Key(gallery, encoder, self.library.transform, self.library.metric, limit or self.library.limit)


def about(index: str) -> str:
    """The line under the choice of an index."""
    spec = INDEXES[index]
    return spec.help if spec.installed else f"{spec.help}. It is not installed: run `{spec.pip_command}`."


def _fit_index(index: str) -> list:
    """Updates of the choice of an index and of the search parameters."""
    return [gr.update(info=about(index)) if index in INDEXES else gr.skip(), *search_params.updates([index])]


def or_empty(handler: Callable, empty: tuple, *also: type[SearchDemoError]) -> Callable:
    """The generator, which shows `empty` where it raises NoQuery or one of `also`."""
    expected: tuple[type[SearchDemoError], ...] = (NoQuery, *also)

    def quiet(*values: object) -> Iterator:
        try:
            yield from handler(*values)
        except expected:
            yield empty
        except NotInstalled:
            yield empty  # the results of another index must not stay
            raise

    return quiet


def whole(name: str, value: object) -> int:
    """A number that came over the wire. Raises BadQuery when it is missing or not whole."""
    if value is None:
        raise BadQuery(f"{name} is empty: give a whole number.")
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise BadQuery(f"{name} = {value!r} is not a whole number.")

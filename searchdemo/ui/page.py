"""What all tabs share: the library, the builds in the background, and the choices in the sidebar."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from searchdemo.collection.collection import Collection
from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.table import find as find_encoder
from searchdemo.errors import BadQuery, Cancelled, SearchDemoError, UnknownName
from searchdemo.indexes.base import SEARCH_PARAMS, checked_params
from searchdemo.indexes.table import INDEXES
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.grammar import parse
from searchdemo.metadata.tokens import EXAMPLE
from searchdemo.types import Count, SearchResult
from searchdemo.ui.components import search_params
from searchdemo.ui.components.templates import render
from searchdemo.ui.mine.galleries import UPLOAD, OwnGalleries
from searchdemo.ui.mine.place import at_this_machine, session, visitor
from searchdemo.ui.open_tab import OpenTab
from searchdemo.ui.serving.arguments import event_value
from searchdemo.ui.waiting import waiting

if TYPE_CHECKING:
    from searchdemo.ui.enlarged import Enlarged
    from searchdemo.ui.query import CurrentQuery

INDEX = "ivf"  # at the start
K = 12  # results at the start: two full rows
MOST_K = 200  # of the slider; the command line and the API take more

# gradio would drop a change or a click that comes while the answer to the one before is on its way. LAST asks again,
# with what its inputs are then. An event with data of its own would be repeated with those of the first: EACH is asked.
LAST: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
EACH: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden"}

log = logging.getLogger(__name__)


class IndexMissing(SearchDemoError):
    """The index has to be built before it answers, which takes longer than a visitor waits in silence."""

    def __init__(self, index: str):
        super().__init__(f"The index {index} is not built yet.")
        self.index = index


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
    where: str = ""  # the filter; "": all pictures

    @property
    def searched(self) -> tuple[str, str, str]:
        """What has to be built before it can be searched."""
        return self.gallery, self.encoder, self.index

    def search(
        self,
        collection: Collection,
        query: Query,
        pictures: bool = True,
        compare: bool = False,
        min_probability: float = 0.0,
    ) -> SearchResult:
        """Raises SearchDemoError of every kind."""
        return collection.search(
            query,
            self.index,
            self.k,
            pictures=pictures,
            compare=compare,
            where=self.where,
            min_probability=min_probability,
            **self.params,
        )


class Page:
    """Makes the sidebar's components where it is constructed.

    A tab's handler takes `page.inputs` among its inputs and hands their values to `page.choice`:

        button.click(sentence_errors(handler), [words, *page.inputs], [results])

        def handler(words, *sidebar):
            chosen = page.choice(*sidebar)
            result = chosen.search(page.open(chosen), Query(text=words))

    Most tabs show something of the page's one query: `page.query.follow` calls them with it, opened and checked.
    """

    query: CurrentQuery  # set when the strip above the tabs is made
    enlarged: Enlarged

    def __init__(self, library: Library, builds: Builds, galleries: tuple[str, ...], gallery: str, demo: gr.Blocks):
        """galleries: the visitor's choices; gallery: the first one."""
        self.library, self.builds, self.galleries, self.demo = library, builds, galleries, demo
        self.own = OwnGalleries(library, builds)
        self.linked: dict[str, gr.components.Component] = {}  # further values of a link: name in the URL -> component
        self.linked_checks: dict[
            str, Callable[[str], object]
        ] = {}  # of free texts; each raises ValueError or our errors
        self.map_view = gr.Textbox(visible="hidden")  # "x,y,zoom" of the map, as a link brings it
        self.gallery = gr.Dropdown(list(galleries), value=gallery, label="Gallery", elem_id="gallery")
        self.encoder = gr.Dropdown(**self._encoders(gallery), label="Encoder", elem_id="encoder")
        self.badge = gr.HTML(elem_id="badge")
        self.index = gr.Dropdown(list(INDEXES), value=INDEX, label="Index", info=about(INDEX), elem_id="index")
        self.k = gr.Slider(1, MOST_K, K, step=1, label="k: how many results", elem_id="k")
        sliders = search_params.param_sliders([INDEX])
        self.params = {slider.elem_id: slider for slider in sliders}
        self.where = gr.Textbox(
            label="Only pictures where",
            placeholder=EXAMPLE,
            info=f"A filter over {', '.join(COLUMNS)}; Enter searches.",
            elem_id="where",
            max_lines=1,
        )
        # gradio tells of a choice before it has it, too, and only of a change once it has; sliders tell while dragged.
        self.built = gr.Textbox("0", visible="hidden")  # how many builds of the gallery have ended
        self.open_tab = OpenTab(
            [self.index.change, *(number.input for number in (self.k, *sliders)), self.where.submit],
            [name.change for name in (self.built, self.gallery, self.encoder)],
        )
        # (session, line that tells of it) -> what is searched once it is built (see Choice.searched), and what ends it
        self._endings: dict[tuple[str | None, int], tuple[tuple[str, ...], threading.Event]] = {}
        self._meanwhile: set[str | None] = set()  # sessions that asked for more during their build
        self.warm = False  # whether the libraries that encoders run in are loaded
        self.gallery.change(self._fit_encoder, [self.gallery, self.encoder], self.encoder, **LAST, queue=False)
        self.index.change(_fit_index, self.index, [self.index, *sliders], **LAST, queue=False)

    def _encoders(self, gallery: str, chosen: str = "bundled") -> dict[str, Any]:
        """Choices and value of the choice of an encoder. A gallery that came with its vectors has one."""
        names = self.encoder_names(gallery)
        return {"choices": names, "value": chosen if chosen in names else names[0]}

    def encoder_names(self, gallery: str) -> list[str]:
        """Those that may be chosen for it."""
        only = self.library.gallery(gallery).encoder
        return [only] if only else list(ENCODERS)

    def _fit_encoder(self, gallery: str, chosen: str) -> dict:
        if not self.offers(gallery):
            return gr.skip()
        return gr.update(**self._encoders(gallery, chosen))

    def on_gallery(self, fill: Callable, component: gr.components.Component) -> None:
        """Have fill(gallery) give the component its value when the page opens and when another gallery is chosen."""
        events = [self.demo.load, self.gallery.change]
        gr.on(events, fill, self.gallery, component, **LAST, queue=False)

    def show_params_of(self, ticked: gr.CheckboxGroup) -> None:
        """Show the search parameters of these indexes too, once the visitor changes what is ticked."""

        def fit(ticked: list[str], index: str) -> list[dict]:
            return search_params.updates([index, *ticked])

        ticked.input(fit, [ticked, self.index], [*self.params.values()], **LAST, queue=False)

    def set_params(self, values: dict[str, int]) -> list:
        """Updates of all sliders of search parameters: these values, and the others as they are.

        Raises UnknownName, BadQuery.
        """
        checked_params("the page", SEARCH_PARAMS, values)
        return [
            gr.update(value=values[name], maximum=max(slider.maximum, values[name])) if name in values else gr.skip()
            for name, slider in self.params.items()
        ]

    def on_remedy(self, line: gr.HTML, refresh: str) -> None:
        """A remedy in a line that is clicked sets a search parameter of the sidebar.

        refresh: a script to run then
        """

        def apply(event: gr.EventData) -> list:
            name = str(event_value(event, "param"))
            return self.set_params({name: whole(name, event_value(event, "value"))})

        sliders = [*self.params.values()]
        line.apply(apply, None, sliders, **EACH, queue=False).success(None, js=refresh)

    def ready(
        self,
        collection: Collection,
        chosen: Choice,
        line: gr.HTML,
        outputs: Sequence[gr.components.Component],
        session: str | None = None,
    ) -> Iterator[list]:
        """Values of the outputs while the index is built, if it has to be: `line`, one of them, says so.

        session: of the visitor, who may end it with `cancel`. That, and closing the iterator, ends the build where the
        library takes its vectors in parts; of others the visitor does not wait for the end.
        Raises what Collection.index does, Cancelled.
        """
        if not collection.has_index(index := chosen.index):
            yield from self.working(
                lambda progress: collection.index(index, progress),
                index,
                f"the index {index}",
                line,
                outputs,
                session,
                chosen.searched,
            )

    def working(
        self,
        make: Callable[[Count], object],
        name: str,
        what: str,
        line: gr.HTML,
        outputs: Sequence[gr.components.Component],
        session: str | None = None,
        searched: tuple[str, ...] = (),
    ) -> Iterator[list]:
        """Values of the outputs while something is made that the visitor may end, see `ready`.

        make: is told of progress, whose errors end it; name, what: "flat", "the index flat", as sentences call it;
        searched: what waits for it, (): nothing does.
        Raises what `make` does, Cancelled.
        """
        so_far, ended = [0, 0], threading.Event()
        self._endings[session, line._id] = searched, ended
        self._meanwhile.discard(session)

        def go_on() -> None:
            if ended.is_set():
                raise Cancelled(f"The build of {name} was cancelled: choose another index, or search again.")

        def progress(done: int, total: int) -> None:
            so_far[:] = done, total
            go_on()

        def saying(sentence: str) -> list:
            return [sentence if output is line else gr.skip() for output in outputs]

        def sign(seconds: float) -> list:
            go_on()
            return saying(building_html(what, seconds, so_far[0], so_far[1]))

        yield sign(0)
        try:
            yield from waiting(lambda: make(progress), sign)
        except SearchDemoError as error:
            log.warning("%s could not be built: %s", what, error)
            yield saying("")
            raise
        finally:
            ended.set()  # the visitor cancelled it, or left
            self._endings.pop((session, line._id), None)
        yield saying("")  # the search may still fail

    def check_ready(self, collection: Collection, index: str) -> None:
        """Raises IndexMissing where the index would have to be built, and UnknownName."""
        if not collection.has_index(index):
            raise IndexMissing(index)

    def waits(self, session: str | None, *sidebar: object) -> bool:
        """Whether the visitor waits for the build of an index, whose end asks for an answer. It ends now where the
        sidebar, whose values these are, has something else by now."""
        try:
            searched: tuple[str, ...] = self.choice(*sidebar).searched
        except SearchDemoError:  # the answer says it
            searched = ()
        under_way = [entry for (whose, _), entry in self._endings.copy().items() if whose == session and entry[0]]
        for awaited, ended in under_way:
            if awaited != searched:
                ended.set()
        if under_way:
            self._meanwhile.add(session)
        return bool(under_way)

    def asked_meanwhile(self, session: str | None) -> bool:
        """Whether the visitor asked for something else during the build that has just ended."""
        return session in self._meanwhile

    def canceller(self, line: gr.HTML) -> Callable[[gr.Request], None]:
        """A handler that ends the build of which this line tells the visitor."""

        def cancel(request: gr.Request) -> None:
            if entry := self._endings.get((request.session_hash, line._id)):
                entry[1].set()

        return cancel

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The sidebar's components, in the order that `choice` takes their values."""
        return [self.gallery, self.encoder, self.index, self.k, self.where, *self.params.values()]

    def choice(
        self, gallery: object, encoder: object, index: object, k: object, where: object = "", *params: object
    ) -> Choice:
        """The sidebar's values, checked. where: a filter, which is read when it is used; params: values of
        SEARCH_PARAMS, or none. Raises UnknownName, BadQuery.

        Only names that this visitor is offered pass: other folders and `faiss:` belong to the command line.
        """
        names = self.names(gallery, encoder)
        spec, given = INDEXES.find(index), dict(zip(self.params, params, strict=False))
        numbers = {param.name: whole(param.name, given.get(param.name, param.default)) for param in spec.params}
        return Choice(*names, spec.name, whole("k", k), numbers, filter_text(where))

    def names(self, gallery: object, encoder: object) -> tuple[str, str]:
        """(gallery, encoder), where the page offers them. Raises UnknownName, BadQuery."""
        if not isinstance(gallery, str) or not self.offers(gallery):
            if str(gallery).startswith(UPLOAD):
                raise BadQuery("These pictures were kept for another session, which may have ended: bring them again.")
            raise UnknownName("gallery", gallery, self.galleries)
        return gallery, find_encoder(self.library.gallery(gallery).encoder or encoder).name

    def offers(self, gallery: object) -> bool:
        """Whether the visitor who is being answered may see this gallery."""
        if gallery in self.galleries:
            return True
        if gallery in self.own.folders:
            return at_this_machine(self.demo, visitor())
        brought = self.own.of(session())
        return brought is not None and brought.name == gallery

    def is_own(self, gallery: str) -> bool:
        """Whether these are files of the visitor who is being answered, who may see their paths and end their build."""
        if gallery.startswith(("folder:", "list:")):
            return at_this_machine(self.demo, visitor())
        return gallery not in self.galleries and self.offers(gallery)

    def gallery_choices(self) -> list[tuple[str, str]]:
        """(label, name) of each gallery that the visitor who is being answered may choose."""
        brought, folders = self.own.of(session()), [name for name in self.own.folders if name not in self.galleries]
        own = [(name, name) for name in folders if self.offers(name)]
        return [(name, name) for name in self.galleries] + own + ([(brought.label, brought.name)] if brought else [])

    def open(self, chosen: Choice) -> Collection:
        """Raises NotBuilt, BadArtifact, NoPictures."""
        return self.library.open(chosen.gallery, chosen.encoder)

    def key(self, gallery: str, encoder: str, limit: int | None = None) -> Key:
        """Names a build: of the whole gallery, or of `limit` pictures balanced over its classes."""
        return Key(gallery, encoder, self.library.transform, self.library.metric, limit or self.library.limit)


def building_html(what: str, seconds: float = 0, done: int = 0, total: int = 0, then: str = "") -> str:
    """What is built, so far; then: what the browser is to ask for when it shows this."""
    return render("building.html", what=what, seconds=seconds, done=done, total=total, then=then)


def about(index: str) -> str:
    """The line under the choice of an index."""
    spec = INDEXES[index]
    return spec.help if spec.installed else f"{spec.help}. It is not installed: run `{spec.pip_command}`."


def _fit_index(index: str) -> list:
    """Updates of the choice of an index and of the search parameters."""
    return [gr.update(info=about(index)) if index in INDEXES else gr.skip(), *search_params.updates([index])]


def filter_text(where: object) -> str:
    """A filter that came over the wire. Raises BadQuery where it is no text, or cannot be read."""
    if where is None or (isinstance(where, str) and not where.strip()):
        return ""
    parse(where)
    return str(where)


def whole(name: str, value: object) -> int:
    """A number that came over the wire. Raises BadQuery when it is missing or not whole."""
    if value is None:
        raise BadQuery(f"{name} is empty: give a whole number.")
    if not isinstance(value, bool) and isinstance(value, (int, float)) and value == value // 1:
        return int(value)
    raise BadQuery(f"{name} = {value!r} is not a whole number.")

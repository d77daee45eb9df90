"""The door "My pictures": a folder of one's own machine, or files that are dropped, become the page's gallery."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from searchdemo.errors import BadQuery, Cancelled, SearchDemoError
from searchdemo.files import folder_named, printable
from searchdemo.galleries.base import Gallery
from searchdemo.types import Count
from searchdemo.ui.components.answer import Answer
from searchdemo.ui.components.messages import refusal_html
from searchdemo.ui.components.templates import render
from searchdemo.ui.examples import chosen, example
from searchdemo.ui.mine.files import OwnFiles
from searchdemo.ui.mine.galleries import AS_BEFORE, LEVELS
from searchdemo.ui.mine.place import at_this_machine
from searchdemo.ui.page import LAST, Page
from searchdemo.ui.query import QUIET
from searchdemo.ui.serving.limits import MINE
from searchdemo.ui.waiting import waiting

MOST_LISTED = 500  # folders
ELSEWHERE = "A folder is opened only for the person at the machine that serves this page: drop the pictures instead."


class MinePanel:
    """Makes its components where it is constructed; `connect` once the page has its query."""

    def __init__(self, page: Page):
        self.page = page
        self._endings: dict[str | None, threading.Event] = {}  # session -> ends the reading that its visitor waits for
        with gr.Column(elem_id="mine", elem_classes="panel"):
            gr.HTML(render("mine.html"))
            with gr.Row(visible=False) as self.at_home:
                self.path = gr.Textbox(
                    label="Folder on this machine",
                    placeholder=str(Path.home()),
                    elem_id="mine-path",
                    max_lines=1,
                    scale=3,
                )
                self.step = gr.Dropdown(
                    [], value=None, label="Or choose it step by step", elem_id="mine-step", min_width=200, scale=2
                )
                self.level = gr.Dropdown(
                    [*LEVELS], value=AS_BEFORE, label="Class of a picture", elem_id="mine-level", min_width=200, scale=2
                )
                self.open = gr.Button("Open the folder", variant="primary", elem_id="mine-open", scale=1, min_width=140)
            self.files = OwnFiles(label="Drop pictures here, or a zip of them", elem_id="mine-files", height=130)
            self.line = Answer(elem_id="mine-line")
        self.told = gr.State("")  # the gallery that the line tells of

    def connect(self) -> None:
        page = self.page
        self.outputs = [self.line, self.told, page.gallery, *page.query.shown, self.files]
        options: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": MINE}
        asked, refresh = [self.path, self.level, page.encoder], page.open_tab.refresh
        gr.on([self.open.click, self.path.submit], self._open, asked, self.outputs, **options).success(None, js=refresh)
        brought = self.files.upload(self._bring, [self.files, page.encoder], self.outputs, **options)
        brought.success(None, js=refresh)
        self.line.stop(self._cancel, queue=False, **QUIET)
        of_builds = [page.built.change, page.gallery.change]  # of another gallery as many may have ended
        gr.on(of_builds, self._renewed, [self.told, page.gallery], self.line, **LAST, queue=False)
        self.step.input(self._step, self.step, [self.path, self.step], queue=False, **LAST)
        page.demo.load(self._fit, None, [self.at_home, self.step, page.gallery], queue=False, **QUIET)
        page.demo.unload(self._left)

    def _fit(self, request: gr.Request) -> tuple:
        """What a visitor is offered: paths only at this machine."""
        home = at_this_machine(self.page.demo, request)
        listed = gr.update(choices=folders_in(str(Path.home()))) if home else gr.skip()
        choices = self.page.gallery_choices()
        more = gr.update(choices=choices) if len(choices) > len(self.page.galleries) else gr.skip()
        return gr.update(visible=home), listed, more

    def _step(self, path: str | None, request: gr.Request) -> tuple:
        """The folder that was chosen, and those to choose from next: below it, and the one above."""
        if not path or not at_this_machine(self.page.demo, request):
            return gr.skip(), gr.skip()
        return path, gr.update(choices=folders_in(path), value=None)

    def _open(self, path: str | None, level: str | None, encoder: str, request: gr.Request) -> Iterator[list]:
        def read(progress: Count) -> Gallery:
            if not at_this_machine(self.page.demo, request):
                raise BadQuery(ELSEWHERE)
            return self.page.own.open_folder(path or "", progress, level or AS_BEFORE)

        yield from self._read(read, "Looking at the files", "files", encoder, request)

    def _bring(self, files: list[Path], encoder: str, request: gr.Request) -> Iterator[list]:
        def read(progress: Count) -> Gallery:
            return self.page.own.bring(request.session_hash or "", files, progress)

        yield from self._read(read, "Reading your pictures", "MB", encoder, request)

    def _read(
        self, read: Callable[[Count], Gallery], doing: str, unit: str, encoder: str, request: gr.Request
    ) -> Iterator[list]:
        """Values of `outputs`. unit: of the progress, "files" or "MB"."""
        so_far, ended, rest = [0, 0], threading.Event(), ["", *[gr.skip()] * (len(self.outputs) - 2)]
        self._endings[request.session_hash] = ended

        def progress(done: int, total: int) -> None:
            so_far[:] = done, total
            if ended.is_set():
                raise Cancelled("The reading was cancelled: nothing was taken.")

        def sign(seconds: float) -> list:
            scale = 1e6 if unit == "MB" else 1
            return [render("reading.html", doing=doing, done=so_far[0], total=so_far[1], scale=scale, unit=unit), *rest]

        yield sign(0)
        try:
            gallery = yield from waiting(lambda: read(progress), sign)
        except SearchDemoError as error:
            yield [refusal_html(str(error)), *rest[:-1], None]
            return
        finally:
            ended.set()  # the visitor cancelled it, or left
            self._endings.pop(request.session_hash, None)
        yield self._taken(gallery, encoder)

    def _taken(self, gallery: Gallery, encoder: str) -> list:
        """The page with this gallery. What is in memory is embedded at once, a folder when its button is pressed."""
        page = self.page
        _, encoder = page.names(gallery.name, encoder)
        if gallery.private:
            page.builds.start(page.key(gallery.name, encoder))
        offered = chosen(page, gallery.name, encoder)
        shown = example(page, gallery.name, encoder, 0) if offered else [gr.skip()] * len(page.query.shown)
        now = gr.update(choices=page.gallery_choices(), value=gallery.name)
        return [_report(gallery), gallery.name, now, *shown, None]

    def _renewed(self, told: str, gallery: str) -> Any:
        """The line once a build has ended, which may have found other files."""
        return _report(self.page.library.gallery(told)) if told == gallery and self.page.offers(told) else gr.skip()

    def _cancel(self, request: gr.Request) -> None:
        if ending := self._endings.get(request.session_hash):
            ending.set()

    def _left(self, request: gr.Request) -> None:
        """The session ended."""
        self._cancel(request)
        self.page.own.forget(request.session_hash or "")


def _report(gallery: Gallery) -> str:
    """What was found in it."""
    return render("taken.html", count=gallery.pictures.count, lines=gallery.report.lines(), private=gallery.private)


def folders_in(path: str) -> list[tuple[str, str]]:
    """(label, path) of the folder above this one, and of those below it without hidden ones. None where it is none."""
    place = folder_named(path)
    try:
        below = [one for one in place.iterdir() if not one.name.startswith(".") and one.is_dir()]
    except OSError:
        return []
    above = [(f"↑ {printable(str(place.parent))}", printable(str(place.parent)))] if place != place.parent else []
    return above + [(printable(one.name), printable(str(one))) for one in sorted(below)[:MOST_LISTED]]

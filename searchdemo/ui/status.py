"""The state of the chosen gallery and encoder: device, pictures that are missing, what is built and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import gradio as gr

from searchdemo.collection.behind import UP_TO_DATE, Behind
from searchdemo.collection.jobs import Job
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS, find, is_here
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.galleries.base import Gallery
from searchdemo.ui.components.messages import hint, sentence_errors
from searchdemo.ui.components.templates import element, render
from searchdemo.ui.page import EACH, LAST, Page
from searchdemo.ui.rates import Rates
from searchdemo.ui.serving.arguments import event_value
from searchdemo.ui.serving.limits import FETCH
from searchdemo.ui.serving.permits import at_home, check_build, may_end, who

PART = 2000  # pictures of the quick build
POLL_SECONDS = 2.0  # while a build runs, or a person's own folder may change
CALM_SECONDS = 10.0  # else: each look takes a tenth of a second of processor time in a browser
CATCH_UP = "Catch up with the folder: embed what is new"


def add(page: Page) -> None:
    """Makes the panel above the tabs where it is called, and keeps it and the badge up to date."""
    rates = Rates(page.library)
    with gr.Row(visible=False, equal_height=True) as missing_row:
        missing = gr.HTML(elem_id="missing")
        get_pictures = gr.Button("Get the pictures", size="sm", elem_id="get-pictures", elem_classes="narrow")
    with gr.Column(visible=False, elem_id="not-built") as panel:
        sentence = gr.HTML(elem_id="not-built-sentence")
        with gr.Row():
            part = gr.Button("Build a part", variant="primary", elem_id="build-part", size="md")
            whole = gr.Button("Build all", elem_id="build-whole", size="md", elem_classes="narrow")
    running = gr.HTML(elem_id="builds", visible=False, js_on_load=render("builds.js"))
    timer = gr.Timer(POLL_SECONDS)

    def look(gallery: str, encoder: str) -> list:
        """Values of `shown`."""
        if not page.offers(gallery) or encoder not in (*ENCODERS, page.library.gallery(gallery).encoder):
            return [gr.skip()] * len(shown)
        here, wanted = page.library.gallery(gallery), page.key(gallery, encoder)
        built, count = page.library.built(wanted), here.pictures.count
        job = latest(page.builds.jobs(), gallery, encoder)
        running_jobs = [job for job in page.builds.running() if page.offers(job.key.gallery)]
        own_copy = page.library.data_dir or os.environ.get("SEARCHDEMO_DATA")  # then pictures come from nowhere else
        busy = job is not None and not job.finished
        said = job.said if job is not None else ()
        whole_is_built = built is not None and built.limit is None
        behind = what_changed(page, gallery, encoder) if whole_is_built and not busy else UP_TO_DATE
        asked = not whole_is_built and not busy

        def label(pictures: int) -> str:
            return build_label(encoder, pictures, count, rates.estimate(gallery, encoder, pictures) if asked else "")

        return [
            render(
                "badge.html",
                how=page.library.how(encoder) if page.warm else "starting",
                spec=find(encoder),
                here=is_here(encoder),
            ),
            hint(missing_sentence(here)),
            gr.update(visible=bool(here.missing)),
            gr.update(visible=not (own_copy or here.pictures.own_files)),  # nobody else has a person's own files
            gr.update(visible=not whole_is_built or bool(behind)),
            panel_html(behind.sentence(wanted)) if behind else not_built(wanted, built, count, job, here.private),
            gr.update(visible=not busy and built is None and count > PART, value=label(PART)),
            gr.update(visible=not busy, value=CATCH_UP if behind else label(count)),
            gr.update(value=builds_html(page, running_jobs, said), visible=bool(running_jobs or said)),
            str(sum(one.finished and one.key.gallery == gallery for one in page.builds.jobs())),
            POLL_SECONDS if running_jobs or here.pictures.own_files or not page.warm else CALM_SECONDS,
        ]

    def start(limit: int | None) -> Callable:
        def begin(gallery: str, encoder: str) -> list:
            page.choice(gallery, encoder, "brute", 1)  # refuses names that are not offered
            key = page.key(gallery, encoder, limit)
            check_build(page, key)
            page.builds.start(key, by="" if at_home(page) else who())
            return look(gallery, encoder)

        return sentence_errors(begin)

    def cancel(event: gr.EventData, gallery: str, encoder: str) -> list:
        """Ends a build that this visitor may end: of their own pictures, or that they started."""
        for job in page.builds.running():
            key = job.key
            if str(key.folder) == event_value(event, "build") and page.offers(key.gallery) and is_own(page, job):
                page.builds.cancel(key)
        return look(gallery, encoder)

    def fetch(gallery: str, encoder: str, progress: gr.Progress = gr.Progress()) -> list:  # noqa: B008 gradio's way
        page.choice(gallery, encoder, "brute", 1)
        if not page.library.gallery(gallery).missing:
            raise BadQuery(f"All pictures of {gallery!r} are here: there is nothing to fetch.")
        page.library.gallery(
            gallery, download=True, progress=lambda done, total: progress((done, total), "fetching", unit="bytes")
        )
        return look(gallery, encoder)

    chosen = [page.gallery, page.encoder]
    shown = [page.badge, missing, missing_row, get_pictures, panel, sentence, part, whole, running, page.built, timer]
    quiet = {"show_progress": "hidden", "queue": False}
    gr.on([page.demo.load, page.gallery.change, page.encoder.change], look, chosen, shown, **LAST, queue=False)
    timer.tick(look, chosen, shown, **quiet)
    running.cancel(cancel, chosen, shown, **EACH, queue=False)
    part.click(start(PART), chosen, shown, **quiet)
    whole.click(start(None), chosen, shown, **quiet)
    get_pictures.click(sentence_errors(fetch), chosen, shown, concurrency_id=FETCH, show_progress_on=missing)


def missing_sentence(gallery: Gallery) -> str:
    """Which pictures are not here, and what is shown in their place."""
    stand_in = " Blurred stand-ins of 24 bytes are shown in their place." if gallery.blur(0) is not None else ""
    return gallery.missing + stand_in if gallery.missing else ""


def build_label(encoder: str, pictures: int, count: int, estimate: str) -> str:
    """ "Build all 100,000 pictures (about 12:40)", "Build 2,000 balanced pictures (605 MB to fetch first)"."""
    what = f"all {pictures:,} pictures" if pictures == count else f"{pictures:,} balanced pictures"
    fetched = find(encoder).download_bytes
    first = f"{fetched / 1e6:,.0f} MB to fetch first" if fetched and not is_here(encoder) else ""
    costs = ", ".join(filter(None, (estimate, first)))
    return f"Build {what}" + (f" ({costs})" if costs else "")


def what_changed(page: Page, gallery: str, encoder: str) -> Behind:
    """Of a person's folder since it was built."""
    try:
        return page.library.open(gallery, encoder).behind
    except SearchDemoError:  # a search says it
        return UP_TO_DATE


def builds_html(page: Page, jobs: list[Job], said: Sequence[str] = ()) -> str:
    own = [job for job in jobs if is_own(page, job)]
    return render("builds.html", jobs=jobs, own=own, labels=dict(labels(page)), said=said)


def is_own(page: Page, job: Job) -> bool:
    """Whether the visitor who is being answered may end this build."""
    return page.is_own(job.key.gallery) or may_end(page, page.builds.started_by(job.key))


def labels(page: Page) -> list[tuple[str, str]]:
    """(name, label) of each gallery that the visitor may choose."""
    return [(name, label) for label, name in page.gallery_choices()]


def panel_html(sentence: str) -> str:
    return element("div", sentence, class_="panel") if sentence else ""


def not_built(wanted: Key, built: Key | None, count: int, job: Job | None, private: bool = False) -> str:
    """Why there is nothing to search in, or not all of `count` pictures, and the command that builds the rest."""
    if built and built.limit is None:
        return ""
    return render(
        "not_built.html", wanted=wanted, built=built, count=count, private=private, error=job.error if job else ""
    )


def latest(jobs: list[Job], gallery: str, encoder: str) -> Job | None:
    return next((job for job in reversed(jobs) if (job.key.gallery, job.key.encoder) == (gallery, encoder)), None)

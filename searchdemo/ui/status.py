"""What the page says of the chosen gallery and encoder: device, pictures that are missing, what is (being) built."""

from __future__ import annotations

import html
import os

import gradio as gr

from searchdemo.collection.jobs import Job
from searchdemo.encoders.table import ENCODERS, weights_path
from searchdemo.ui.components.pieces import sentence_errors
from searchdemo.ui.page import Page
from searchdemo.ui.rates import Rates

PART = 2000  # pictures of the quick build
POLL_SECONDS = 2.0


def add(page: Page) -> None:
    """Makes the panel above the tabs where it is called, and keeps it and the badge up to date."""
    rates = Rates(page.engine)
    with gr.Row(visible=False, equal_height=True) as missing_row:
        missing = gr.HTML(elem_id="missing")
        get_pictures = gr.Button("Get the pictures", size="sm", elem_id="get-pictures", elem_classes="narrow")
    with gr.Column(visible=False, elem_id="not-built") as panel:
        sentence = gr.HTML(elem_id="not-built-sentence")
        with gr.Row():
            part = gr.Button(f"{PART:,} balanced pictures now", variant="primary", elem_id="build-part", size="md")
            whole = gr.Button("All of it", elem_id="build-whole", size="md", elem_classes="narrow")
    running = gr.HTML(elem_id="builds", visible=False)

    def look(gallery: str, encoder: str) -> list:
        """Updates for all components of this file, and the badge."""
        if gallery not in page.galleries or encoder not in ENCODERS:
            return [gr.skip()] * len(shown)
        here = page.engine.gallery(gallery)
        built = page.engine.built_key(gallery, encoder)
        count = len(here.pictures)
        job = latest(page.builds.jobs(), gallery, encoder)
        named = page.engine.data_dir or os.environ.get("SEARCHDEMO_DATA")  # then no other place is tried
        busy = job is not None and not job.finished
        whole_is_built = built is not None and built.limit is None
        partly = built is not None and not whole_is_built
        estimate = "" if whole_is_built or busy else rates.estimate(gallery, encoder, count)
        return [
            badge(page, encoder),
            gr.update(value=f"<p class='hint'>{html.escape(here.missing)}</p>"),
            gr.update(visible=bool(here.missing)),
            gr.update(visible=not named),
            gr.update(visible=not whole_is_built),
            not_built(page, gallery, encoder, built, count, estimate, job),
            gr.update(visible=not busy and not partly and count > PART),
            gr.update(visible=not busy, value=f"All {count:,} pictures" + (f" ({estimate})" if estimate else "")),
            gr.update(value=progress_bars(page.builds.running()), visible=bool(page.builds.running())),
        ]

    def start(limit: int | None):
        def begin(gallery: str, encoder: str) -> list:
            page.choice(gallery, encoder, "brute", 1)  # refuses names that are not offered
            page.builds.start(gallery, encoder, limit)
            return look(gallery, encoder)

        return sentence_errors(begin)

    def fetch(gallery: str, encoder: str, progress=gr.Progress()) -> list:  # noqa: B008 (gradio's way to ask for it)
        page.choice(gallery, encoder, "brute", 1)
        page.engine.gallery(
            gallery, download=True, progress=lambda done, total: progress((done, total), "fetching", unit="bytes")
        )
        return look(gallery, encoder)

    chosen = [page.gallery, page.encoder]
    shown = [page.badge, missing, missing_row, get_pictures, panel, sentence, part, whole, running]
    quiet = {"show_progress": "hidden", "queue": False}
    gr.on([page.demo.load, page.gallery.change, page.encoder.change], look, chosen, shown, **quiet)
    gr.Timer(POLL_SECONDS).tick(look, chosen, shown, **quiet)
    part.click(start(PART), chosen, shown, **quiet)
    whole.click(start(None), chosen, shown, **quiet)
    get_pictures.click(sentence_errors(fetch), chosen, shown, concurrency_limit=1, show_progress_on=missing)
    for fill, component in page.by_gallery:
        gr.on([page.demo.load, page.gallery.change], fill, page.gallery, component, **quiet)


def badge(page: Page, encoder: str) -> str:
    spec = ENCODERS[encoder]
    facts = [
        f"{spec.parameters / 1e6:.1f} M parameters" if spec.parameters else "",
        f"{spec.dim} dimensions",
        f"{spec.input_px} px",
        "pictures and words" if spec.text else "pictures only",
        f"licence {spec.licence}",
    ]
    if spec.download_bytes and weights_path(encoder) is None:
        facts.append(f"weights not here yet: {spec.download_bytes / 1e6:.0f} MB to fetch")
    described = html.escape("; ".join(fact for fact in [spec.note, *facts] if fact))
    return f"<b>{html.escape(page.device)}</b> {described}"


def not_built(page: Page, gallery: str, encoder: str, built, count: int, estimate: str, job: Job | None) -> str:
    command = html.escape(page.engine.key(gallery, encoder).build_command)
    if built is not None and built.limit is None:
        return ""
    if built is not None:
        lead = f"<b>{built.limit:,} of {count:,} pictures are searched</b>: no more are built with {encoder} yet."
    else:
        lead = f"<b>{encoder} is not built for this gallery</b> ({gallery}): its vectors have to be made once."
    failed = f"<br><b>The last try stopped:</b> {html.escape(job.error)}" if job and job.error else ""
    return f"<div class='panel'>{lead}{failed}<p class='hint'>On the command line: <code>{command}</code></p></div>"


def progress_bars(jobs: list[Job]) -> str:
    """The builds that run, the same for all visitors."""
    rows = []
    for job in jobs:
        share = job.progress.done / job.progress.total if job.progress.total else 0
        amount = f" ({job.key.limit:,} pictures)" if job.key.limit else ""
        rows.append(
            f"<div class='hint'>Building <b>{job.key.encoder}</b> for {html.escape(job.key.gallery)}{amount}: "
            f"{html.escape(str(job.progress))}</div><div class='bar'><i style='width:{share:.1%}'></i></div>"
        )
    return "".join(rows)


def latest(jobs: list[Job], gallery: str, encoder: str) -> Job | None:
    return next((job for job in reversed(jobs) if (job.key.gallery, job.key.encoder) == (gallery, encoder)), None)

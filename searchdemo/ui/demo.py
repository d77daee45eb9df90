"""The page as a whole: sidebar, tabs, links, API; and how it is served."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Route

from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import Library
from searchdemo.galleries.table import GALLERIES
from searchdemo.ui import api, link, start, status, tab_classify, tab_image, tab_text
from searchdemo.ui.audit import tab as tab_audit
from searchdemo.ui.components.templates import element, render
from searchdemo.ui.enlarged import Enlarged
from searchdemo.ui.faceoff import tab as tab_faceoff
from searchdemo.ui.latency import tab as tab_latency
from searchdemo.ui.map import tab as tab_map
from searchdemo.ui.mine import played
from searchdemo.ui.mine.panel import MinePanel
from searchdemo.ui.page import Page
from searchdemo.ui.query import CurrentQuery
from searchdemo.ui.serving.blocks import Served
from searchdemo.ui.serving.shared_link import TITLE, SharedLink
from searchdemo.ui.serving.uploads import MOST_AT_ONCE
from searchdemo.ui.style import CSS, THEME
from searchdemo.ui.tradeoffs import tab as tab_tradeoffs

# Each is a module with TITLE and add(page).
TABS = (tab_image, tab_text, tab_classify, tab_map, tab_latency, tab_tradeoffs, tab_faceoff, tab_audit)
ICON = Path(__file__).with_name("icon.png")  # in the browser's tab, and beside a link that was shared


# server_name stays unset: a Space sets it in the environment. ssr_mode would need Node; run_history would keep the
# visitors' queries in their browsers. _frontend stands for one thing: that the launch ends with an error where the page
# does not answer itself within 3 s, as on a machine that is busy, though it is there and serves visitors already.
LAUNCH = {
    "theme": THEME,
    "css": CSS,
    "favicon_path": ICON,
    "i18n": gr.I18n(en={"common.complete": "Complete"}),  # gradio 6.31 has no text for what it tells screen readers
    "max_file_size": MOST_AT_ONCE,
    "show_error": False,
    "ssr_mode": False,
    "run_history": False,
    "state_session_capacity": 50,  # gradio would keep 300 KB for each of 10,000 visitors who left
    "footer_links": ["api"],
    "_frontend": False,
}
log = logging.getLogger(__name__)


class Demo(Served):
    """gradio's page with one more address, that of the videos of the person at this machine, and tags for previews."""

    is_template = True  # it uses the browser code of gr.Blocks
    videos: Route

    def launch(self, *args: Any, **options: Any) -> Any:
        served = {"app_kwargs": {"routes": [self.videos], "middleware": [Middleware(SharedLink)]}}
        return super().launch(*args, **LAUNCH | served | options)


def build_demo(library: Library, gallery: str | None = None) -> Demo:
    """gallery: the one to start with; visitors may choose among it and the galleries that the table offers to pages.

    Raises UnknownName, NoPictures.
    """
    first = gallery or start.first_gallery(library)
    log.info("starting the page on the gallery %s; builds go to %s", first, library.store.own)
    library.gallery(first)  # a wrong name or folder is refused before the page is there
    galleries = dict.fromkeys([*(name for name, spec in GALLERIES.items() if spec.on_page), first])
    with Demo(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as demo:
        with gr.Sidebar(width=300, elem_id="sidebar"):
            page = Page(library, Builds(library), tuple(galleries), first, demo)
            link_box = gr.Column()
        demo.videos = played.route(page)
        gr.HTML(element("h1", TITLE) + element("p", "Similarity search on pictures"), elem_id="title")
        gr.HTML(render("doors.html"), js_on_load=render("doors.js"), elem_id="doors")
        mine = MinePanel(page)
        panel = gr.Column()
        notice = gr.HTML(elem_id="link-notice", visible=False)
        page.query = CurrentQuery(page)
        page.enlarged = Enlarged(page)
        mine.connect()
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            opened = []
            for number, tab in enumerate(TABS):
                with gr.Tab(tab.TITLE, id=number) as one:
                    tab.add(page)
                opened.append(one.select)
            gr.on(opened, None, js=page.open_tab.refresh)
        with panel:
            status.add(page)
        with link_box:
            link.add(page, tabs, [tab.TITLE for tab in TABS], notice)
        api.add(page)
        for script in ("stream.js", "menus.js", "typed.js"):
            demo.load(None, None, None, js=render(script))
    for event in demo.fns.values():
        if event.show_progress == "hidden":  # else gradio copies all that its outputs hold at every later event
            event.show_progress_on = []
        if event.api_name not in api.NAMES:
            event.api_visibility = "private"
    threading.Thread(target=start.warm_up, args=(page, first), daemon=True).start()
    return demo

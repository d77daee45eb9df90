"""The page as a whole: sidebar, tabs, links, API; and how it is served."""

from __future__ import annotations

import threading

import gradio as gr

from searchdemo.collection.jobs import Builds
from searchdemo.collection.library import SearchEngine
from searchdemo.galleries.table import GALLERIES
from searchdemo.ui import api, link, start, status, tab_classify, tab_image, tab_text
from searchdemo.ui.latency import tab as tab_latency
from searchdemo.ui.page import Page
from searchdemo.ui.style import CSS, THEME
from searchdemo.ui.tradeoffs import tab as tab_tradeoffs

# A module each, with TITLE and add(page).
TABS = (tab_image, tab_text, tab_classify, tab_latency, tab_tradeoffs)
TITLE = "searchdemo"
# On a telephone the open sidebar would lie over the page.
FOLD_SIDEBAR = """() => {
  if (innerWidth < 768) document.querySelector('#sidebar.open .toggle-button')?.click();
}"""
# server_name stays unset: a Space sets it in the environment. ssr_mode would need Node; run_history would keep what
# visitors search for in their browsers.
LAUNCH = {
    "theme": THEME,
    "css": CSS,
    "max_file_size": "20mb",
    "show_error": False,
    "ssr_mode": False,
    "run_history": False,
    "footer_links": ["api"],
}


def build_demo(engine: SearchEngine, gallery: str | None = None) -> gr.Blocks:
    """gallery: the one to start with; visitors may choose among it and those of the table that are for pages."""
    first = gallery or start.first_gallery(engine)
    engine.gallery(first)  # a wrong name or folder is refused before the page is there
    galleries = dict.fromkeys([*(name for name, spec in GALLERIES.items() if spec.on_page), first])
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as demo:
        with gr.Sidebar(width=300, elem_id="sidebar"):
            gr.HTML(f"<h1>{TITLE}</h1><p>Similarity search on pictures</p>", elem_id="title")
            page = Page(engine, Builds(engine), tuple(galleries), first, demo)
            link_box = gr.Column()
        panel = gr.Column()
        with gr.Tabs(elem_id="tabs") as tabs:
            for number, tab in enumerate(TABS):
                with gr.Tab(tab.TITLE, id=number):
                    tab.add(page)
        with panel:
            status.add(page)
        with link_box:
            link.add(page, tabs, [tab.TITLE for tab in TABS])
        api.add(page)
        demo.load(None, None, None, js=FOLD_SIDEBAR)
    for event in demo.fns.values():
        if event.api_name not in api.NAMES:
            event.api_visibility = "private"
    threading.Thread(target=start.warm_up, args=(page, first), daemon=True).start()
    return demo.queue(max_size=32, default_concurrency_limit=2)

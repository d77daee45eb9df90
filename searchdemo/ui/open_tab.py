"""The open tab alone is filled: scripts in the browser press hidden buttons of the tab that they find open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from searchdemo.ui.components.templates import render


class OpenTab:
    """Makes the buttons where it is constructed. A tab has up to two, and says at their clicks what it shows:

    `#refresh-<tab>`, of the query: pressed when the query or the sidebar changes, and when the tab is opened;
    `#renew-<tab>`, of the gallery and the encoder: pressed when the tab is opened for the first time, and when another
    gallery or encoder is chosen or built; of a closed tab when it is opened next.

    None is pressed before the link that the page was opened with is read: what it asks for would come a second time.
    """

    def __init__(self, changes: Sequence[Callable], collection_changes: Sequence[Callable]):
        """Events of the sidebar; collection_changes: after which other vectors are searched, or the same built anew."""
        self._buttons = gr.Column(visible="hidden")  # outside the tabs: what is inside is not there before it is opened
        self._renewed: dict[str, gr.Button] = {}
        self.refresh = render("refresh.js")  # a script
        gr.on(changes, None, js=self.refresh)
        gr.on(collection_changes, None, js=render("renew.js", refresh=self.refresh))

    def refreshed(self, tab: str) -> Callable:
        """The event at which a tab shows the query; to be called once for each."""
        return self._button(f"refresh-{tab}").click

    def renewed(self, tab: str) -> Callable:
        """The event at which a tab shows what it does of the gallery and the encoder."""
        if tab not in self._renewed:
            self._renewed[tab] = self._button(f"renew-{tab}")
        return self._renewed[tab].click

    def opened(self, read: Callable) -> None:
        """read: the event after which the link is read, or cannot be."""
        read(None, js=render("opened.js", refresh=self.refresh))

    def _button(self, elem_id: str) -> gr.Button:
        with self._buttons:
            return gr.Button(visible="hidden", elem_id=elem_id)

"""The field for a visitor's own pictures: any number of files, or zips of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles
from gradio_client import utils as client_utils


class OwnFiles(gr.File):
    """Handlers get the paths of gradio's temporary files, which they are to delete."""

    is_template = True  # it uses the browser code of gr.File

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"file_count": "multiple"} | options)

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """gradio would fetch a URL of any size for a client of the API."""
        if client_utils.is_http_url_like(str(url_or_file_path)):
            raise gr.Error("Pictures are not fetched from an address: upload their bytes.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)

    def preprocess(self, payload: ListFiles | FileData | None) -> list[Path]:
        files = [] if payload is None else payload.root if isinstance(payload, ListFiles) else [payload]
        return [Path(file.path) for file in files]


functools.update_wrapper(OwnFiles.__init__, gr.File.__init__)  # gradio reads the names of options from it

"""What the page opens on, and what is loaded in the background while the visitor looks around."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from urllib.parse import urlparse

from PIL import Image

from searchdemo.collection.library import Query, SearchEngine
from searchdemo.encoders.device import pick_device, pick_precision
from searchdemo.errors import SearchDemoError
from searchdemo.ui.page import INDEX, Page

WANTED, FALLBACK = "tiny-imagenet", "scenes"
ENCODER = "bundled"
REACH_S = 1.0


def first_gallery(engine: SearchEngine) -> str:
    """tiny-imagenet where it was built and its pictures are here or can be fetched, else scenes.

    Raises NoPictures when a folder was named that holds none.
    """
    if engine.built_key(WANTED, ENCODER) is None:
        return FALLBACK
    here = bool(engine.gallery(WANTED).source)
    return WANTED if here or hub_within_reach() else FALLBACK


def hub_within_reach() -> bool:
    """Whether the hub's port answers. In a thread: no time-out covers the look-up of a host's name."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    address = urlparse(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    answered = threading.Event()

    def knock() -> None:
        port = address.port or {"http": 80}.get(address.scheme, 443)
        try:
            socket.create_connection((address.hostname, port), timeout=REACH_S).close()
            answered.set()
        except OSError:
            pass

    knocking = threading.Thread(target=knock, daemon=True)
    knocking.start()
    knocking.join(REACH_S)
    return answered.is_set()


def warm_up(page: Page, gallery: str) -> None:
    """Load what the first query needs and encode once, which is slow the first time; name the device on the page."""
    engine = page.engine
    device = pick_device(engine.device)
    page.device = f"{device}, {pick_precision(device)}"
    for load in (
        lambda: engine.index(gallery, ENCODER, INDEX),
        lambda: engine.embed(Query(text="a picture"), gallery, ENCODER),
        lambda: engine.embed(Query(picture=Image.new("RGB", (64, 64))), gallery, ENCODER),
        lambda: engine.gallery(gallery).pictures.encoded(0),
    ):
        with contextlib.suppress(SearchDemoError):  # the visitor who asks for it is told
            load()

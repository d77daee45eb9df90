"""The first gallery of the page, and what is loaded in the background while the visitor looks around."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from urllib.parse import urlparse
from urllib.request import getproxies, proxy_bypass

from PIL import Image

from searchdemo.collection.embedded import embed
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import SearchDemoError
from searchdemo.ui.page import INDEX, Page

WANTED, FALLBACK = "tiny-imagenet", "scenes"
ENCODER = "bundled"
REACH_S = 1.0


def first_gallery(library: Library) -> str:
    """tiny-imagenet where it is built and its pictures are here or can be fetched, else scenes.

    Raises NoPictures when the library was given a folder without pictures.
    """
    if library.built(Key(WANTED, ENCODER, library.transform, library.metric, library.limit)) is None:
        return FALLBACK
    here = bool(library.gallery(WANTED).source)
    return WANTED if here or hub_within_reach() else FALLBACK


def hub_within_reach() -> bool:
    """Whether the hub's port answers. It is asked in a thread, because looking up a host's name has no time-out."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    answered = threading.Event()

    def knock() -> None:
        with contextlib.suppress(OSError, ValueError):  # no answer, or an address that is none
            address = urlparse(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
            proxy = getproxies().get(address.scheme)
            if proxy and not proxy_bypass(address.hostname or ""):
                address = urlparse(proxy if "//" in proxy else f"//{proxy}")  # who sits behind one asks it for all
            port = address.port or {"http": 80}.get(address.scheme, 443)
            socket.create_connection((address.hostname, port), timeout=REACH_S).close()
            answered.set()

    knocking = threading.Thread(target=knock, daemon=True)
    knocking.start()
    knocking.join(REACH_S)
    return answered.is_set()


def warm_up(page: Page, gallery: str) -> None:
    """Loads what the first query needs, and encodes once, because the first time is slow."""
    library = page.library
    library.how(ENCODER)
    page.warm = True
    for load in (
        lambda: library.open(gallery, ENCODER).index(INDEX),
        lambda: embed(Query(text="a picture"), lambda: library.encoder(ENCODER)),
        lambda: embed(Query(picture=Image.new("RGB", (64, 64))), lambda: library.encoder(ENCODER)),
        lambda: library.gallery(gallery).pictures.encoded(0),
    ):
        with contextlib.suppress(SearchDemoError):  # a visitor who needs it gets the error
            load()

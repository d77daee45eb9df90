"""How long it will take to embed a whole gallery: measured on this machine, in the background."""

from __future__ import annotations

import threading
import time

from searchdemo.collection.library import Library
from searchdemo.collection.progress import clock
from searchdemo.encoders.table import is_here
from searchdemo.errors import SearchDemoError
from searchdemo.pictures import open_picture

SAMPLE = 32  # pictures in a measurement; a build has larger batches and is somewhat faster


class Rates:
    """Pictures per second of each encoder, measured once per process."""

    def __init__(self, library: Library):
        self._library = library
        self._rates: dict[str, float | None] = {}  # None: the measurement runs, or it failed
        self._lock = threading.Lock()

    def estimate(self, gallery: str, encoder: str, count: int) -> str:
        """ "about 12:40", or "" while it is unknown. The first call starts the measurement if the weights are here."""
        with self._lock:
            if encoder not in self._rates and is_here(encoder):
                self._rates[encoder] = None
                threading.Thread(target=self._measure, args=(gallery, encoder), daemon=True).start()
            rate = self._rates.get(encoder)
        return f"about {clock(count / rate)}" if rate else ""

    def _measure(self, gallery: str, encoder: str) -> None:
        try:
            network, pictures = self._library.encoder(encoder), self._library.gallery(gallery).pictures
            some = [picture for row in range(min(SAMPLE, len(pictures))) if (picture := pictures.encoded(row))]
            if not some:
                return
            network.encode_images([open_picture(some[0])])  # the first pass prepares memory and kernels
            started = time.perf_counter()
            network.encode_images([open_picture(picture) for picture in some])
            rate = len(some) / (time.perf_counter() - started)
        except SearchDemoError:  # a visitor who starts the build gets the error
            return
        with self._lock:
            self._rates[encoder] = rate

"""How long embedding a whole gallery will take: measured on this machine, in the background, when it may be wanted."""

from __future__ import annotations

import threading
import time

from searchdemo.collection.build import clock
from searchdemo.collection.library import SearchEngine
from searchdemo.encoders.table import weights_path
from searchdemo.errors import SearchDemoError
from searchdemo.pictures import open_picture

SAMPLE = 32  # pictures that are timed; a build works in larger batches and is somewhat faster


class Rates:
    """Pictures a second of each encoder, measured once a process."""

    def __init__(self, engine: SearchEngine):
        self._engine = engine
        self._rates: dict[str, float | None] = {}  # None: being measured, or it could not be
        self._lock = threading.Lock()

    def estimate(self, gallery: str, encoder: str, count: int) -> str:
        """ "about 12:40", or "" while it is not known; starts the measurement when the weights are here."""
        with self._lock:
            if encoder not in self._rates and weights_path(encoder) is not None:
                self._rates[encoder] = None
                threading.Thread(target=self._measure, args=(gallery, encoder), daemon=True).start()
            rate = self._rates.get(encoder)
        return f"about {clock(count / rate)}" if rate else ""

    def _measure(self, gallery: str, encoder: str) -> None:
        try:
            network, pictures = self._engine.encoder(encoder), self._engine.gallery(gallery).pictures
            some = [picture for row in range(min(SAMPLE, len(pictures))) if (picture := pictures.encoded(row))]
            if not some:
                return
            network.encode_images([open_picture(some[0])])  # the first pass prepares memory and kernels
            started = time.perf_counter()
            network.encode_images([open_picture(picture) for picture in some])
            rate = len(some) / (time.perf_counter() - started)
        except SearchDemoError:  # whoever starts the build is told
            return
        with self._lock:
            self._rates[encoder] = rate

"""Mixed visitors at once: each kind alone first, then all of them together, in one run of the page.

Visitors are threads of processes of their own, so the page has its interpreter for itself. Each asks, waits for the
answer, and pauses as a person does; `PAUSES` says for how long.
"""

from __future__ import annotations

import http.client
import io
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from searchdemo.bench.child import ROOT
from searchdemo.bench.hold.client import Refused, Visitor
from searchdemo.errors import SearchDemoError

TEXT, PICTURE, CLICK, BRUTE, IVF, RACE, BUILD = "text", "picture", "click", "brute", "ivf", "race", "build"
# Of 32 visitors. A page that many people have open is mostly clicked and typed at.
MIX = {TEXT: 10, PICTURE: 6, CLICK: 6, BRUTE: 3, IVF: 3, RACE: 2, BUILD: 2}
PAUSES = {TEXT: 1.0, PICTURE: 1.0, CLICK: 1.0, BRUTE: 1.0, IVF: 1.0, RACE: 5.0, BUILD: 10.0}  # seconds, on the average
ALONE_PAUSE = 0.2  # of one visitor alone, for more of them in the same time
ALONE = (TEXT, PICTURE)  # the kinds that have a requirement
PROCESSES = 2
# 1,600 texts, so that an answer that is kept for whoever asks the same again is seldom of use.
QUALITIES = ("red", "yellow", "old", "small", "big", "wooden", "broken", "wet", "shiny", "striped")
THINGS = (
    "boat", "dog", "bird", "bus", "chair", "mountain", "plate", "cat", "bridge", "flower",
    "table", "car", "horse", "house", "tree", "bottle", "clock", "shoe", "fish", "lamp",
)  # fmt: skip
PLACES = ("on the sea", "in a street", "in the snow", "on a table", "in the sun", "by a wall", "in a field", "at night")
PICTURES_OF_A_BUILD = 8
DRAWN = 12  # pictures that a visitor has, drawn before any clock runs


class Asker:
    """One visitor of a kind: `ask()` is one action, from the first byte that is sent to the last that comes back."""

    def __init__(self, kind: str, port: int, seed: int, subject: Sequence[str]):
        """subject: gallery, encoder."""
        self.visitor, self.random = Visitor(port), random.Random(seed)
        self.ask: Callable[[], object] = getattr(self, kind)
        self.gallery, self.encoder = subject
        count = DRAWN if kind in (PICTURE, BUILD) else 0
        self._pictures = [drawn(self.random.randrange(2**24), 320) for _ in range(count)]

    def text(self, index: str = "ivf") -> object:
        words = " ".join(map(self.random.choice, (QUALITIES, THINGS, PLACES)))
        return self.visitor.call(
            "search_by_text", text=words, gallery=self.gallery, encoder=self.encoder, index=index, k=12
        )

    def brute(self) -> object:
        return self.text("brute")

    def ivf(self) -> object:
        return self.text("ivf")

    def picture(self) -> object:
        (file,) = self.visitor.upload(("some.jpg", self.random.choice(self._pictures)))
        return self.visitor.call(
            "search_by_image", image=file, gallery=self.gallery, encoder=self.encoder, index="ivf", k=12
        )

    def click(self) -> object:
        """As the page does at a click on a result: the picture becomes the query, and the tab is filled."""
        sidebar = [self.gallery, self.encoder, "ivf", 12]
        told = {"gallery": self.gallery, "picture": self.random.randrange(6)}
        return self.visitor.press("image-examples", "select", told, "", *sidebar)

    def race(self) -> object:
        indexes = ["flat", "ivf"]
        return self.visitor.call(
            "compare_latency", gallery=self.gallery, encoder=self.encoder, indexes=indexes, k=10, repeats=20
        )

    def build(self) -> object:
        """Pictures of the visitor's own become a gallery."""
        chosen = self.random.sample(self._pictures, PICTURES_OF_A_BUILD)
        files = self.visitor.upload(*((f"{number}.jpg", picture) for number, picture in enumerate(chosen)))
        return self.visitor.call("bring_pictures", files=files, encoder=self.encoder)


def drawn(colour: int, px: int) -> bytes:
    """A JPEG of one colour with a disc in another."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (px, px), f"#{colour:06x}")
    ImageDraw.Draw(picture).ellipse((px // 4, px // 4, px // 2, px // 2), f"#{0xFFFFFF ^ colour:06x}")
    held = io.BytesIO()
    picture.save(held, "JPEG")
    return held.getvalue()


def visit(
    port: int, kinds: Sequence[str], seconds: float, seed: int, subject: Sequence[str], pause: float | None = None
) -> dict:
    """Visitors of these kinds, a thread for each, who ask once at least. subject: gallery, encoder.

    Returns {"ms": kind -> [...], "errors": [...]}.
    """
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    errors: list[str] = []
    ends = time.perf_counter() + seconds

    def stay(number: int, kind: str) -> None:
        asker, usual = Asker(kind, port, seed + number, subject), pause or PAUSES[kind]
        time.sleep(asker.random.random() * min(usual, seconds / 4))
        started = 0.0
        while not started or time.perf_counter() < ends:
            started = time.perf_counter()
            try:
                asker.ask()
            except (Refused, OSError, http.client.HTTPException, ValueError, KeyError) as error:
                errors.append(f"{kind}: {type(error).__name__}: {error}")
            else:
                times[kind].append((time.perf_counter() - started) * 1000)
            time.sleep(max(0.0, min(asker.random.expovariate(1 / usual), ends - time.perf_counter())))
        asker.visitor.close()

    threads = [threading.Thread(target=stay, args=(number, kind)) for number, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"ms": times, "errors": errors}


def visited(
    port: int, mix: dict[str, int], seconds: float, seed: int, subject: Sequence[str], pause: float | None = None
) -> dict:
    """As `visit`, from PROCESSES processes. Raises SearchDemoError when one of them ends before its time."""
    kinds = [kind for kind, count in mix.items() for _ in range(count)]
    shares = [kinds[number::PROCESSES] for number in range(PROCESSES)]
    code = (
        "import json, sys; from searchdemo.bench.hold.load import visit; "
        "print(json.dumps(visit(*json.loads(sys.argv[1]))))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, json.dumps([port, share, seconds, seed + 1000 * number, subject, pause])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, share in enumerate(shares)
        if share
    ]
    found: dict = {"ms": {}, "errors": []}
    for process in running:
        said, _ = process.communicate()
        if process.returncode:
            raise SearchDemoError("A process of visitors ended before its time.")
        part = json.loads(said)
        found["errors"] += part["errors"]
        for kind, times in part["ms"].items():
            found["ms"].setdefault(kind, []).extend(times)
    return found

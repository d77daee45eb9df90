"""Pictures and texts that were damaged at random are sent to the page: each is answered, or refused in a sentence."""

from __future__ import annotations

import http.client
import io
import random
import threading
from collections.abc import Callable, Iterable
from typing import Any

from PIL import Image

from searchdemo.bench.hold.arguments import UNFORESEEN
from searchdemo.bench.hold.client import Refused, Visitor
from searchdemo.bench.hold.outcome import Outcome, Size, counter
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench
from searchdemo.formats import readers

VISITORS = 3
AT_ONCE = 10  # pictures of one upload; as many texts follow
GALLERY_EVERY = 10  # of so many uploads one becomes a gallery, too
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "TGA", "ICO")
WORDS = ("a red boat", "", "\x00", "\ud800", "x" * 2000, "<img src=x>", "𝕏" * 300, "\u202e", "' or 1=1 --", "\n\t",
         "a beach + sunset - people", "2: dog + #12", "- dog", "#99999999", "1e400: cat")  # fmt: skip


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    page, found = pages.page(), Outcome()
    tell = counter(bench, "mutated pictures and texts", size.mutated)
    sent, faults = attacked(page.port, size.mutated, bench.seed, pages.subject, tell)
    found.none_of(f"of {sent:,} mutated pictures and texts, those without an answer or a sentence", faults, "requests")
    return found


def attacked(
    port: int, count: int, seed: int, subject: tuple[str, str], tell: Callable[[int], None]
) -> tuple[int, list[str]]:
    """So many at least, by VISITORS at once, half of them pictures. How many were sent, and what went wrong."""
    faults: list[str] = []
    rounds = -(-count // (2 * AT_ONCE))
    seeds, ended = pictures(), [0]

    def stay(number: int) -> None:
        attacker = Attacker(port, subject, faults)
        for turn in range(number, rounds, VISITORS):
            attacker.attack(random.Random(f"{seed} {turn}"), seeds, as_gallery=turn % GALLERY_EVERY == 0)
            ended[0] += 2 * AT_ONCE
            tell(ended[0])
        attacker.visitor.close()

    threads = [threading.Thread(target=stay, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * AT_ONCE * rounds, faults


class Attacker:
    """One visitor."""

    def __init__(self, port: int, subject: tuple[str, str], faults: list[str]):
        self.visitor, self._faults = Visitor(port), faults
        self._subject = {"gallery": subject[0], "encoder": subject[1], "index": "ivf", "k": 3}

    def attack(self, rng: random.Random, seeds: list[bytes], as_gallery: bool) -> None:
        damaged = [mutated(rng.choice(seeds), rng) for _ in range(AT_ONCE)]
        files = self._asked(self.visitor.upload, *((f"{number}.jpg", data) for number, data in enumerate(damaged)))
        for file in files or ():
            self._asked(self.visitor.call, "search_by_image", image=file, **self._subject)
        for text in mutated_texts(rng, AT_ONCE):
            self._asked(self.visitor.call, "search_by_text", text=text, **self._subject)
        if files and as_gallery:
            self._asked(self.visitor.call, "bring_pictures", files=files, encoder=self._subject["encoder"])

    def _asked(self, ask: Callable[..., list], *given: Any, **named: Any) -> list | None:
        try:
            return ask(*given, **named)
        except Refused as error:
            if not error.sentence.strip() or UNFORESEEN in error.sentence:
                self._faults.append(f"{ask.__name__} {str(given[0])[:20]}: {error}")
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self._faults.append(f"{ask.__name__} {str(given[0])[:20]}: {type(error).__name__}: {error}")
        return None


def pictures() -> list[bytes]:
    """One of each kind that this Pillow writes."""
    readers()
    image, found = Image.radial_gradient("L").resize((48, 32)).convert("RGB"), []
    for kind in KINDS:
        if kind in Image.SAVE:
            buffer = io.BytesIO()
            image.save(buffer, kind)
            found.append(buffer.getvalue())
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, a part cut out, doubled, or the end cut off."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    start, size = rng.randrange(len(damaged)), rng.randrange(1, 64)
    match rng.randrange(4):
        case 0:
            del damaged[start : start + size]
        case 1:
            damaged[start:start] = damaged[start : start + size]
        case 2:
            del damaged[start:]
    return bytes(damaged)


def mutated_texts(rng: random.Random, count: int) -> Iterable[str]:
    for _ in range(count):
        word = list(rng.choice(WORDS))
        for _ in range(rng.randint(0, 4)):
            word.insert(rng.randint(0, len(word)), chr(rng.randrange(0x110000)))
        yield "".join(word)

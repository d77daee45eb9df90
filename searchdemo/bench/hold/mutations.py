"""Pictures and texts that were damaged at random go the way of a query: each is read, or refused in a sentence."""

from __future__ import annotations

import io
import random
from collections import Counter

from PIL import Image

from searchdemo.collection.query import Query
from searchdemo.errors import SearchDemoError
from searchdemo.formats import readers
from searchdemo.measure.cards import Requirement
from searchdemo.pictures import check_whole, open_picture

TRIES = 10_000  # at scale 1, half of them pictures
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "TGA", "ICO")
WORDS = ("a red boat", "", "\x00", "\ud800", "x" * 2000, "<img src=x>", "𝕏" * 300, "\u202e", "' or 1=1 --", "\n\t")


def run(scale: float, seed: int) -> list[Requirement]:
    rng, raised = random.Random(seed), Counter[str]()
    seeds = pictures()
    tries = max(2, round(TRIES * scale))
    for number in range(tries):
        try:
            if number % 2:
                _ = Query(text=mutated_text(rng)).terms
            else:
                damaged = mutated(seeds[number // 2 % len(seeds)], rng)
                check_whole(damaged)
                open_picture(damaged)
        except SearchDemoError:
            continue
        except Exception as error:  # what is counted
            raised[f"{type(error).__name__}: {error}"[:80]] += 1
    name = f"{tries:,} mutated pictures and texts" + "".join(f"; {said}" for said in list(raised)[:3])
    return [Requirement(name, sum(raised.values()), 0, unit="traces")]


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


def mutated_text(rng: random.Random) -> str:
    word = list(rng.choice(WORDS))
    for _ in range(rng.randint(0, 4)):
        word.insert(rng.randint(0, len(word)), chr(rng.randrange(0x110000)))
    return "".join(word)

"""What a scene says in words: one exact sentence, and varied ones to learn from."""

from __future__ import annotations

import random
from collections.abc import Mapping

WHERE = {
    "sea": "on the sea",
    "forest": "in the forest",
    "street": "in the street",
    "snow": "in the snow",
    "desert": "in the desert",
    "meadow": "in the meadow",
    "beach": "on the beach",
    "sky": "in the sky",
}
WHEN = {"day": "by day", "sunset": "at sunset", "night": "at night"}
PLACE = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
LEAN = {"upright": "", "left": "leaning to the left", "right": "leaning to the right"}  # upright goes without saying

SYNONYMS = {
    "small": ("little", "tiny"),
    "large": ("big", "huge"),
    "on the sea": ("at sea", "on the water", "on the ocean"),
    "in the forest": ("in the woods", "among trees", "in a forest"),
    "in the street": ("in the city", "on the street", "on the road", "in town"),
    "in the snow": ("in winter", "on snow", "in a snowy landscape"),
    "in the desert": ("among dunes", "in a desert"),
    "in the meadow": ("on the grass", "in a green field", "in a meadow"),
    "on the beach": ("on the sand by the sea", "at the beach"),
    "in the sky": ("among clouds", "up in the air"),
    "by day": ("in daylight", "during the day"),
    "at sunset": ("at dusk", "in the evening"),
    "at night": ("by night", "in the dark", "under the moon"),
    "on the left": ("to the left", "on the left side"),
    "on the right": ("to the right", "on the right side"),
    "in the middle": ("in the centre", "at the center"),
    "bicycle": ("bike",),
    "boat": ("sailing boat", "ship", "sailboat"),
    "bus": ("coach",),
    "cat": ("kitten",),
    "cup": ("mug", "cup of coffee"),
    "house": ("home", "cottage"),
    "ice cream": ("ice cream cone",),
    "mushroom": ("toadstool",),
    "plane": ("airplane", "aeroplane"),
    "rabbit": ("bunny", "hare"),
    "rocket": ("spaceship",),
    "train": ("steam engine", "locomotive"),
    "turtle": ("tortoise",),
}
OPENINGS = ("", "", "", "a picture of ", "a photo of ", "an image of ", "a drawing of ")
SAID = {"thing": 0.9, "colour": 0.7, "setting": 0.6, "time": 0.35, "size": 0.25, "place": 0.15, "lean": 0.1}


def _with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def describe(attributes: Mapping[str, str], say: Mapping[str, str] | None = None) -> str:
    """{"colour": "red", "thing": "boat", "setting": "sea"} -> "a red boat on the sea".

    attributes: any of size, colour, thing, setting, time, place, lean. Without a thing it is "something red ...".
    say: other words for the words used here ({"small": "tiny"}).
    """
    word = (say or {}).get

    def part(name: str, table: Mapping[str, str]) -> str:
        phrase = table[attributes[name]] if name in attributes else ""
        return word(phrase, phrase)

    look = [word(attributes[name], attributes[name]) for name in ("size", "colour") if name in attributes]
    if "thing" in attributes:
        noun = _with_article(" ".join([*look, word(attributes["thing"], attributes["thing"])]))
    else:
        noun = " ".join(["something", *look])
    if attributes.get("setting") == "sky" and attributes.get("time") == "night":
        scenery = ["in the night sky"]
    else:
        scenery = [part("setting", WHERE), part("time", WHEN)]
    sentence = " ".join(filter(None, [noun, *scenery]))
    return ", ".join(filter(None, [sentence, part("place", PLACE), part("lean", LEAN)]))


def vary(attributes: Mapping[str, str], rng: random.Random) -> str:
    """A true sentence about a scene that says only some of it, now and then in other words."""
    chosen = {name: value for name, value in attributes.items() if rng.random() < SAID[name]}
    if not chosen.keys() & {"thing", "colour", "setting"}:
        chosen["thing"] = attributes["thing"]
    say = {word: rng.choice(others) for word, others in SYNONYMS.items() if rng.random() < 0.3}
    return rng.choice(OPENINGS) + describe(chosen, say)

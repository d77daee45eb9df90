"""Sentences about a scene: an exact one, and varied ones to learn from. Their words are in words.json."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from searchdemo.shipped import check

_WORDS = json.loads(check(Path(__file__).with_name("words.json")).read_text())
WHERE: dict[str, str] = _WORDS["where"]  # by setting
WHEN: dict[str, str] = _WORDS["when"]  # by time
PLACE: dict[str, str] = _WORDS["place"]
LEAN: dict[str, str] = _WORDS["lean"]  # "upright" goes without saying
SYNONYMS: dict[str, list[str]] = _WORDS["synonyms"]
OPENINGS: list[str] = _WORDS["openings"]  # of a varied sentence; some are empty
SAID: dict[str, float] = _WORDS["said"]  # how likely a varied sentence is to mention each attribute


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


def vary(attributes: Mapping[str, str], rng: random.Random) -> tuple[str, set[str]]:
    """A true sentence that says only some of a scene, now and then in other words; and the names of what it says."""
    chosen = {name: value for name, value in attributes.items() if rng.random() < SAID[name]}
    if not chosen.keys() & {"thing", "colour", "setting"}:
        chosen["thing"] = attributes["thing"]
    say = {word: rng.choice(others) for word, others in SYNONYMS.items() if rng.random() < 0.3}
    return rng.choice(OPENINGS) + describe(chosen, say), set(chosen)

"""The 1,000 classes of ImageNet-1k in words: their nouns in WordNet, their names, and one name of each kept for a test.

Open English WordNet has numbers of its own, so a class is found by its names and its definition.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from training.data import Say


@dataclass(frozen=True)
class ImagenetClass:
    wordnet_id: str  # "n01443537"
    synset: str  # "01446178-n" of Open English WordNet
    names: tuple[str, ...]  # the usual one first, without `held_out`
    glosses: tuple[str, ...]
    held_out: str = ""  # a name that training does not see; "" when the class has no other English one


def imagenet_classes(
    nouns: Mapping[str, dict], chosen: Mapping[str, str], readable: Mapping[str, str], say: Say
) -> list[ImagenetClass]:
    """In timm's order. nouns: data.load_nouns.

    chosen: synsets that are known, by WordNet id. Three of tiny-ImageNet differ from the definition that timm has
    (a cannon on wheels in place of one on a tank), because of what the pictures show.
    readable: names of classes that come first, by WordNet id. Raises ValueError for a class without a noun.
    """
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    by_name: dict[str, list[str]] = {}
    for number, noun in nouns.items():
        for name in noun["names"]:
            by_name.setdefault(plain(name), []).append(number)
    found, differing = [], []
    for wordnet_id in info.label_names():
        names = info.label_name_to_description(wordnet_id)
        gloss = info.label_name_to_description(wordnet_id, detailed=True).removeprefix(names + ": ")
        likely = best_noun(names.split(", "), gloss, by_name, nouns)
        synset = chosen.get(wordnet_id, likely)
        if synset is None:
            raise ValueError(f"{wordnet_id} ({names}) is not in this WordNet")
        if synset != likely:
            differing.append(f"{wordnet_id} ({names})")
        first = readable.get(wordnet_id, names.split(", ")[0])
        all_names = [first, *names.split(", "), *nouns[synset]["names"]]
        found.append((wordnet_id, synset, all_names, (nouns[synset]["gloss"], gloss)))
    twice = [number for number, count in Counter(synset for _, synset, _, _ in found).items() if count > 1]
    say(f"{len(found)} classes found in WordNet; {len(differing)} placed by hand ({', '.join(differing)})")
    if twice:
        raise ValueError(f"{len(twice)} nouns stand for two classes: {', '.join(twice)}")
    english = {name for noun in nouns.values() for name in noun["names"] if name.islower()}
    owners = Counter(name for _, _, names, _ in found for name in {plain(name) for name in names})
    ambiguous = {name for name, numbers in by_name.items() if len(numbers) > 1}
    ambiguous |= {name for name, count in owners.items() if count > 1}
    return [
        ImagenetClass(wordnet_id, synset, *held_out(names, glosses, english, ambiguous))
        for wordnet_id, synset, names, glosses in found
    ]


def plain(name: str) -> str:
    """Letters and digits alone: "Ice-Cream" -> "icecream"."""
    return re.sub("[^a-z0-9]", "", name.lower())


def best_noun(names: list[str], gloss: str, by_name: Mapping[str, list[str]], nouns: Mapping[str, dict]) -> str | None:
    """The noun that shares most of the names and, twice as important, of the words of the definition."""
    mine, words = {plain(name) for name in names}, set(re.findall("[a-z0-9]+", gloss.lower()))

    def shared(number: str) -> float:
        theirs = {plain(name) for name in nouns[number]["names"]}
        said = set(re.findall("[a-z0-9]+", nouns[number]["gloss"].lower()))
        return len(mine & theirs) / len(mine | theirs) + 2 * len(words & said) / max(1, len(words | said))

    candidates = sorted({number for name in mine for number in by_name.get(name, [])})
    return max(candidates, key=shared, default=None)


def is_latin(name: str, english: set[str]) -> bool:
    """Whether a name looks like that of a species: "Carassius auratus", and not "Siberian husky"."""
    first, *rest = name.split()
    return bool(rest) and first.istitle() and rest[-1].lower() not in english


def held_out(
    names: list[str], glosses: tuple[str, ...], english: set[str], ambiguous: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Names that are left, glosses that are left, and one English name for a test, always the same one.

    It is spelt otherwise than all others, and means nothing else. Glosses with it are left out, too.
    """
    different = {plain(name): name for name in reversed(names)}  # the first spelling of each
    kept = [different[key] for key in dict.fromkeys(map(plain, names))]
    others = [
        name
        for name in kept[1:]
        if not is_latin(name, english)
        and plain(name) not in ambiguous
        and not any(plain(name) in plain(other) for other in kept if other != name)
    ]
    if not others:
        return tuple(kept), tuple(dict.fromkeys(glosses)), ""
    test = min(others, key=lambda name: zlib.crc32(name.encode()))
    left = tuple(name for name in kept if name != test)
    return left, tuple(gloss for gloss in dict.fromkeys(glosses) if plain(test) not in plain(gloss)), test

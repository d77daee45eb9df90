"""What the text tower learns from: texts about classes, kinds and other nouns of WordNet, and captions of scenes."""

from __future__ import annotations

import random as python_random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.encoders.bundled_text import SentenceModel
from searchdemo.files import replacing
from searchdemo.galleries.drawing.captions import describe
from searchdemo.galleries.drawing.scene import COLOURS, THINGS, Scene
from training.data import Say
from training.imagenet import ImagenetClass, plain
from training.scene_data import ATTRIBUTES, codes

LEXFILES = ("Tops", "animal", "artifact", "food", "object", "body", "plant", "shape")  # nouns that pictures may show
OTHER_NOUNS = 6000  # nouns that are neither a class nor above one: a sample of those in LEXFILES
SEED = 7  # of what is drawn once: nouns, parts of glosses, captions


@dataclass(frozen=True)
class Subject:
    """What texts are about."""

    groups: tuple[tuple[str, ...], ...]  # texts: those on each name, then those on what it is
    answers: tuple[int, ...]  # classes that are right
    # "class" | "kind": above classes | "noun": beside them, its nearest kind answers | "drawn": what scenes show, too
    kind: str = "class"

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for group in self.groups for text in group))


def class_answers(nouns: Mapping[str, dict], synsets: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """For each noun the classes below it, or else those below its nearest kind: "beagle" -> the dogs."""
    below: dict[str, set[int]] = {}
    for row, number in enumerate(synsets):
        waiting, seen = [number], set()
        while waiting:
            noun = waiting.pop()
            if noun in seen or noun not in nouns:
                continue
            seen.add(noun)
            below.setdefault(noun, set()).add(row)
            waiting += nouns[noun]["hypernyms"]

    def nearest(number: str) -> set[int]:
        level, seen = [number], set()
        while level:
            found = [below[noun] for noun in level if noun in below]
            if found:
                return min(found, key=len)
            seen |= set(level)
            level = [up for noun in level for up in nouns[noun]["hypernyms"] if up in nouns and up not in seen]
        return set()

    answers = {number: nearest(number) for number in nouns}
    return {number: tuple(sorted(rows)) for number, rows in answers.items() if rows}


def clauses(gloss: str, random: np.random.Generator, count: int = 2) -> list[str]:
    """The parts of a gloss between semicolons, and `count` times some of its words, as a person would remember it."""
    parts = [part.strip() for part in re.split(r"[;()]", gloss) if len(part.split()) > 2]
    words, some = gloss.split(), []
    for _ in range(count if len(words) > 5 else 0):
        kept = random.random(len(words)) >= random.uniform(0.2, 0.5)
        some.append(" ".join(word for word, keep in zip(words, kept, strict=True) if keep))
    return [*(parts if len(parts) > 1 else []), *filter(None, some)]


def about(
    names: Sequence[str], glosses: Sequence[str], kind: str, random: np.random.Generator
) -> tuple[tuple[str, ...], ...]:
    """The ways to put a thing in words, see Subject.groups. kind: the name of what it is a kind of; "" for none."""
    groups = []
    for number, name in enumerate(names):
        said = [name, f"a photo of a {name}.", f"a {name}"]
        groups.append((*said, f"{name}, a kind of {kind}") if kind and number < 2 else tuple(said))
    told: list[str] = []
    for gloss in glosses:
        told += [gloss, f"{names[0]}: {gloss}", *clauses(gloss, random)]
        if kind:
            told.append(f"a {kind}: {gloss}")
    return (*groups, tuple(told))


def subjects(nouns: Mapping[str, dict], classes: Sequence[ImagenetClass]) -> list[Subject]:
    """Classes first, in order; then their kinds, then a sample of other nouns."""
    random = np.random.default_rng(SEED)
    rows = {known.synset: row for row, known in enumerate(classes)}
    answers = class_answers(nouns, list(rows))
    parents = {number: [up for up in noun["hypernyms"] if up in nouns] for number, noun in nouns.items()}
    above = {up for number in rows for up in ancestors(number, parents)} - rows.keys()

    def kind_of(number: str) -> str:
        return nouns[parents[number][0]]["names"][0] if parents[number] else ""

    found = []
    for row, known in enumerate(classes):
        examples = nouns[known.synset].get("examples", ())
        groups = about(known.names, [*known.glosses, *examples], kind_of(known.synset), random)
        found.append(Subject(tuple(filter(None, (without(known.held_out, group) for group in groups))), (row,)))
    beside = [
        number
        for number, noun in nouns.items()
        if noun["lexfile"].removeprefix("noun.") in LEXFILES and number in answers and number not in above | rows.keys()
    ]
    chosen = random.choice(len(beside), min(OTHER_NOUNS, len(beside)), replace=False)
    numbers = [*sorted(above & answers.keys()), *(beside[i] for i in sorted(chosen))]
    for number in numbers:
        noun = nouns[number]
        if number in above:
            groups = about(noun["names"], [noun["gloss"]], kind_of(number), random)
        else:
            groups = ((noun["names"][0],), (noun["gloss"],))
        found.append(Subject(groups, answers[number], "kind" if number in above else "noun"))
    return [*found, *drawn(found)]


def drawn(known: Sequence[Subject]) -> list[Subject]:
    """Things that drawn scenes show, with their colours, as what they are on photographs: "a red car" -> the cars.

    Without them the captions of scenes take such texts for themselves.
    """
    found = []
    for thing in THINGS:
        same = [subject for subject in known if subject.kind != "noun" and any(thing == g[0] for g in subject.groups)]
        if same:
            texts = [describe({"thing": thing}), *(describe({"colour": colour, "thing": thing}) for colour in COLOURS)]
            answers = max(same, key=lambda subject: len(subject.answers)).answers
            found.append(Subject((tuple(texts),), answers, "drawn"))
    return found


def ancestors(number: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """All nouns above a noun."""
    found, waiting = set(), list(parents.get(number, ()))
    while waiting:
        noun = waiting.pop()
        if noun not in found:
            found.add(noun)
            waiting += parents.get(noun, ())
    return found


def without(held_out: str, texts: Iterable[str]) -> tuple[str, ...]:
    """The texts, each once, that do not contain the name."""
    secret = plain(held_out)
    return tuple(text for text in dict.fromkeys(texts) if not secret or secret not in plain(text))


def captions(scenes: Sequence[Scene], rounds: int = 1) -> tuple[list[str], np.ndarray]:
    """`rounds` captions of each scene, and what each says: (rounds * n, attributes) int16, -1 for the unsaid."""
    random, (numbers, _) = python_random.Random(SEED), codes(list(scenes))
    texts, said = [], []
    for _ in range(rounds):
        for row, scene in enumerate(scenes):
            text, names = scene.varied_caption(random)
            texts.append(text)
            said.append([code if name in names else -1 for name, code in zip(ATTRIBUTES, numbers[row], strict=True)])
    return texts, np.array(said, np.int16)


class Embedded:
    """Sentence embeddings of texts, kept in a file: what a model embedded once is not embedded again."""

    def __init__(self, model: SentenceModel, digest: str, path: Path, say: Say):
        """digest: of the model. A file with the embeddings of another one is written anew."""
        self.model, self.digest, self.path, self.say = model, digest, path, say
        self._rows: dict[str, np.ndarray] = {}
        if path.exists():
            with np.load(path) as file:
                if str(file.get("model")) == digest:
                    self._rows = dict(zip(file["texts"].tolist(), file["rows"], strict=True))
                else:
                    say(f"text: {path} is of another sentence model, so all texts are embedded again")

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """(n, width) float32."""
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        for start in range(0, len(new), 2000):
            part = new[start : start + 2000]
            found = self.model.features([self.model.reader.read(text) for text in part]).astype(np.float16)
            self._rows |= dict(zip(part, found, strict=True))
            self.say(f"text: embedded {start + len(part)} of {len(new)} texts")
            if start % 10_000 == 8000 or start + len(part) == len(new):
                with replacing(self.path) as partial, partial.open("wb") as file:
                    known, rows = np.array(list(self._rows)), np.array(list(self._rows.values()))
                    np.savez(file, model=np.array(self.digest), texts=known, rows=rows)
        return np.array([self._rows[text] for text in texts], np.float32)

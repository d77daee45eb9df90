"""The lessons of the text tower: words, WordNet nouns, and their places by the sentence model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.encoders.words import split_words, table_rows
from searchdemo.files import replacing
from training.data import Say
from training.prototypes import embed_nouns, follow, load_sentence_model, unit

LEXFILES = ("Tops", "animal", "artifact", "food", "object", "body", "plant", "shape")  # nouns that pictures may show


def chosen_nouns(nouns: dict[str, dict], classes: Collection[str]) -> list[str]:
    """Nouns of LEXFILES and the classes themselves."""
    return [
        number
        for number, noun in nouns.items()
        if noun["lexfile"].removeprefix("noun.") in LEXFILES or number in classes
    ]


def vocabulary(model: Any, nouns: dict[str, dict], chosen: list[str]) -> tuple[list[str], int]:
    """Words that get a row of their own, and how many of them are the sentence model's own, which come first.

    The rest are words of nouns that the sentence model would cut into pieces ("tarantula"). Latin names beside an
    English one are left out, because they would take as many rows again.
    """
    own = [word for word in model.tokenizer.get_vocab() if word.isascii() and word.isalnum()]
    own.sort(key=model.tokenizer.get_vocab().__getitem__)  # by frequency
    more = {
        word
        for number in chosen
        for position, name in enumerate(nouns[number]["names"])
        if position == 0 or name.islower()
        for word in split_words(name)
    }
    return own + sorted(more - set(own)), len(own)


def teacher(nouns: dict[str, dict], classes: Collection[str], work: Path, say: Say) -> dict[str, np.ndarray]:
    """Sentence embeddings (384-d unit rows) of the vocabulary's own words and of the chosen nouns; cached in work."""
    path = work / "teacher.npz"
    if not path.exists():
        chosen = chosen_nouns(nouns, classes)
        model = load_sentence_model()
        model.max_seq_length = 40  # the beginning of a long gloss is enough
        words, own = vocabulary(model, nouns, chosen)
        say(f"embedding {own} words and {len(chosen)} nouns with the sentence model")
        word_rows = model.encode(words[:own], batch_size=256, show_progress_bar=True)
        noun_rows = embed_nouns(model, [nouns[number] for number in chosen], nouns)
        rows, known = unit(word_rows).astype(np.float16), noun_rows.astype(np.float16)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, words=np.array(words), nouns=np.array(chosen), word_rows=rows, noun_rows=known)
    return dict(np.load(path))


@dataclass(frozen=True)
class Subject:
    """A noun or another word: its names, and its place in the shared space."""

    names: tuple[str, ...]
    target: int  # row of Lessons.targets
    parent: str = ""  # the kind of thing that it is
    gloss: str = ""
    answers: tuple[int, ...] = ()  # classes below this noun, or else below its nearest kind that has classes


class Lessons:
    """Draws texts with their targets (n, 128) at random: words, nouns, and the classes again and again."""

    SHARES = (0.3, 0.45)  # of words, of nouns; the classes, and the nouns with classes below them, share the rest
    MAX_ANSWERS = 30  # "an animal" says nothing about the picture

    def __init__(
        self,
        known: dict[str, np.ndarray],
        nouns: dict[str, dict],
        classes: dict[str, str],
        words: dict[str, np.ndarray],
        learned: np.ndarray,
    ):
        """known: the result of `teacher`; classes: synset -> readable name, in label order;
        words: the arrays of prototypes.npz; learned: the prototypes now, (200, 128)."""
        self.vocabulary = {word: row for row, word in enumerate(known["words"].tolist())}
        self.prototypes = unit(learned)

        def place(rows: np.ndarray) -> np.ndarray:
            projected = unit((rows.astype(np.float32) - words["centre"]) @ words["matrix"])
            return follow(projected, unit(words["prototypes"]), self.prototypes)

        self.targets = np.concatenate([place(known["word_rows"]), place(known["noun_rows"])])
        own, numbers = len(known["word_rows"]), known["nouns"].tolist()
        self.own = [Subject((word,), row) for row, word in enumerate(known["words"][:own].tolist())]
        answers = class_answers(nouns, list(classes), self.MAX_ANSWERS)
        self.nouns = [
            Subject(
                tuple(dict.fromkeys([*filter(None, [classes.get(number)]), *nouns[number]["names"]])),
                own + position,
                next((nouns[parent]["names"][0] for parent in nouns[number]["hypernyms"] if parent in nouns), ""),
                nouns[number]["gloss"],
                answers.get(number, ()),
            )
            for position, number in enumerate(numbers)
        ]
        by_number = dict(zip(numbers, self.nouns, strict=True))
        self.classes = [by_number[number] for number in classes]
        for row, subject in enumerate(self.classes):
            self.targets[subject.target] = self.prototypes[row]
        self.with_answers = [subject for subject in self.nouns if subject.answers]

    def draw(self, count: int, random: np.random.Generator) -> tuple[list, np.ndarray, np.ndarray]:
        """Bags of table rows, their targets (count, 128) and the classes that answer them (count, 200) bool."""
        words, nouns = (int(count * share) for share in self.SHARES)
        classes = (count - words - nouns) // 2
        sizes, subjects = (words, nouns, classes, count - words - nouns - classes), []
        for pool, size in zip((self.own, self.nouns, self.classes, self.with_answers), sizes, strict=True):
            subjects += [pool[i] for i in random.integers(len(pool), size=size)]
        answers = np.zeros((count, len(self.classes)), bool)
        for row, subject in enumerate(subjects):
            answers[row, list(subject.answers)] = True
        bags = [noisy_rows(write(subject, random), self.vocabulary, random) for subject in subjects]
        return bags, self.targets[[subject.target for subject in subjects]], answers


def class_answers(nouns: dict[str, dict], synsets: list[str], max_answers: int) -> dict[str, tuple[int, ...]]:
    """For each noun the classes below it, or else those below its nearest kind: "beagle" -> the dogs.

    A noun with more than max_answers is left out.
    """
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
    return {number: tuple(sorted(rows)) for number, rows in answers.items() if 0 < len(rows) <= max_answers}


def write(subject: Subject, random: np.random.Generator) -> str:
    """One of the ways to put a subject in words."""
    name = subject.names[int(random.integers(len(subject.names)) * (random.random() < 0.6))]  # the first more often
    if not subject.gloss:
        return name
    way = random.random()
    if way < 0.4:
        return name
    if way < 0.55:
        return f"a photo of a {name}"
    if way < 0.7 and subject.parent:
        return f"{name}, a kind of {subject.parent}"
    if way < 0.9:
        return subject.gloss
    return f"{name}: {subject.gloss}"


def misspell(word: str, random: np.random.Generator) -> str:
    """One letter left out, doubled, replaced, or swapped with the next."""
    at = int(random.integers(len(word)))
    letter = "abcdefghijklmnopqrstuvwxyz"[random.integers(26)]
    ways = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    )
    return ways[random.integers(len(ways))]


def noisy_rows(
    text: str, vocabulary: dict[str, int], random: np.random.Generator, drop: bool = True
) -> tuple[list[int], list[float]]:
    """table_rows with one word in six hidden from the vocabulary or misspelt, which teaches the n-grams.

    drop: leaves out some words of longer texts, so that no word relies on all the others.
    """
    bags, words = [], split_words(text)
    if drop and len(words) > 4:
        kept = random.random(len(words)) >= random.uniform(0, 0.5)
        words = [word for word, keep in zip(words, kept, strict=True) if keep] or words
    for word in words:
        hidden = random.random() < 1 / 6 and len(word) > 3
        if hidden and random.random() < 0.5:
            word = misspell(word, random)
        bags.append(table_rows(word, {} if hidden else vocabulary, len(vocabulary)))
    return [row for rows, _ in bags for row in rows], [weight for _, weights in bags for weight in weights]

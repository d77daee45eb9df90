"""Trains the head of the text tower: from the sentence model's space into that of the pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.data import Say
from training.scene_data import matches
from training.scene_lessons import matching_loss
from training.text_data import Subject


@dataclass(frozen=True)
class TextRecipe:
    steps: int = 700
    batch_size: int = 128  # texts of each kind of subject, and pictures, per step
    hidden: int = 256
    most_classes: int = 130  # of a kind that counts as one thing: dogs are 118 classes
    scene_keys: int = 32  # captions that make a text one of a drawn scene
    sharpness: float = 30.0  # inverse temperature of the likeness of a text to the classes, before it is learnt
    gloss_bias: float = 2.5  # that is added to the likeness to a class's glosses, before it is learnt
    scene_bias: float = 0.0  # that is added to the likeness to a caption, before it is learnt
    lr: float = 2e-3  # of AdamW, half a cosine down to zero
    attention_lr: float = 1e-3  # of the keys and the values, which know much from the start
    weight_decay: float = 0.02
    noise: float = 0.5  # length of the noise that is added to a sentence embedding of length 1
    scale: float = 20.0  # inverse temperature of cosines between texts, classes and pictures
    scene_scale: float = 14.0  # between captions and scenes
    kinds_weight: float = 0.5  # of the losses; that of the classes weighs 1
    nouns_weight: float = 0.1
    drawn_weight: float = 2.0
    pictures_weight: float = 0.3
    shown_weight: float = 1.0  # of classes and of kinds, against pictures
    shown: int = 1024  # pictures that these are compared with, per step
    scenes_weight: float = 0.6
    scenes: int = 512  # that captions are compared with, per step


class Head(nn.Module):
    """Sentence embeddings (n, width) -> unit rows (n, dim): attention over known things.

    A text weighs classes and kinds by its likeness to what is written about each, and lies at the mean of their
    vectors. So what the sentence model knows of "police dog" holds from the first step: learnt from nothing, a network
    of two layers found half as many descriptions in the same time. The last keys are those of drawn scenes. Their
    value is a small network, because colours, places and times combine; without keys it moved all other texts, too,
    and a tenth of the descriptions was lost. What they add leaves the known things their place: "a red car" lies near
    photographs of cars and near drawings of red ones. searchdemo/encoders/bundled_text.py runs it in NumPy.
    """

    def __init__(self, things: int, scenes: int, width: int, dim: int, hidden: int):
        super().__init__()
        self.things = things
        self.keys = nn.Linear(width, things + scenes)
        self.values = nn.Linear(things, dim, bias=False)
        self.skip = nn.Linear(width, dim, bias=False)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, dim)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        likeness = self.keys(features)
        known = likeness[:, : self.things].softmax(dim=1)
        scenes = likeness.softmax(dim=1)[:, self.things :].sum(dim=1, keepdim=True)
        drawn = self.skip(features) + self.contract(F.gelu(self.expand(features)))
        return F.normalize(self.values(known) + drawn * scenes, dim=1)


def initial_head(
    keys: np.ndarray, vectors: np.ndarray, told: np.ndarray, captions: np.ndarray, recipe: TextRecipe
) -> Head:
    """keys: (things, width), what is written about each; vectors: (things, dim), their places.

    told: (things,) bool, which keys are glosses. They count more: a class has one such key beside those of its names.
    captions: (scenes, width), some captions.
    """
    (things, width), scenes = keys.shape, len(captions)
    head = Head(things, scenes, width, vectors.shape[1], recipe.hidden)
    every = torch.from_numpy(np.concatenate([keys, captions]).astype(np.float32))
    with torch.no_grad():
        head.keys.weight.copy_(F.normalize(every, dim=1) * recipe.sharpness)
        head.keys.bias.zero_()
        head.keys.bias[: len(keys)] += torch.from_numpy(told * np.float32(recipe.gloss_bias))
        head.keys.bias[len(keys) :] += recipe.scene_bias
        head.values.weight.copy_(F.normalize(torch.from_numpy(vectors.astype(np.float32)), dim=1).T)
    return head


def known_things(
    pools: dict[str, Pool], prototypes: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of initial_head: every name of a class, its glosses together, and kinds of at most so many classes.

    A name of its own keeps "dromedary" from drowning among the camels; with kinds, "vegetable" finds all of them.
    """
    classes, kinds = pools["class"], pools["kind"]
    owners, small = classes.answers[classes.owners].numpy(), kinds.answers.sum(1).numpy() <= most
    together = kinds.answers.numpy()[small].astype(np.float32) @ prototypes
    keys = np.concatenate([classes.group_means, kinds.means()[small]])
    last = np.append(classes.owners[1:] != classes.owners[:-1], True)  # group of a class: its glosses
    told = np.append(last, np.zeros(len(together), bool))
    return keys, np.concatenate([owners.astype(np.float32) @ prototypes, together]), told


@dataclass(frozen=True)
class PictureRows:
    """What the image tower made. Unit rows in the space of the pictures."""

    prototypes: np.ndarray  # (1000, dim): a row per class of ImageNet-1k
    rows: np.ndarray  # (n, dim) of pictures
    labels: np.ndarray  # (n,) their classes, rows of prototypes
    scene_rows: np.ndarray  # (m, dim) of drawn scenes
    scene_codes: np.ndarray  # (m, attributes), see scene_data.codes


@dataclass(frozen=True)
class Captions:
    features: np.ndarray  # (n, width) sentence embeddings
    said: np.ndarray  # (n, attributes), -1 for the unsaid


class Pool:
    """Subjects of one kind. Draws a subject, then one of its texts, each as likely as the others."""

    def __init__(self, subjects: Sequence[Subject], embedded: Callable[[Sequence[str]], np.ndarray], classes: int):
        """embedded: texts -> (n, width)."""
        features = [embedded(subject.texts) for subject in subjects]
        self.features = torch.from_numpy(np.concatenate(features))
        sizes = np.array([len(rows) for rows in features])
        groups = [(row, group) for row, subject in enumerate(subjects) for group in subject.groups]
        self.owners = np.array([row for row, _ in groups])  # the subject of each group of texts
        self.group_means = np.array([embedded(group).mean(axis=0) for _, group in groups])
        self.starts, self.sizes = np.concatenate([[0], sizes.cumsum()[:-1]]), sizes
        self.answers = torch.zeros(len(subjects), classes, dtype=torch.bool)
        for row, subject in enumerate(subjects):
            self.answers[row, list(subject.answers)] = True

    def draw(self, count: int, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Sentence embeddings (count, width) and which classes answer (count, classes) bool."""
        chosen = random.integers(len(self.sizes), size=count)
        return self._texts(chosen, random), self.answers[torch.from_numpy(chosen)]

    def means(self) -> np.ndarray:
        """The mean embedding of each subject's texts: (subjects, width)."""
        return np.add.reduceat(self.features.numpy(), self.starts) / self.sizes[:, None]

    def of_each(self, subjects: np.ndarray, random: np.random.Generator) -> torch.Tensor:
        """One text of each of these subjects: (len(subjects), width)."""
        return self._texts(subjects, random)

    def _texts(self, subjects: np.ndarray, random: np.random.Generator) -> torch.Tensor:
        places = self.starts[subjects] + (random.random(len(subjects)) * self.sizes[subjects]).astype(np.int64)
        return self.features[torch.from_numpy(places)]


def answered_loss(scores: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Mean over rows of -log of the probability that all right columns have together."""
    return -F.log_softmax(scores, dim=1).masked_fill(~answers, -torch.inf).logsumexp(1).mean()


def train(
    pools: dict[str, Pool], captions: Captions, pictures: PictureRows, recipe: TextRecipe, seed: int, say: Say
) -> Head:
    """A trained head, on the CPU. pools: by Subject.kind; that of the classes is in the order of the prototypes."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    prototypes, rows, scene_rows, caption_features = (
        torch.from_numpy(np.asarray(part, np.float32))
        for part in (pictures.prototypes, pictures.rows, pictures.scene_rows, captions.features)
    )
    width, seen = caption_features.shape[1], np.unique(pictures.labels)
    columns = torch.from_numpy(np.searchsorted(seen, pictures.labels))
    some = captions.features[random.choice(len(captions.features), recipe.scene_keys, replace=False)]
    head = initial_head(*known_things(pools, pictures.prototypes, recipe.most_classes), some, recipe)
    attention = [*head.keys.parameters(), *head.values.parameters()]
    others = [*head.skip.parameters(), *head.expand.parameters(), *head.contract.parameters()]
    steps = torch.optim.AdamW(
        [{"params": attention, "lr": recipe.attention_lr, "weight_decay": 0.0}, {"params": others}],
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(steps, recipe.steps)

    def read(features: torch.Tensor) -> torch.Tensor:
        return head(features + torch.randn_like(features) * recipe.noise * width**-0.5)

    def by_subject(kind: str, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        if kind not in pools:
            return torch.zeros(())
        features, answers = pools[kind].draw(recipe.batch_size, random)
        return loss(read(features) @ prototypes.T * recipe.scale, answers)

    shown_labels = torch.from_numpy(pictures.labels)

    def by_pictures(kind: str) -> torch.Tensor:
        """Texts of subjects against pictures: a row between two classes may lie nearest to pictures of a third."""
        if kind not in pools:
            return torch.zeros(())
        features, answers = pools[kind].draw(recipe.batch_size, random)
        some = torch.from_numpy(random.integers(len(rows), size=recipe.shown))
        return matching_loss(read(features) @ rows[some].T * recipe.scale, answers[:, shown_labels[some]])

    started, losses = time.perf_counter(), []
    for number in range(recipe.steps):
        of_classes, of_kinds, of_nouns, of_drawn = (
            by_subject("class", answered_loss),
            by_subject("kind", matching_loss),
            by_subject("noun", answered_loss),
            by_subject("drawn", answered_loss),
        )
        chosen = torch.from_numpy(random.integers(len(rows), size=recipe.batch_size))
        texts = read(pools["class"].of_each(seen, random))
        of_pictures = F.cross_entropy(rows[chosen] @ texts.T * recipe.scale, columns[chosen], label_smoothing=0.1)
        said = random.integers(len(caption_features), size=recipe.batch_size)
        shown = random.integers(len(scene_rows), size=recipe.scenes)
        true = torch.from_numpy(matches(captions.said[said], pictures.scene_codes[shown]))
        scores = read(caption_features[torch.from_numpy(said)]) @ scene_rows[torch.from_numpy(shown)].T
        of_scenes = matching_loss(scores * recipe.scene_scale, true)
        of_shown = by_pictures("class") + by_pictures("kind")
        parts = of_classes, of_kinds, of_nouns, of_drawn, of_pictures, of_shown, of_scenes
        weights = (
            1,
            recipe.kinds_weight,
            recipe.nouns_weight,
            recipe.drawn_weight,
            recipe.pictures_weight,
            recipe.shown_weight,
            recipe.scenes_weight,
        )
        loss = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        steps.zero_grad()
        loss.backward()
        steps.step()
        schedule.step()
        losses.append([part.item() for part in parts])
        if number % 500 == 499:
            names = "classes", "kinds", "nouns", "drawn", "pictures", "shown", "scenes"
            latest = zip(names, np.mean(losses[-500:], axis=0), strict=True)
            left = (time.perf_counter() - started) / (number + 1) * (recipe.steps - number - 1)
            said_now = ", ".join(f"{name} {value:.3f}" for name, value in latest)
            say(f"text: {number + 1}/{recipe.steps}, losses: {said_now}; {left / 60:.1f} min left")
    return head.eval()

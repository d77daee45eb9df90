"""Classification by neighbours, by the protocol of DINO (Caron et al. 2021, arXiv:2104.14294, appendix F.1).

Each of the k nearest votes for its class with exp(cos / T), T = 0.07. The plain vote counts each once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchdemo.collection.bounds import within_bounds

TEMPERATURE = 0.07
ANY_ANGLE = 180.0  # degrees: everything is within it
SEVERAL = "a picture may have several labels: a neighbour votes for each of its own, and one right guess is right"
KS = (1, 5, 10, 20, 50, 100, 200)


def check_temperature(temperature: float | None) -> None:
    """None stands for the plain vote. Raises BadQuery for 0 or below, and what is no number."""
    if temperature is not None:
        within_bounds("temperature", temperature, lambda value: value > 0, f"above 0, such as {TEMPERATURE}")


def check_degrees(max_degrees: object) -> float:
    """The greatest angle at which a neighbour or a name still counts. Raises BadQuery outside of 0 < degrees <= 180,
    and for what is no number."""
    advice = f"above 0 and at most {ANY_ANGLE:g} degrees, such as 58"
    return within_bounds("max_degrees", max_degrees, lambda value: 0 < value <= ANY_ANGLE, advice)


def degrees(cosines: np.ndarray) -> np.ndarray:
    """The angles of cosines, of the same shape; a missing neighbour, -inf, is as far away as can be."""
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def near(cosines: np.ndarray, max_degrees: float) -> np.ndarray:
    """The same cosines, with -inf for those of larger angles, which then have no vote."""
    return np.where(degrees(cosines) <= max_degrees, cosines, -np.inf)


def cut(found: np.ndarray, voting: np.ndarray, max_degrees: float) -> str:
    """What a threshold left out of neighbours (q, k) that were found and of those that then vote; "" without one."""
    if max_degrees >= ANY_ANGLE:
        return ""
    beyond, alone = int((found & ~voting).sum()), int((~voting.any(axis=1)).sum())
    return (
        f"{beyond:,} of {int(found.sum()):,} neighbours lie beyond {max_degrees:g}° and have no vote; no neighbour "
        f"within {max_degrees:g}° is left for {alone:,} of {len(found):,} queries, which count as wrong"
    )


def beyond(ks: tuple[int, ...], neighbours: int) -> str:
    """Which k ask for more neighbours than there are; "" where none does."""
    more = ", ".join(str(k) for k in ks if k > neighbours)
    return f"k = {more}: there are only {neighbours:,} neighbours, and all of them vote" if more else ""


def vote_weights(cosines: np.ndarray, temperature: float | None) -> np.ndarray:
    """Each neighbour's share of its query's vote: (q, k) cosines -> (q, k), rows sum to 1.

    -inf marks a missing neighbour, which has no vote. temperature None: every neighbour counts alike.
    """
    present = np.isfinite(cosines)
    if temperature is None:
        weights = present.astype(np.float64)
    else:
        highest = cosines.max(axis=1, keepdims=True, where=present, initial=-1.0)
        behind = np.where(present, cosines - highest, -np.inf).astype(np.float64)  # the common factor cancels
        with np.errstate(over="ignore"):  # at the lowest temperatures all but the nearest are infinitely far behind
            weights = np.exp(behind / temperature)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(weights.dtype).tiny)


def class_votes(weights: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Sum the shares by class: (q, k) weights and (q, k[, L]) labels -> (q, classes). Label -1, unknown, has no vote.

    A neighbour of several labels gives its share to each of them.
    """
    votes, labels = np.zeros((len(weights), classes)), labels.reshape(*labels.shape[:2], -1)
    queries, ranks, which = np.nonzero(labels >= 0)
    np.add.at(votes, (queries, labels[queries, ranks, which]), weights[queries, ranks])
    return votes


def ranked_classes(weights: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The 5 classes with most votes, best first: (q, min(5, classes)), from (q, k) weights and (q, k[, L]) labels.

    A tie goes to the class met first.

    A class without a vote is no guess: -1 stands there, so that k = 1 has one guess.
    """
    labels = labels.reshape(*labels.shape[:2], -1)
    votes = class_votes(weights, labels, classes)
    met = np.full((len(votes), classes + 1), labels.shape[1])  # the last column takes the unknown label, -1
    queries = np.arange(len(labels))
    for rank in range(labels.shape[1] - 1, -1, -1):
        for which in range(labels.shape[2] - 1, -1, -1):
            met[queries, labels[:, rank, which]] = rank
    order = np.lexsort((met[:, :classes], -np.round(votes, 12)), axis=1)[:, :5]
    return np.where(np.take_along_axis(votes, order, axis=1) > 0, order, -1)


def rightly(guesses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each guess (q, g) is one of the labels of its query, (q, L) with -1 for none: (q, g) bool."""
    return ((guesses[:, :, None] == truth[:, None]) & (truth >= 0)[:, None]).any(axis=2)


@dataclass(frozen=True)
class Accuracy:
    k: int
    vote: str  # "weighted" | "plain"
    top1: float  # percent
    top5: float  # percent
    per_class: np.ndarray  # (classes,) top-1 in percent; nan for classes without queries


@dataclass(frozen=True)
class Evaluation:
    """kNN accuracy of an index over the held-out queries of a collection."""

    queries: int
    accuracies: tuple[Accuracy, ...]
    search_seconds: float  # of the index alone, for all queries
    notice: str = ""  # what the person should know
    leave_one_out: bool = False  # whether the gallery's own pictures asked


def evaluate(
    cosines: np.ndarray,
    labels: np.ndarray,
    truth: np.ndarray,
    classes: int,
    ks: tuple[int, ...] = KS,
    temperature: float = TEMPERATURE,
) -> list[Accuracy]:
    """Accuracy at each k, weighted and plain.

    cosines (q, k) and labels (q, k) of the neighbours, best first, k >= max(ks) or all there are; truth (q,).
    Where pictures have several labels, labels are (q, k, L) and truth (q, L), filled up with -1: a guess is right when
    it is one of the query's labels, and a query counts for the figure of each of its classes.
    """
    truth = truth.reshape(len(truth), -1)
    counts = np.bincount(truth[truth >= 0], minlength=classes)
    results = []
    for k in ks:
        for vote, t in (("weighted", temperature), ("plain", None)):
            weights = vote_weights(cosines[:, :k], t)
            guesses = np.concatenate(
                [
                    ranked_classes(weights[start : start + 1000], labels[start : start + 1000, :k], classes)
                    for start in range(0, len(weights), 1000)
                ]
            )
            right = rightly(guesses, truth)
            found = truth[right[:, 0]]
            hits = np.bincount(found[found >= 0], minlength=classes)
            per_class = np.where(counts > 0, 100 * hits / np.maximum(counts, 1), np.nan)
            results.append(
                Accuracy(k, vote, 100 * float(right[:, 0].mean()), 100 * float(right.any(axis=1).mean()), per_class)
            )
    return results

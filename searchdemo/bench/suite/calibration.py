"""How well the curve of a gallery tells names whose pictures are there from names whose pictures are not.

Each class name asks twice: with all pictures there, and with those of its class removed. The curve has seen neither: it
is made from everyday words, without labels (collection/calibration.py). AUROC compares statistics of the nearest
cosines; the expected calibration error (Guo et al. 2017, ten bins of equal width) and the reliability are of the curve.
Of few queries even a perfect curve has an error, because the bins hold few: what it would have is drawn by lot from the
curve's own probabilities (Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"). Beside it is
the root of the mean squared error with that chance taken off (Kumar, Liang and Ma 2019, "Verified uncertainty
calibration"). Here half of the queries have their pictures, as in the fit.
The gallery is judged, and its held-out pictures as a gallery of their own. Held-out pictures ask in the same way, which
says whether a curve could serve queries by picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.tables import Column, Table, fixed, table_of, vectors_of
from searchdemo.bench.workload import Bench
from searchdemo.collection import calibration
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.calibration import Curve
from searchdemo.collection.steadiness import known_words, misread
from searchdemo.errors import BadQuery
from searchdemo.measure.cards import Figures, Requirement, RunCard

BINS = 10
PICTURES, QUICK_PICTURES = 1_000, 200  # held-out pictures that ask
DRAWN = 1_000  # outcomes by lot
STATISTICS = ("top 1", "mean of 10", "mean of 50", "z-score of 10")


def run(bench: Bench) -> Figures:
    """Raises BadQuery for an encoder without words."""
    if not bench.encoder_spec.text:
        raise BadQuery(f"{bench.key.encoder!r} reads no words: choose an encoder with a text tower, such as 'bundled'.")
    work = bench.workload(quick_queries=10_000)
    encoder = bench.encoder()
    words = known_words(encoder)
    every, truth = work.every_label()
    sets = {"the gallery": (work.vectors, every), "held-out pictures": (work.queries, truth)}
    statistics, curves, reliability, floors = [], [], [], []
    for done, (name, (vectors, labels)) in enumerate(sets.items()):
        bench.tell(name, done, len(sets) + 1)
        curve = calibration.calibrate(words.rows, vectors, steady=words.steady)
        if (asked := work.words) is None or work.word_classes is None:
            raise BadQuery("These vectors have no names of classes to ask with: choose a gallery that has classes.")
        measured = [*STATISTICS, *([f"mean of {curve.nearest}"] if curve else [])]
        some = can_be_removed(work.word_classes, labels)
        if not some.any():
            continue
        asked, of_class = asked[some], work.word_classes[some]
        with_them, without = present_and_removed(asked, of_class, vectors, labels, measured)
        for statistic in dict.fromkeys(measured):
            area = auroc(with_them[statistic], without[statistic])
            statistics.append({"asked": "class names", "among": name, "statistic": statistic, "auroc": area})
        if curve is None:
            continue
        own = f"mean of {curve.nearest}"
        names = [work.class_names[label] for label in of_class]
        doubts = misread(curve, encoder, names, asked)
        judged, points = judged_by(curve, with_them[own], without[own], doubts)
        facts = {"among": name, "pictures": len(vectors), "statistic": own} | judged
        curves.append(facts | {"shown": curve.shown, "absent": curve.absent, "own_error": 100 * curve.error})
        reliability += [{"among": name} | point for point in points]
        floors += [
            Requirement(f"AUROC of class names, {name}", judged["auroc"], 0.9, at_least=True),
            Requirement(f"calibration error of class names, {name}", judged["ece"], 0.05),
        ]
    bench.tell("pictures", len(sets), len(sets) + 1)
    able = np.flatnonzero(can_be_removed(work.truth, every))
    rows = able[balanced_rows(work.truth[able], QUICK_PICTURES if bench.quick else PICTURES, bench.seed)]
    kinds = present_and_removed(work.queries[rows], work.truth[rows], work.vectors, every, STATISTICS)
    if not len(statistics):
        raise BadQuery("No class here can be removed so that others are left: choose a gallery of two classes or more.")
    for statistic in STATISTICS if len(rows) else ():
        area = auroc(kinds[0][statistic], kinds[1][statistic])
        statistics.append({"asked": "pictures", "among": "the gallery", "statistic": statistic, "auroc": area})
    parts = {"statistics": statistics, "curves": curves, "reliability": reliability}
    settings = {"bins": BINS, "vocabulary": len(words.rows), "asked_pictures": len(rows)}
    return Figures(work.subject, parts, settings, requirements=floors)


def can_be_removed(own: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(a,) whether some of the vectors are of the class own (a,), and some are not.

    labels (n, L): all of each vector, -1 fills up.
    """
    counts = {label: int((labels == label).any(axis=1).sum()) for label in set(own.tolist()) if label >= 0}
    return np.array([0 < counts.get(label, 0) < len(labels) for label in own.tolist()], bool)


def present_and_removed(
    asked: np.ndarray, own: np.ndarray, vectors: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Statistics (a,) of queries (a, dim) over all vectors, and over those that are not of their class own (a,).

    labels (n, L): all of each vector, -1 fills up.
    """
    found: tuple[dict[str, list[float]], dict[str, list[float]]] = ({n: [] for n in names}, {n: [] for n in names})
    for query, label in zip(asked, own, strict=True):
        cosines = vectors @ query
        for kind, some in zip(found, (cosines, cosines[(labels != label).all(axis=1)]), strict=True):
            best = -np.partition(-some, min(calibration.MOST_NEAREST, len(some) - 1))[: calibration.MOST_NEAREST]
            best = -np.sort(-best)
            for name in kind:
                kind[name].append(statistic_of(name, best, some))
    return ({n: np.array(v) for n, v in found[0].items()}, {n: np.array(v) for n, v in found[1].items()})


def statistic_of(name: str, best: np.ndarray, cosines: np.ndarray) -> float:
    """best: the highest of the cosines (n,), descending."""
    if name == "z-score of 10":
        return float((best[:10].mean() - cosines.mean()) / max(float(cosines.std()), 1e-12))
    return float(best[: int(name.rpartition(" ")[2])].mean(dtype=np.float64))


def auroc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The share of pairs in which the first is higher; equal ones count half (Mann and Whitney 1947)."""
    below = np.searchsorted(np.sort(lower), higher, "left") + np.searchsorted(np.sort(lower), higher, "right")
    return float(below.mean() / (2 * len(lower)))


def judged_by(
    curve: Curve, with_them: np.ndarray, without: np.ndarray, misread: np.ndarray | None = None
) -> tuple[dict[str, float], list[dict]]:
    """{"auroc", "ece", "ece_perfect", "ece_perfect_95", "rms_debiased", "wrong_percent"} of a curve, and {"predicted",
    "observed", "count"} of each bin that holds any.

    misread: (n,) how probably the encoder misreads each text; with_them and without, (n,) each, are of the same texts
    """
    doubts = np.zeros(len(with_them) + len(without)) if misread is None else np.concatenate([misread, misread])
    x = np.concatenate([with_them, without])
    p = calibration.mixed(curve.slope * x + curve.intercept, doubts)
    there = np.repeat([1.0, 0.0], [len(with_them), len(without)])
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    points = [
        {
            "predicted": float(p[bins == n].mean()),
            "observed": float(there[bins == n].mean()),
            "count": int(sum(bins == n)),
        }
        for n in np.unique(bins)
    ]
    drawn = np.random.default_rng(0).random((DRAWN, len(p))) < p
    perfect = calibration_errors(p, drawn, bins)
    judged = {
        "auroc": auroc(p[: len(with_them)], p[len(with_them) :]),
        "ece": float(calibration_errors(p, there[None], bins)[0]),
        "ece_perfect": float(perfect.mean()),
        "ece_perfect_95": float(np.quantile(perfect, 0.95)),
        "rms_debiased": debiased(points),
        "wrong_percent": 100 * float(((p >= 0.5) != there).mean()),
    }
    return judged, points


def calibration_errors(p: np.ndarray, there: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(d,) expected calibration errors of probabilities (n,) in bins (n,) for d outcomes (d, n)."""
    return np.abs((p - there) @ np.eye(BINS)[bins]).sum(axis=1) / len(p)


def debiased(points: Sequence[dict]) -> float:
    """The root of the mean squared error of bins without what chance adds to it; 0 where chance alone adds as much."""
    names = ("predicted", "observed", "count")
    predicted, observed, count = (np.array([point[name] for point in points]) for name in names)
    chance = observed * (1 - observed) / np.maximum(count - 1, 1)
    return float(np.sqrt(max(np.average((predicted - observed) ** 2 - chance, weights=count), 0)))


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [Column("asked", "asked by"), Column("among", "among"), Column("statistic", "statistic of the cosines")]
    judged = [
        *(Column("among", "among"), Column("pictures", "pictures", fixed(0)), Column("statistic", "statistic")),
        *(Column("auroc", "AUROC", fixed(3)), Column("ece", "expected calibration error", fixed(3))),
        *(Column("ece_perfect", "of a perfect curve", fixed(3)), Column("ece_perfect_95", "95 % below", fixed(3))),
        Column("rms_debiased", "root mean square error without chance", fixed(3)),
        *(Column("wrong_percent", "names on the wrong side of 50 %, %", fixed(1)),),
        *(Column("own_error", "its own error rate, %", fixed(1)), Column("shown", "words shown", fixed(0))),
        Column("absent", "words absent", fixed(0)),
    ]
    found = []
    for card in cards:
        title = f"Names with their pictures against the same without: {vectors_of(card)}"
        found.append(
            table_of(card, "presence", title, [*heads, Column("auroc", "AUROC", fixed(3))], card.parts["statistics"])
        )
        found.append(
            table_of(
                card, "calibration", "The curve, made from everyday words without labels", judged, card.parts["curves"]
            )
        )
    return found


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """From the first card: how often the names were there, for each predicted probability."""
    card = cards[0]
    figure, (ax,) = plots.panels(1, f"“Probably nothing here”: reliability, {vectors_of(card)}", card.source)
    curves = []
    for among in dict.fromkeys(row["among"] for row in card.parts["reliability"]):
        rows = [row for row in card.parts["reliability"] if row["among"] == among]
        curves.append((among, [row["predicted"] for row in rows], [row["observed"] for row in rows]))
    plots.lines(ax, [*curves, ("perfect", [0, 1], [0, 1])])
    ax.set(xlabel="predicted probability", ylabel="share of names whose pictures were there")
    plots.legend(ax)
    return {"calibration": figure}

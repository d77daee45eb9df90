"""From wishes to a setting: bounds such as "recall>=0.95,ms<=1,mb<=60", the cheapest point within, and its code."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from searchdemo.errors import BadQuery
from searchdemo.measure.cards import KEY_PARTS, RunCard

EXAMPLE = "recall>=0.95,ms<=1,mb<=60"


@dataclass(frozen=True)
class Figure:
    """What a bound is about."""

    key: str  # in a row of the card
    at_least: bool
    highest: float  # that a bound can have
    scale: float = 1.0  # row[key] * scale is in the unit of the bound
    form: str = "{:.3g}"

    @property
    def sign(self) -> str:
        return ">=" if self.at_least else "<="


FIGURES = {
    "recall": Figure("recall_10", True, 1.0, form="{:.3f}"),
    "ms": Figure("p50_ms", False, float("inf")),
    "mb": Figure("size_bytes", False, float("inf"), 1e-6),
    "top1": Figure("knn_top1", True, 100.0, form="{:.1f}"),
}


@dataclass(frozen=True)
class Bounds:
    """None: no bound."""

    recall: float | None = None  # recall@10, at least, 0 to 1
    ms: float | None = None  # p50 of one query, at most
    mb: float | None = None  # 10^6 bytes of the index, at most
    top1: float | None = None  # kNN top-1 in percent, at least

    def given(self) -> dict[str, float]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: bound for name, bound in found.items() if bound is not None}

    def __str__(self) -> str:
        return ",".join(f"{name}{FIGURES[name].sign}{bound:g}" for name, bound in self.given().items())


def parse(text: str) -> Bounds:
    """ "recall>=0.95,ms<=1" -> Bounds(recall=0.95, ms=1). Raises BadQuery for what it cannot read."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)\s*(>=|<=|≥|≤)\s*(\d+\.?\d*|\.\d+)", part)
        if not match:
            raise BadQuery(f"The bound {part!r} is not of the form NAME>=NUMBER or NAME<=NUMBER: write {EXAMPLE!r}.")
        name, sign, number = match[1].lower(), match[2].replace("≥", ">=").replace("≤", "<="), float(match[3])
        if name not in FIGURES:
            raise BadQuery(f"There is no figure {name!r} to bound: choose from {', '.join(FIGURES)}, as {EXAMPLE!r}.")
        figure = FIGURES[name]
        if sign != figure.sign:
            wish = "more" if figure.at_least else "less"
            raise BadQuery(
                f"The bound {part!r} would keep the worst, {wish} is better: write {name}{figure.sign}{match[3]}."
            )
        if number > figure.highest:
            raise BadQuery(f"The bound {part!r} is beyond {figure.highest:g}, the most there is: write {EXAMPLE!r}.")
        if name in found:
            raise BadQuery(f"The figure {name!r} is bounded twice in {text!r}: keep one of the two.")
        found[name] = number
    if not found:
        raise BadQuery(f"No bound was given in {text!r}: write {EXAMPLE!r}, or one of the three alone.")
    return Bounds(**found)


def choose(rows: Sequence[dict], bounds: Bounds, cost: str = "p50_ms") -> dict:
    """The row of the lowest cost of those within all bounds; of equally cheap ones the one that finds most.

    Raises BadQuery when there is none, with the nearest: the one whose misses, as shares of their bounds, sum to least.
    """
    within = [row for row in rows if not excesses(row, bounds)]
    if within:
        return min(within, key=lambda row: (row[cost], -row["recall_10"]))
    if not rows:
        raise BadQuery(f"No point was measured, so none meets {bounds}: run `python -m searchdemo bench tradeoff`.")
    nearest = min(rows, key=lambda row: sum(excesses(row, bounds).values()))
    misses = []
    for name in excesses(nearest, bounds):
        figure, bound = FIGURES[name], bounds.given()[name]
        value = nearest[figure.key] * figure.scale
        word = "short of" if figure.at_least else "over"
        misses.append(f"{name} {figure.form.format(value)} is {abs(value - bound):.2g} {word} {bound:g}")
    raise BadQuery(
        f"None of {len(rows):,} measured points meets {bounds}: loosen a bound. "
        f"The nearest is {setting(nearest)}: {', '.join(misses)}."
    )


def excesses(row: dict, bounds: Bounds) -> dict[str, float]:
    """By how much a row misses each bound that it misses, as a share of the bound.

    What is to be high counts as it is shown: of equal scores exact search may return others than the ground truth, and
    its recall of 0.99995 meets a bound of 1.
    """
    found = {}
    for name, bound in bounds.given().items():
        figure = FIGURES[name]
        value = row[figure.key] * figure.scale
        beyond = bound - float(figure.form.format(value)) if figure.at_least else value - bound
        if beyond > 0:
            found[name] = beyond / max(bound, 1e-9)
    return found


def setting(row: dict) -> str:
    """ "HNSW32 (efConstruction 200, ef_search 64)": the factory string and all parameters of a row."""
    values = ", ".join(f"{name} {value}" for name, value in (row.get("build_params", {}) | row["params"]).items())
    return f"{row['factory']} ({values})" if values else row["factory"]


def search_parameters_source(factory: str, params: dict[str, int]) -> str:
    """Python that makes FAISS's parameter object for an index of this factory string; "None" where it takes none.

    As searchdemo.indexes.faiss_index.search_parameters, which does the same for an index in memory.
    """
    if refined := re.fullmatch(r"(.+),(Refine\(.+\)|RFlat)", factory):
        inner = search_parameters_source(refined[1], params)
        return f"faiss.IndexRefineSearchParameters(k_factor={params['k_factor']}, base_index_params={inner})"
    first, _, rest = factory.partition(",")
    if rest and re.match(r"OPQ|PCA|RR|ITQ|L2norm|Pad", first):
        return f"faiss.SearchParametersPreTransform(index_params={search_parameters_source(rest, params)})"
    if first.startswith("HNSW"):
        return f"faiss.SearchParametersHNSW(efSearch={params['ef_search']})"
    if first.startswith("IVF"):
        graph = ""
        if "_HNSW" in first:
            graph = f", quantizer_params=faiss.SearchParametersHNSW(efSearch={params['ef_search']})"
        return f"faiss.SearchParametersIVF(nprobe={params['nprobe']}{graph})"
    return "None"


SNIPPET = """\
# {setting}
# measured on {vectors:,} vectors: recall@10 {recall_10:.3f}, {p50_ms:.3g} ms a query, {megabytes:.3g} MB{quick}
# run it in the folder of a clone of searchdemo, with the Python of its .venv
import faiss
import numpy as np

from searchdemo.collection.library import SearchEngine

prepared = SearchEngine({options}).prepared({gallery}, {encoder})
vectors = prepared.vectors.all()  # (n, dim) float32, unit rows
queries, labels = prepared.queries()  # held out

index = faiss.index_factory(vectors.shape[1], {factory}, faiss.{metric})
{build}index.train(vectors)
index.add(vectors)

params = {params}
scores, rows = index.search(queries, 10, params=params)

_, exact = faiss.knn(queries, vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)
recall = np.mean([len(set(found) & set(true)) / 10 for found, true in zip(rows, exact)])
print(f"recall@10 = {{recall:.3f}}")
"""


def snippet(card: RunCard, row: dict) -> str:
    """Python that builds the row's index over the stored vectors, searches with its parameters and prints recall@10.

    It runs from the root of a clone as it stands.
    """
    build = [
        f'faiss.ParameterSpace().set_index_parameter(index, "{name}", {value})\n'
        for name, value in row["build_params"].items()
    ]
    options = [f"{name}={json.dumps(value)}" for name, value in card.variant.items() if name in KEY_PARTS]
    return SNIPPET.format(
        options=", ".join(options),
        recall_10=row["recall_10"],
        p50_ms=row["p50_ms"],
        setting=setting(row),
        quick="; in a quick run, other figures will differ" if card.quick else "",
        megabytes=row["size_bytes"] / 1e6,
        vectors=card.subject["vectors"],
        gallery=json.dumps(card.gallery),
        encoder=json.dumps(card.encoder),
        factory=json.dumps(row["factory"]),
        metric="METRIC_INNER_PRODUCT" if row["metric"] == "ip" else "METRIC_L2",
        build="".join(build),
        params=search_parameters_source(row["factory"], row["params"]),
    )

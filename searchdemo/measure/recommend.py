"""From bounds such as "recall>=0.95,ms<=1,mb<=60" to the cheapest setting that meets them, and the code for it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from searchdemo.errors import BadQuery
from searchdemo.measure.cards import KEY_PARTS, RunCard

EXAMPLE = "recall>=0.95,ms<=1,mb<=60"


@dataclass(frozen=True)
class Criterion:
    """A figure that can be bounded."""

    key: str  # in a row of the card
    at_least: bool  # whether its bound is a minimum
    max_bound: float
    scale: float = 1.0  # row[key] * scale is in the unit of the bound
    form: str = "{:.3g}"

    @property
    def sign(self) -> str:
        return ">=" if self.at_least else "<="


CRITERIA = {
    "recall": Criterion("recall_10", True, 1.0, form="{:.3f}"),
    "ms": Criterion("p50_ms", False, float("inf")),
    "mb": Criterion("size_bytes", False, float("inf"), 1e-6),
    "top1": Criterion("knn_top1", True, 100.0, form="{:.1f}"),
}


@dataclass(frozen=True)
class Bounds:
    """The bounds that a person gives, by the names in CRITERIA. None means that there is no bound."""

    recall: float | None = None  # minimum recall@10, 0 to 1
    ms: float | None = None  # maximum p50 of one query
    mb: float | None = None  # maximum size of the index, in 10^6 bytes
    top1: float | None = None  # minimum kNN top-1 in percent

    def given(self) -> dict[str, float]:
        return {name: bound for name, bound in asdict(self).items() if bound is not None}

    def __str__(self) -> str:
        return ",".join(f"{name}{CRITERIA[name].sign}{bound:g}" for name, bound in self.given().items())


def parse(text: str) -> Bounds:
    """ "recall>=0.95,ms<=1" -> Bounds(recall=0.95, ms=1). Raises BadQuery for a text that is not of this form."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)\s*(>=|<=|≥|≤)\s*(\d+\.?\d*|\.\d+)", part)
        if not match:
            raise BadQuery(f"The bound {part!r} is not of the form NAME>=NUMBER or NAME<=NUMBER: write {EXAMPLE!r}.")
        name, sign, number = match[1].lower(), match[2].replace("≥", ">=").replace("≤", "<="), float(match[3])
        if name not in CRITERIA:
            raise BadQuery(f"There is no figure {name!r} to bound: choose from {', '.join(CRITERIA)}, as {EXAMPLE!r}.")
        criterion = CRITERIA[name]
        if sign != criterion.sign:
            better = "more" if criterion.at_least else "less"
            raise BadQuery(
                f"The bound {part!r} would keep the worst, but {better} is better: "
                f"write {name}{criterion.sign}{match[3]}."
            )
        if number > criterion.max_bound:
            raise BadQuery(f"The bound {part!r} is beyond the maximum of {criterion.max_bound:g}: write {EXAMPLE!r}.")
        if name in found:
            raise BadQuery(f"The figure {name!r} is bounded twice in {text!r}: keep one of the two.")
        found[name] = number
    if not found:
        raise BadQuery(f"No bound was given in {text!r}: write {EXAMPLE!r}, or one part of it alone.")
    return Bounds(**found)


def choose(rows: Sequence[dict], bounds: Bounds, cost: str = "p50_ms") -> dict:
    """Of the rows that meet all bounds, the one with the lowest cost; of equally cheap ones the one that finds most.

    When there is none it raises BadQuery, which names the nearest row: the one whose excesses have the smallest sum.
    """
    within = [row for row in rows if not excesses(row, bounds)]
    if within:
        return min(within, key=lambda row: (row[cost], -row["recall_10"]))
    if not rows:
        raise BadQuery(f"No point was measured, so none meets {bounds}: run `python -m searchdemo bench tradeoff`.")
    nearest = min(rows, key=lambda row: sum(excesses(row, bounds).values()))
    misses = []
    for name in excesses(nearest, bounds):
        criterion, bound = CRITERIA[name], bounds.given()[name]
        if nearest.get(criterion.key) is None:
            misses.append(f"{name} was not measured")
            continue
        value = nearest[criterion.key] * criterion.scale
        word = "short of" if criterion.at_least else "over"
        misses.append(f"{name} {criterion.form.format(value)} is {abs(value - bound):.2g} {word} {bound:g}")
    raise BadQuery(
        f"None of {len(rows):,} measured points meets {bounds}: loosen a bound. "
        f"The nearest is {setting(nearest)}: {', '.join(misses)}."
    )


def excesses(row: dict, bounds: Bounds) -> dict[str, float]:
    """For each bound that a row does not meet: how far it is beyond the bound, as a share of the bound.

    A figure with a minimum is rounded as it is shown, so that a recall of 0.99995 meets a bound of 1. Exact search can
    have such a recall, because among equal scores it may return other rows than the ground truth.
    """
    found = {}
    for name, bound in bounds.given().items():
        criterion = CRITERIA[name]
        if row.get(criterion.key) is None:  # what was not measured cannot be within a bound
            found[name] = math.inf
            continue
        value = row[criterion.key] * criterion.scale
        beyond = bound - float(criterion.form.format(value)) if criterion.at_least else value - bound
        if beyond > 0:
            found[name] = beyond / max(bound, 1e-9)
    return found


def setting(row: dict) -> str:
    """ "HNSW32 (efConstruction 200, ef_search 64)": the factory string and all parameters of a row."""
    values = ", ".join(f"{name} {value}" for name, value in (row.get("build_params", {}) | row["params"]).items())
    return f"{row['factory']} ({values})" if values else row["factory"]


def search_parameters_source(factory: str, params: dict[str, int]) -> str:
    """Python code for FAISS's parameter object of an index with this factory string; "None" where it takes none.

    searchdemo.indexes.faiss_index.search_parameters makes the same object for an index in memory.
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


def snippet(card: RunCard, row: dict) -> str:
    """Python code that builds the row's index over the stored vectors, searches it and prints recall@10.

    It runs unchanged in the root of a clone.
    """
    options = [f"{name}={json.dumps(value)}" for name, value in card.variant.items() if name in KEY_PARTS]
    where = {"gallery": json.dumps(card.gallery), "encoder": json.dumps(card.encoder), "options": ", ".join(options)}
    return _filled("snippet.txt", card, row, **where)


def own_snippet(card: RunCard, row: dict) -> str:
    """The same for a person's own vectors, in two files of NumPy's. It needs FAISS and NumPy alone."""
    return _filled("snippet_own.txt", card, row, dim=card.subject["dim"], advice="".join(advice(card, row["factory"])))


def advice(card: RunCard, factory: str) -> Iterator[str]:
    """Comments on the parts of a factory string that belong to the number and the dimension of the vectors."""
    if cells := re.search(r"IVF(\d+)", factory):
        yield f"# {cells[1]} cells were measured with {card.subject['vectors']:,} vectors: "
        yield "take about 2 * sqrt(n) for another number\n"
    if parts := re.search(r"PQ(\d+)", factory):
        yield f"# PQ{parts[1]} needs a dimension that {parts[1]} divides\n"
    if bits := re.search(r"LSH(\d+)", factory):
        yield f"# {bits[1]} bits were measured with {card.subject['dim']} dimensions: more bits find more\n"


def _filled(template: str, card: RunCard, row: dict, **more: object) -> str:
    build = [
        f'faiss.ParameterSpace().set_index_parameter(index, "{name}", {value})\n'
        for name, value in row["build_params"].items()
    ]
    return (
        Path(__file__)
        .with_name(template)
        .read_text()
        .format(
            recall_10=row["recall_10"],
            p50_ms=row["p50_ms"],
            setting=setting(row),
            quick="; in a quick run, other figures will differ" if card.quick else "",
            megabytes=row["size_bytes"] / 1e6,
            vectors=card.subject["vectors"],
            factory=json.dumps(row["factory"]),
            metric="METRIC_INNER_PRODUCT" if row["metric"] == "ip" else "METRIC_L2",
            build="".join(build),
            params=search_parameters_source(row["factory"], row["params"]),
            **more,
        )
    )

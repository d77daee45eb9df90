"""Sentences about what comes before a query: `index`, `embed`, `map`."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.said.words import NotMeasured, listed, one, paragraph, part, real, span, three
from searchdemo.measure.cards import RunCard


def links(card: RunCard) -> str:
    rows = part(card, "hnsw_m")
    few, many = rows[0], rows[-1]
    best = max(row["recall_10"] for row in rows)
    enough = next(row for row in rows if row["recall_10"] >= best - 0.003)
    return (
        f"From M {few['m']} to M {many['m']} a graph grows from {three(few['size_bytes'] / 1e6)} to "
        f"{three(many['size_bytes'] / 1e6)} MB; from M {enough['m']} on its recall@10 is within 0.003 of the best, "
        f"{best:.3f}, at ef_search {card.settings['ef_search']}."
    )


def index(cards: Sequence[RunCard]) -> str:
    def building(card: RunCard) -> str:
        ivf, hnsw = (one(part(card, "build"), index=name) for name in ("ivf", "hnsw"))
        seconds = [row["train_s"] + row["add_s"] for row in (ivf, hnsw)]
        return f"HNSW takes {three(seconds[1])} s to build where the inverted file takes {three(seconds[0])} s."

    def results(card: RunCard) -> str:
        rows = part(card, "hnsw_efforts")
        said = []
        for effort in (16, 1000):
            few, many = (one(rows, m=rows[at]["m"], k=1000, ef_search=effort)["recall"] for at in (0, -1))
            said.append(f"{few:.2f} (M {rows[0]['m']}) to {many:.2f} (M {rows[-1]['m']}) by ef_search {effort:,}")
        return (
            "Published comparisons in which graphs find little ask for many results with a small ef_search: of 1,000 "
            f"results one finds {listed(said)}."
        )

    def mapping(card: RunCard) -> str:
        row = one(part(card, "build"), index="ivf")
        said = (
            f"Mapping the file of the inverted file opens it in {three(1000 * row['mapped_load_s'])} ms in place of "
            f"{three(1000 * row['load_s'])}"
        )
        if row.get("mapped_resident_bytes") and row.get("resident_bytes"):
            mapped, whole = (three(row[key] / 1e6) for key in ("mapped_resident_bytes", "resident_bytes"))
            asked = f"after {card.subject['queries']:,} queries"
            said += f"; {asked} {mapped} MB of it are in memory, {whole} when it is read whole"
        return f"{said}."

    def forest(card: RunCard) -> str:
        from searchdemo.bench.suite.index import SEARCH_K, annoy_efforts

        part(card, "annoy_trees")
        rows = annoy_efforts(card)
        own = [row for row in rows if row["search_k"] == card.settings["k"] * row["trees"]]
        few, many = own[0], own[-1]
        said = (
            f"Annoy's file grows from {three(few['size_bytes'] / 1e6)} MB with {few['trees']} trees to "
            f"{three(many['size_bytes'] / 1e6)} MB with {many['trees']}. With its own effort, {card.settings['k']} "
            f"times the "
            f"trees, recall@10 goes from {few['recall_10']:.3f} to {many['recall_10']:.3f}"
        )
        equal = {row["trees"]: row for row in rows if row["search_k"] == SEARCH_K}
        if len(equal) < len(own):
            return f"{said}: more trees and more effort at once, which this card cannot tell apart."
        low, high = equal[few["trees"]], equal[many["trees"]]
        return (
            f"{said}; most of that is the effort: at a search_k of {SEARCH_K:,} it goes from {low['recall_10']:.3f} to "
            f"{high['recall_10']:.3f}."
            if high["recall_10"] - low["recall_10"] < (many["recall_10"] - few["recall_10"]) / 2
            else f"{said}; at a search_k of {SEARCH_K:,} from {low['recall_10']:.3f} to {high['recall_10']:.3f}."
        )

    return paragraph(real(cards), building, links, results, mapping, forest)


def embed(cards: Sequence[RunCard]) -> str:
    def pipelines(_: RunCard) -> str:
        rows = [one(part(card, "embed"), contestant="pipeline") for card in cards]
        return (
            f"The build's pipeline embeds {span([row['of_recipe'] for row in rows], '{:.2f}'.format)} times as many "
            f"pictures "
            "per second as the recipe that people copy (`datasets.map`, float32, default memory format), and "
            f"{span([row['of_bare'] for row in rows], '{:.2f}'.format)} times as many as the bare forward pass."
        )

    def fastest(card: RunCard) -> str:
        row = one(part(card, "embed"), contestant="pipeline")
        return f"By {card.encoder} it is {three(row['per_second'])} pictures per second."

    def same(_: RunCard) -> str:
        lowest = min(card.settings.get("lowest_cosine", 2.0) for card in cards)
        if lowest > 1:
            raise NotMeasured("lowest_cosine")
        return f"The rows are nearly the same: the lowest cosine between the two is {lowest:.4f}."

    return paragraph(real(cards), pipelines, fastest, same)


def neighbours(cards: Sequence[RunCard]) -> str:
    def kept(card: RunCard) -> str:
        row = one(part(card, "neighbours"))
        return (
            f"A map keeps what two dimensions can hold: of the ten nearest by the vectors {row['kept_percent']:.1f} "
            f"% are among "
            f"the ten nearest on the map of {card.subject['vectors']:,}. The ten nearest on the map name the class of "
            f"{row['map_top1']:.1f} % of the points, those by the vectors {row['knn_top1']:.1f} %."
        )

    return paragraph(real(cards), kept)


def frames(cards: Sequence[RunCard]) -> str:
    def slowest(card: RunCard) -> str:
        rows = part(card, "frames")
        row = min(rows, key=lambda row: row["frames_per_second"])
        motions = listed([*dict.fromkeys(each["motion"] for each in rows)])
        return (
            f"The slowest of its motions ({motions}) draws {row['frames_per_second']:.1f} frames per second; the "
            f"browser shows "
            "60 at most."
        )

    return paragraph(real(cards), slowest)

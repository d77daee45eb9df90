"""Sentences about the time of a query: `latency`, `peers`, `scale`, `floors`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from searchdemo.bench.said.words import (
    NotMeasured,
    count,
    listed,
    measured,
    one,
    paragraph,
    part,
    real,
    span,
    three,
    times,
)
from searchdemo.measure.cards import RunCard


def extraction_ms(card: RunCard) -> float:
    """Of one picture, on one thread. Raises NotMeasured."""
    return one(part(card, "extraction"), threads=1)["one_p50_ms"]


def search_ms(card: RunCard, index: str) -> float:
    """Of one query, on one thread. Raises NotMeasured."""
    return one(part(card, "search"), index=index, threads=1)["p50_ms"]


def latency(cards: Sequence[RunCard]) -> str:
    others = [card for card in cards if card is not (first := real(cards)) and card.parts.get("extraction")]
    made_up = [card.encoder for card in cards if card.made_up]

    def extraction(card: RunCard) -> str:
        encoded, flat, ivf = extraction_ms(card), search_ms(card, "flat"), search_ms(card, "ivf")
        said = f"A query waits for its embedding, {three(encoded)} ms on one core for {card.encoder}"
        if others:
            found = [extraction_ms(each) for each in others]
            said += f" and {span(found)} ms for {listed([each.encoder for each in others])}"
        return f"{said}, then {three(flat)} ms for an exact search by FAISS or {three(ivf)} ms for an inverted file."

    def dominates(card: RunCard) -> str:
        held: dict[bool, list[str]] = {True: [], False: []}
        for each in (card, *others):
            held[extraction_ms(each) > search_ms(each, "flat")].append(each.encoder)
        said = [f"{where} for {listed(held[it])}" for it, where in ((True, "holds"), (False, "fails")) if held[it]]
        return f'That extraction takes longer than the exact search ("extraction dominates") {" and ".join(said)}.'

    def faster(card: RunCard) -> str:
        flat, ivf = (one(part(card, "search"), index=index, threads=1) for index in ("flat", "ivf"))
        ratio = times(flat["p50_ms"] / ivf["p50_ms"])
        return f"The inverted file is {ratio} as fast as exact search, at recall@10 {ivf['recall_10']:.3f}."

    def cores(card: RunCard) -> str:
        rows = part(card, "search")
        many = max(row["threads"] for row in rows)
        if many == 1:
            raise NotMeasured("more threads")
        pairs = [(row, one(rows, index=row["index"], threads=many)) for row in rows if row["threads"] == 1]
        alone = [(few["p50_ms"] / more["p50_ms"], few["index"]) for few, more in pairs]
        best, name = max(alone)
        together = statistics.median(more["qps"] / few["qps"] for few, more in pairs)
        return (
            f"With {many} threads one query is {best:.2f} times as fast at best (`{name}`; the median is "
            f"{statistics.median(ratio for ratio, _ in alone):.2f}), and {together:.2f} times as many are answered per "
            "second."
        )

    def stand_ins(card: RunCard) -> str:
        if not made_up:
            raise NotMeasured("stand-ins")
        return (
            f"The rows of {listed([f'`{name}`' for name in made_up])} are timings of the real architectures with "
            f"random "
            "weights and random vectors: their milliseconds count, their recall says nothing."
        )

    return paragraph(first, extraction, dominates, faster, cores, stand_ins)


def peers(cards: Sequence[RunCard]) -> str:
    from searchdemo.bench.suite.peers import RECALLS, best, by_peer

    def at(card: RunCard, recall: float) -> dict[str, dict]:
        part(card, "points")
        found = {name: best(rows, recall) for name, rows in by_peer(card).items()}
        reached = {name: row for name, row in found.items() if row}
        if not reached:
            raise NotMeasured(recall)
        return dict(sorted(reached.items(), key=lambda each: each[1]["p50_ms"]))

    def fastest(card: RunCard) -> str:
        said = []
        for recall in RECALLS:
            (name, row), *_ = at(card, recall).items()
            said.append(f"{name} at {recall:g} ({three(row['p50_ms'])} ms)")
        return f"The fastest at equal recall@10 are {listed(said)}."

    def graphs(card: RunCard) -> str:
        found = {name: row for name, row in at(card, RECALLS[1]).items() if row["family"] == "graph"}
        if len(found) < 2:
            raise NotMeasured("graphs")
        slowest, quickest = max(row["p50_ms"] for row in found.values()), min(row["p50_ms"] for row in found.values())
        return f"At {RECALLS[1]:g} the graphs of {listed([*found])} lie within a factor of {slowest / quickest:.1f}."

    def trees(card: RunCard) -> str:
        found = at(card, RECALLS[-1])
        exact = [name for name in ("k-d tree", "ball tree") if name in found]
        if not exact:
            raise NotMeasured("trees")
        rest = max(row["p50_ms"] for name, row in found.items() if name not in exact)
        said = listed([f"the {name} {three(found[name]['p50_ms'])} ms" for name in exact])
        ratio = times(min(found[name]["p50_ms"] for name in exact) / rest)
        return (
            f"Trees that cut along axes or into balls are for few dimensions: at {card.subject['dim']} they look at "
            f"nearly everything, and a query takes {said}, at least {ratio} as long as the slowest of the others at "
            f"{RECALLS[-1]:g}."
        )

    def annoy(card: RunCard) -> str:
        found = at(card, RECALLS[1])
        theirs, ours = (
            (found[name] for name in ("annoy", "faiss hnsw")) if found.keys() >= {"annoy", "faiss hnsw"} else ({}, {})
        )
        if not theirs:
            raise NotMeasured("annoy")
        return (
            f"For a recall of {RECALLS[1]:g} Annoy takes {times(theirs['p50_ms'] / ours['p50_ms'])} as long as "
            f"FAISS's graph "
            f"and {times(theirs['size_bytes'] / ours['size_bytes'])} the memory; its file is mapped."
        )

    return paragraph(real(cards), fastest, graphs, trees, annoy)


def exponents(card: RunCard) -> str:
    said = []
    for name, words in (("flat", "exact search"), ("ivf", "the inverted file"), ("hnsw", "the graph")):
        (exponent,) = measured(one(part(card, "growth"), index=name), "p50_ms_exponent")
        said.append(f"n^{exponent:.2f} by {words}")
    return f"With the number n of vectors the time of a query grows as {listed(said)}."


def scale(cards: Sequence[RunCard]) -> str:
    def pictures(card: RunCard) -> str:
        if "augmentations" not in card.settings:
            raise NotMeasured("augmentations")
        return (
            f"The largest holds the same pictures under {len(card.settings['augmentations'])} named augmentations, "
            "embedded for real."
        )

    def graph_against_cells(card: RunCard) -> str:
        rows = part(card, "scale")
        sizes = sorted({row["vectors"] for row in rows})
        pairs = [[one(rows, index=name, vectors=size) for name in ("ivf", "hnsw")] for size in sizes]
        said = [f"{hnsw['p50_ms'] / ivf['p50_ms']:.1f} at {ivf['vectors']:,}" for ivf, hnsw in pairs]
        ivf, hnsw = pairs[-1]
        return (
            f"The time of a query by HNSW, divided by that by the inverted file, is {listed(said)} vectors; over the "
            f"most of them HNSW takes {times(hnsw['build_s'] / ivf['build_s'])} as long to build."
        )

    def recall(card: RunCard) -> str:
        said = []
        for name in ("ivf", "ivfpq"):
            rows = [row for row in part(card, "scale") if row["index"] == name]
            if not rows:
                raise NotMeasured(name)
            said.append(f"{', '.join(format(row['recall_10'], '.2f') for row in rows)} by `{name}`")
        return f"At the usual settings recall@10 is {listed(said)}, from the smallest number of vectors to the largest."

    return paragraph(real(cards), pictures, exponents, graph_against_cells, recall)


def milvus(cards: Sequence[RunCard]) -> str:
    def alike(card: RunCard) -> str:
        rows, apart = part(card, "milvus"), []
        for kind in dict.fromkeys((row["kind"], row["vectors"]) for row in rows):
            found = [row["recall_10"] for row in rows if (row["kind"], row["vectors"]) == kind]
            apart += [max(found) - min(found)] if len(found) > 1 else []
        if not apart:
            raise NotMeasured("two libraries")
        return (
            f"The same kind of index finds the same: recall@10 differs by at most {max(apart):.3f} between libraries."
        )

    def way(card: RunCard) -> str:
        rows = [row for row in part(card, "milvus") if row.get("of_faiss") and row["library"] != "FAISS"]
        said = []
        for library in dict.fromkeys(row["library"] for row in rows):
            mine = [row for row in rows if row["library"] == library]
            said.append(
                f"{span([row['of_faiss'] for row in mine])} times as long by {library} "
                f"({span([row['p50_ms'] for row in mine])} ms)"
            )
        if not said:
            raise NotMeasured("Milvus")
        return f"One query takes {listed(said)} as by FAISS in this process."

    return paragraph(real(cards), alike, way)


def floors(cards: Sequence[RunCard]) -> str:
    def bounds(card: RunCard) -> str:
        if not card.requirements:
            raise NotMeasured("requirements")
        failed = [each.name for each in card.requirements if not each.holds]
        said = f"; not met: {'; '.join(failed)}" if failed else ""
        holding = len(card.requirements) - len(failed)
        return f"Of {count(len(card.requirements), 'bound')} of this benchmark {holding} hold{said}."

    def by_hand(card: RunCard) -> str:
        from searchdemo.bench.suite.requirements import COPIED

        theirs = one(part(card, "measured"), contestant=COPIED, threads=1)["p50_ms"]
        plain = one(part(card, "measured"), contestant="plain NumPy", threads=1)["p50_ms"]
        return (
            "The search of the tutorials (cosines of unnormalised rows, a dictionary by id, a sort of all) takes "
            f"{three(theirs)} ms, {times(theirs / plain)} as long as one product of the stored unit rows and a "
            f"partition, {three(plain)} ms."
        )

    def outside(card: RunCard) -> str:
        row = one(part(card, "measured"), contestant="all three")
        return f"What is neither encoding nor searching takes {three(row['p50_ms'])} ms of a query."

    def page(card: RunCard) -> str:
        rows = [row for row in part(card, "measured") if row["measured"] == "starting the page"]
        if len(rows) != 2:
            raise NotMeasured("the page")
        libraries, started = (row["p50_ms"] / 1000 for row in rows)
        return (
            f"The page answers {three(started)} s after its start; importing gradio and torch one after the other "
            f"takes "
            f"{three(libraries)} s."
        )

    def opening(card: RunCard) -> str:
        row = one(part(card, "measured"), measured="opening the stored vectors")
        return f"Opening {row['contestant']}, takes {three(row['p50_ms'])} ms."

    return paragraph(real(cards), bounds, by_hand, outside, page, opening)

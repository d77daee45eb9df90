"""Sentences about what a search looks at, and about what a trained map changes: `hashing`, `trees`, `metric`, `filter`,
`tiles`."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.said.words import NotMeasured, listed, one, paragraph, part, real, three
from searchdemo.measure.cards import RunCard

WANTED = 0.9  # recall@10 at which the least work is told
KINDS = ("ivf", "hnsw")  # indexes that search among some of the pictures


def hashing(cards: Sequence[RunCard]) -> str:
    def least(card: RunCard) -> str:
        rows = [row for row in part(card, "hashing") if row["method"] == "buckets"]
        enough = [row for row in rows if row["recall_10"] >= WANTED]
        if not enough:
            raise NotMeasured(WANTED)
        row = min(enough, key=lambda row: row["looked_at"])
        return (
            f"Of the hash tables that were tried, those that reach recall@10 {WANTED:g} by the least work compare a "
            f"query with {row['looked_percent']:.2g} % of the vectors: {row['tables']} tables of {row['bits']} bits, "
            f"{row['probes']} buckets looked at in each, recall {row['recall_10']:.3f}, in {three(row['of_brute'])} "
            "times the time of brute force: to fetch scattered rows costs more than their share says."
            if row["of_brute"] > row["looked_percent"] / 100
            else f"Recall@10 {WANTED:g} takes {row['looked_percent']:.2g} % of the vectors."
        )

    def probes(card: RunCard) -> str:
        rows = [row for row in part(card, "hashing") if row["method"] == "buckets"]
        tables, bits = max(row["tables"] for row in rows), max(row["bits"] for row in rows)
        mine = [row for row in rows if (row["tables"], row["bits"]) == (tables, bits)]
        said = [f"{row['recall_10']:.3f} with {row['probes']}" for row in sorted(mine, key=lambda row: row["probes"])]
        return (
            f"Probes stand in for tables: {tables} tables of {bits} bits find {listed(said)} buckets looked at in each."
        )

    def scanned(card: RunCard) -> str:
        rows = [row for row in part(card, "hashing") if row["method"] != "buckets"]
        if not rows:
            raise NotMeasured("scan")
        said = [f"{row['recall_10']:.3f} with {row['bits']} bits" for row in sorted(rows, key=lambda row: row["bits"])]
        return f"A scan compares all codes, and finds {listed(said)}."

    return paragraph(real(cards), least, probes, scanned)


def trees(cards: Sequence[RunCard]) -> str:
    def dimensions(card: RunCard) -> str:
        rows = [row for row in part(card, "dims") if row["index"] == "kd-tree"]
        if len(rows) < 2:
            raise NotMeasured("kd-tree")
        said = [f"{row['looked_percent']:.3g} % in {row['dim']}" for row in sorted(rows, key=lambda row: row["dim"])]
        return (
            f"The share of distances that an exact search in a k-d tree computes grows with the dimensions: "
            f"{listed(said)}. In many dimensions all vectors are about as far away, so its boxes rule nothing out."
        )

    def leaves(card: RunCard) -> str:
        rows = part(card, "leaves")
        shares = [row["looked_percent"] for row in rows]
        return (
            f"No size of leaves from {min(row['leaf_size'] for row in rows)} to "
            f"{max(row['leaf_size'] for row in rows)} changes that in {card.subject['dim']}: {min(shares):.0f} to "
            f"{max(shares):.0f} %, and {three(min(row['of_brute'] for row in rows))} to "
            f"{three(max(row['of_brute'] for row in rows))} times the time of brute force."
        )

    def forests(card: RunCard) -> str:
        rows = part(card, "annoy")
        size, k = max(row["vectors"] for row in rows), max(row["k"] for row in rows)
        one_, many = (one(rows, vectors=size, k=k, forests=pick(row["forests"] for row in rows)) for pick in (min, max))
        return (
            f"Of {k:,} results among {size:,} vectors, one forest of Annoy finds {one_['recall']:.3f} and "
            f"{many['forests']} that share the vectors and are all asked {many['recall']:.3f}."
        )

    return paragraph(real(cards), dimensions, leaves, forests)


def triplets(card: RunCard) -> str:
    """What a head that was trained by triplets changes, on classes that it never saw and on its own."""
    from searchdemo.bench.suite.metric import summary

    part(card, "metric")
    rows = {(row["set"], row["when"]): row for row in summary(card)}
    said = []
    for name in ("unseen", "seen"):
        before, after = rows[name, "before"], rows[name, "after"]
        said.append(
            f"on {name} classes kNN top-1 goes from {before['top1']:.2f} to {after['top1']:.2f} %, and a pair of "
            f"one class is nearer than a pair of two in {100 * before['auc']:.1f} and then "
            f"{100 * after['auc']:.1f} % of all cases"
        )
    return f"A linear map that is trained by triplets on half of the classes: {'; '.join(said)}."


def metric(cards: Sequence[RunCard]) -> str:
    def chance(card: RunCard) -> str:
        from searchdemo.bench.suite.metric import summary

        part(card, "metric")
        before, after = (row for row in summary(card) if row["set"] == "unseen")
        if before["top1_spread"] is None or abs(after["top1"] - before["top1"]) > before["top1_spread"]:
            raise NotMeasured("within chance")
        known = f" {card.encoder} had learned all of them before." * bool(card.settings.get("trained_on_gallery"))
        return f"On the unseen classes the change is smaller than that between two draws of classes.{known}"

    return paragraph(real(cards), triplets, chance)


def filters(cards: Sequence[RunCard]) -> str:
    """What an index finds among one in a hundred pictures."""

    def selected(card: RunCard) -> str:
        rows = [row for row in part(card, "points") if round(row["allowed_percent"], 2) == 1]
        said = []
        for allowed in dict.fromkeys(row["allowed"] for row in rows):
            usual, raised = (
                listed([f"{one(rows, allowed=allowed, index=name, method=way)['recall_10']:.3f}" for name in KINDS])
                for way in ("selector", "selector, raised")
            )
            said.append(f"{usual} where they are {allowed}, and {raised} with the effort raised")
        if not said:
            raise NotMeasured("1 %")
        return f"Among 1 % of the pictures a selector in {listed(KINDS)} has a recall@10 of {'; of '.join(said)}."

    return paragraph(real(cards), selected)


def tiles(cards: Sequence[RunCard]) -> str:
    """What vectors of parts find of small and of large things, and what they cost."""

    def found(card: RunCard) -> str:
        none, *more = part(card, "tiles")
        said = []
        for size in ("small", "large"):
            after = [f"{row[f'words_{size}']:.3f}" for row in more]
            said.append(f"from {none[f'words_{size}']:.3f} to {listed(after)} for {size} things")
        return (
            f"By words and with {listed([row['tiles'] for row in more])} parts, recall@R goes {listed(said)}. "
            f"The build takes {listed([three(row['build_times']) for row in more])} times as long."
        )

    return paragraph(real(cards), found)

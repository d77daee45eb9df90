"""Sentences about accuracy: `knn`, `classnames`, `reduce`."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.said.words import NotMeasured, count, listed, measured, one, paragraph, part, real, three
from searchdemo.measure.cards import RunCard


def summary(card: RunCard) -> dict:
    from searchdemo.bench.suite.knn import summary as measured_summary

    for name in ("accuracy", "temperature", "head"):
        part(card, name)
    return measured_summary(card)


def against_head(card: RunCard) -> str:
    row = summary(card)
    return (
        f"Neighbours name {row['top1']:.2f} % of the held-out pictures rightly and a linear head that is "
        f"trained on the same "
        f"embeddings {row['valid_top1']:.2f} %: {row['difference']:+.2f} points, without training, and new "
        f"classes are taken "
        "at once."
    )


def knn(cards: Sequence[RunCard]) -> str:
    def seconds(card: RunCard) -> str:
        ours = one(part(card, "times"))
        head = next((row for row in part(card, "times") if row["what"].startswith("linear head")), None)
        if head is None:
            raise NotMeasured("head")
        return (
            f"The head answers {head['valid_queries']:,} queries in {three(1000 * head['valid_search_s'])} ms where "
            f"an exact "
            f"search takes {three(ours['valid_search_s'])} s, and is trained in {three(head['build_s'])} s."
        )

    def protocol(card: RunCard) -> str:
        row = summary(card)
        return (
            f"The usual setting, k = 20 and T = {card.settings['temperature']:g}, is "
            f"{row['best_top1'] - row['top1']:.2f} points "
            f"below the best of the sweep ({row['best']})."
        )

    def votes(card: RunCard) -> str:
        said = []
        for k in (20, 200):
            weighted, plain = (
                one(part(card, "accuracy"), split="valid", k=k, vote=vote) for vote in ("weighted", "plain")
            )
            said.append(f"{weighted['top1'] - plain['top1']:+.2f} points at k = {k}")
        return f"Weighting the vote by similarity changes top-1 by {listed(said)}."

    def trained(card: RunCard) -> str:
        if not card.settings.get("trained_on_gallery"):
            raise NotMeasured("trained on it")
        return "On train the figures mean nothing, because train is what this encoder was trained on."

    return paragraph(real(cards), against_head, seconds, protocol, votes, trained)


def words(card: RunCard) -> str:
    rows = part(card, "sets")
    said = f"By {rows[0]['set']} alone {rows[0]['top1']:.2f} % of the pictures are named rightly"
    if card.settings.get("trained_on_gallery"):
        said += ", by an encoder that was trained on these labels"
    if len(rows) > 1 and rows[1]["set"] != rows[0]["set"]:  # an encoder that knows one prompt has it twice
        change = rows[1]["top1"] - rows[0]["top1"]
        said += f"; {rows[1]['set']} around the name change that by {change:+.2f} points"
    return f"{said}."


def classnames(cards: Sequence[RunCard]) -> str:
    def threshold(card: RunCard) -> str:
        row = one(part(card, "sets"))
        return (
            f"An angle of {row['f1_degrees']:.0f}° separates right from wrong pairs best, with an F1 of "
            f"{row['f1']:.2f}, so "
            f"{'no' if row['f1'] < 0.8 else 'this'} single threshold is a good classifier."
        )

    def areas(card: RunCard) -> str:
        auc, pr = measured(one(part(card, "sets")), "auc", "pr_auc")
        return (
            f"The area under the ROC curve is {auc:.3f} all the same: nearly all pairs are wrong ones, and "
            f"accepting a share of "
            f"them hardly moves that curve. Precision against recall counts every wrong pair that is accepted: its "
            f"area is "
            f"{pr:.3f}. " + PUBLISHED
        )

    def one_area(card: RunCard) -> str:
        row = one(part(card, "sets"))
        if row.get("pr_auc") is not None:
            raise NotMeasured("both are there")
        return (
            f"The area under the ROC curve is {row['auc']:.3f} all the same, because nearly all pairs are wrong ones. "
            + PUBLISHED
        )

    def failing(card: RunCard) -> str:
        rows = part(card, "failing")
        worst = listed([f"{row['class_name']}" for row in rows[:3]])
        worse = [row["class_name"] for row in rows if row["knn_top1"] < row["top1"]]
        said = f"Words fail most on {worst}"
        if worse:
            said += f"; neighbours do still worse on {listed(worse)}"
        return f"{said}."

    return paragraph(real(cards), words, threshold, areas, one_area, failing)


PUBLISHED = (
    'Areas of 0.30 to 0.58 that were published as "AUC-ROC" of CLIP on 200 classes can only be of precision against '
    "recall: "
    "half is what guessing gets under ROC."
)


def fewer_bits(card: RunCard) -> str:
    points = part(card, "points")
    full, half, byte = (one(points, method=name) for name in ("float32", "float16", "int8"))
    return (
        f"Half floats change top-1 by {half['knn_top1'] - full['knn_top1']:+.2f} points and leave a recall@10 of "
        f"{half['recall_10']:.3f}, a byte per dimension by {byte['knn_top1'] - full['knn_top1']:+.2f} and "
        f"{byte['recall_10']:.3f}."
    )


def reduce(cards: Sequence[RunCard]) -> str:
    def projections(card: RunCard) -> str:
        points, dim = part(card, "points"), card.subject["dim"]
        axes = [row for row in points if row["method"] == "PCA" and row["dim"] < dim]
        drawn = sorted((row for row in points if row["method"] == "random projection"), key=lambda row: row["dim"])
        if not (axes and drawn):
            raise NotMeasured("projections")
        said = []
        for row in axes:
            enough = next((each for each in drawn if each["knn_top1"] >= row["knn_top1"]), None)
            reached = f"one to {enough['dim']}" if enough else f"none, not even to {drawn[-1]['dim']}"
            said.append(f"PCA to {row['dim']} ({row['knn_top1']:.1f} %) is met by {reached}")
        reached = drawn[-1]["knn_top1"] >= max(row["knn_top1"] for row in axes)
        head = "A random projection needs more dimensions than PCA for the same top-1"
        tail = "" if reached else ", and never reaches the best of PCA"
        return (
            f"{head}{tail}: {'; '.join(said)}. Its guarantee holds for any data, but data that lie near few directions "
            "have better ones."
        )

    def signs(card: RunCard) -> str:
        points = part(card, "points")
        full = one(points, method="float32")
        rows = [
            row for row in points if row["method"] == "LSH, rotated, thresholds" and row["bytes"] <= full["bytes"] / 8
        ]
        if not rows:
            raise NotMeasured("LSH")
        row = rows[-1]
        spread = f" ± {row['knn_top1_spread']:.2f}" if row.get("knn_top1_spread") is not None else " (one draw)"
        return (
            f"Sign bits after a rotation keep {row['knn_top1']:.2f}{spread} of {full['knn_top1']:.2f} % in "
            f"{row['bytes']} bytes in "
            f"place of {full['bytes']}, although they find {10 * row['recall_10']:.1f} of the ten exact neighbours: "
            f"accuracy asks for "
            "neighbours of the right class, not for the same ones."
        )

    def drawn(card: RunCard) -> str:
        spreads = [row["knn_top1_spread"] for row in part(card, "points") if row.get("knn_top1_spread") is not None]
        if not spreads:
            raise NotMeasured("spreads")
        draws = count(card.settings["draws"], "draw")
        return f"Over {draws} top-1 varies by at most {max(spreads):.2f} (standard deviation)."

    return paragraph(real(cards), fewer_bits, projections, signs, drawn)


def codes(cards: Sequence[RunCard]) -> str:
    from searchdemo.bench.codes import TARGET, bits_for

    def lost(card: RunCard) -> str:
        rows = part(card, "codes")
        bits = sorted({row["bits"] for row in rows})[-2:][0]
        said = [
            f"{row['distortion']:.3f} by {row['method']} (recall@10 {row['recall_10']:.2f})"
            for row in rows
            if row["bits"] == bits
        ]
        return f"With {bits} bits per code the distortion is {listed(said)}."

    def needed(card: RunCard) -> str:
        rows = part(card, "codes")
        most = max(row["bits"] for row in rows)
        said = [f"{method} {bits or f'more than {most}'}" for method, bits in bits_for(rows).items()]
        return (
            f"For the nearest among the first 5 in {100 * TARGET:.0f} % of the queries a code needs this many bits: "
            f"{', '.join(said)}."
        )

    return paragraph(real(cards), lost, needed)

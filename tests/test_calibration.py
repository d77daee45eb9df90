"""Whether a gallery shows what a text says: the curve by hand, kept with its vectors, and what an answer says of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from searchdemo.bench.suite import calibration as suite
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench, synthetic
from searchdemo.collection import calibration, steadiness
from searchdemo.collection.calibration import Curve
from searchdemo.collection.held import ShelfInMemory
from searchdemo.collection.query import Query
from searchdemo.collection.steadiness import KnownWords
from searchdemo.collection.store import Key, Store
from searchdemo.collection.vocabulary import VOCABULARY
from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.types import Presence
from tests.conftest import png, unit

WHERE = ("colours", "mean-colour")
CURVE = Curve(3, slope=40.0, intercept=-36.0, error=0.05, shown=9, absent=9)


@pytest.fixture
def calibrated(world, monkeypatch):
    """`colours` with a curve whose figures are known."""
    monkeypatch.setattr(calibration, "calibrate", lambda words, vectors, each, steady: CURVE)
    return world.built()


def planted() -> tuple[np.ndarray, np.ndarray]:
    """20 orthogonal words, and 500 pictures: 50 around each of the first 10."""
    rng = np.random.default_rng(0)
    words = np.eye(64)[:20].astype(np.float32)
    near = np.repeat(words[:10], 50, axis=0) + 0.15 * rng.standard_normal((500, 64))
    return words, unit(near)


def test_a_curve_tells_words_whose_pictures_are_there_from_others():
    words, vectors = planted()
    curve = calibration.calibrate(words, vectors)
    assert curve is not None and curve.nearest == calibration.nearest_for(500) == 5
    assert curve.shown == 10 and curve.absent >= calibration.FEWEST_WORDS and curve.error <= 0.05
    means, _ = calibration.nearest_means(words, vectors, 5)
    by_hand = -np.sort(-(words @ vectors.T), axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(means, by_hand, atol=1e-6)
    probabilities = [curve.probability(float(mean)) for mean in means]
    assert min(probabilities[:10]) > 0.9 and max(probabilities[10:]) < 0.5


def test_pictures_are_compared_in_parts(monkeypatch):
    words, vectors = planted()
    whole = calibration.nearest_means(words, vectors, 5)
    monkeypatch.setattr(calibration, "AT_ONCE", 7)
    for part, same in zip(calibration.nearest_means(words, vectors, 5), whole, strict=True):
        np.testing.assert_allclose(part, same, atol=1e-6)


def test_no_curve_where_too_few_words_are_shown_or_read():
    words, vectors = planted()
    assert calibration.calibrate(words[:10], vectors) is None
    assert calibration.calibrate(words, vectors[300:]) is None
    assert calibration.calibrate(words, vectors[:3]) is None
    assert calibration.calibrate(words[:0], vectors) is None


def test_a_fit_lies_in_the_middle_and_knows_its_error():
    x = np.array([0.1, 0.2, 0.3, 0.5, 0.6, 0.7])
    slope, intercept = calibration.fitted(x, np.repeat([0.0, 1.0], 3))
    assert slope > 0 and -intercept / slope == pytest.approx(0.4, abs=1e-6)
    noise = np.random.default_rng(0).random(400)
    assert calibration.cross_validated(noise, np.arange(400) % 2) == pytest.approx(0.5, abs=0.1)


def test_what_is_misread_does_not_flatten_the_curve():
    x = np.array([0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.15])  # the last one is shown, and nothing near it was found
    y = np.array([0, 0, 0, 1, 1, 1, 1.0])
    plain, _ = calibration.fitted(x, y)
    knowing, _ = calibration.fitted(x, y, np.array([0, 0, 0, 0, 0, 0, 0.9]))
    without, _ = calibration.fitted(x[:-1], y[:-1])
    assert plain < knowing < without
    assert calibration.fitted(x, y, np.zeros(7)) == calibration.fitted(x, y)


def test_a_text_less_steady_than_shown_words_is_believed_less():
    curve = replace(CURVE, steady=tuple(np.linspace(0.8, 1, 21)))
    steady, middling, shaky = (curve.misread(cosine) for cosine in (1.01, 0.9, 0.5))
    assert steady < 0.01 and middling == pytest.approx(1 / (1 + math.exp(5.5 - 3.25))) and 0.7 < shaky < 0.8
    for cosine in (0.95, 0.85):  # the curve's odds are e^2 and e^-2
        odds = (1 - shaky) * math.exp(40 * cosine - 36) + shaky
        assert curve.probability(cosine, shaky) == pytest.approx(odds / (1 + odds))
    assert curve.probability(20, shaky) == curve.probability(20) == 1  # near pictures do not come of misreading
    assert curve.probability(-20, shaky) == pytest.approx(shaky / (1 + shaky)) and curve.probability(-20) < 1e-9
    assert curve.probability(20, 1.0) == curve.probability(-20, 1.0) == calibration.PRIOR
    assert CURVE.misread(0.5) == 0  # of an earlier version, which did not know


def test_equal_rows_are_equally_steady_whatever_their_last_bits_are():
    shown = np.array([0.9, 1.0, 1.0])
    same = calibration.misread_by(np.array([1.0, 1 - 1.2e-7, 1 + 1.2e-7]), shown)
    assert len({*same.tolist()}) == 1 and same[0] < calibration.misread_by(np.array([0.99]), shown)[0]


def test_nearly_the_same_as_a_shown_word_is_no_word_that_is_absent():
    words, vectors = planted()
    twin = unit(words[0] + 0.1 * words[19])  # its pictures belong to the first word
    both = np.concatenate([words, twin[None]])
    alone, beside = (calibration.calibrate(rows, vectors) for rows in (words, both))
    assert beside is not None and alone is not None and beside.absent == alone.absent
    assert calibration.akin(both, np.arange(21) == 0).tolist() == [False] * 20 + [True]
    assert not calibration.akin(both, np.arange(21) == 1).any()


class Reader:
    """A text tower that turns a name in a sentence by an angle, and refuses the word "no"."""

    dim, has_text = 2, True

    def encode_texts(self, texts):
        if any("no" in text.split() for text in texts):
            raise BadQuery("unknown")
        angle = [0.0 if len(text.split()) == 1 else len(text.split()[-1]) / 10 for text in texts]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_steadiness_is_the_cosine_with_the_text_in_a_sentence():
    rows = np.array([[1, 0], [1, 0]], np.float32)
    found = steadiness.steadiness(Reader(), ["abc", "no"], rows)
    assert found == pytest.approx([math.cos(0.3), steadiness.UNREAD])
    curve = replace(CURVE, steady=(0.9, 0.99))
    doubts = steadiness.misread(curve, Reader(), ["Dog", "ab{}", "no"], np.repeat(rows, 2, axis=0)[:3])
    assert doubts[0] == 0 and 0 < doubts[1] < doubts[2]
    assert not steadiness.misread(CURVE, Reader(), ["abc"], rows[:1]).any()


def test_the_vocabulary_is_of_different_words():
    assert len(set(VOCABULARY)) == len(VOCABULARY) > 300
    assert all(word == " ".join(word.split()) for word in VOCABULARY)


def answer(library, query: Query, **options) -> dict:
    return library.open(*WHERE).search(query, "flat", 4, **options).to_json()


def test_the_probability_by_hand(calibrated, world):
    cosines = world.gallery.pictures.rows_of() @ unit(np.array([1, 0, 0, 0, 0, 0, 0, 0.0]))
    mean = -np.sort(-cosines)[:3].mean()
    found = answer(calibrated, Query(text="red"))
    assert found["presence"] == {
        "probability": pytest.approx(1 / (1 + math.exp(36 - 40 * mean)), abs=2e-3),  # half floats are stored
        "error": 0.05,
        "words": 18,
    }
    again = answer(world.library(), Query(text="red"))
    assert again["presence"] == found["presence"]


def test_with_a_filter_it_is_about_what_meets_it(calibrated):
    inside, outside = (answer(calibrated, Query(text="red"), where=f"label = '{n}'") for n in ("n0", "n2"))
    assert inside["presence"]["probability"] > 0.5 > outside["presence"]["probability"]
    assert outside["hits"]  # dimmed on the page, never hidden by itself
    assert "presence" not in answer(calibrated, Query(text="red"), where="row < 0")


@pytest.mark.parametrize(
    "query", [Query(row=3), Query(picture=png((255, 0, 0))), Query(text="red + blue"), Query(text="- red")]
)
def test_what_gets_no_probability(calibrated, query):
    found = answer(calibrated, query, min_probability=0.9)
    assert "presence" not in found and found["hits"]
    assert "leaves nothing out" in found["notice"]


def test_each_text_that_a_sum_adds_has_the_probability_that_it_has_alone(calibrated):
    alone = {text: answer(calibrated, Query(text=text), where="label = 'n0'")["presence"] for text in ("red", "blue")}
    found = answer(calibrated, Query(text="2: red + 0.5: blue - lime + #1"), where="label = 'n0'")
    assert found["by_themselves"] == [
        {"term": term, "probability": pytest.approx(likely["probability"], abs=1e-4), "error": 0.05, "words": 18}
        for term, likely in alone.items()
    ]
    collection = calibrated.open(*WHERE)
    result = collection.search(Query(text="red + blue - lime"), "flat", 3)
    (_, red), (_, blue) = result.by_themselves
    assert result.without_probability.endswith(f"Each text by itself: red {red.percent}, blue {blue.percent}.")
    assert collection.search(Query(text="red"), "flat", 3).without_probability == ""


def test_a_lowest_probability_leaves_the_pictures_out_and_says_so(calibrated):
    where = "label = 'n2'"
    likely = answer(calibrated, Query(text="red"), where=where)["presence"]["probability"]
    found = answer(calibrated, Query(text="red"), where=where, min_probability=likely + 0.01)
    assert found["hits"] == [] and "no picture is shown: the probability is below" in found["notice"]
    assert found["presence"]["probability"] == likely
    assert answer(calibrated, Query(text="red"), where=where, min_probability=likely)["hits"]
    for wrong in (-0.1, 1.5, float("nan"), "x"):
        with pytest.raises(BadQuery, match="min_probability"):
            answer(calibrated, Query(text="red"), min_probability=wrong)


def test_a_curve_belongs_to_its_vectors(calibrated, world):
    path = world.folder / calibration.FILE
    collection = calibrated.open(*WHERE)
    assert collection.part(50).search(Query(text="red"), "flat", 3).presence is None
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"intercept": 0}))  # it does not fit its card any more
    assert "presence" not in answer(world.library(), Query(text="red"))
    (path.with_name("bad.json")).write_text("{}")
    with pytest.raises(BadArtifact, match="no calibration that this version reads"):
        calibration.load(path.with_name("bad.json"))
    path.with_name("bad.json").write_text(json.dumps(content | {"format": 3, "more": 1}))
    with pytest.raises(BadArtifact, match=r"format 3, and version \S+ reads 1 and 2\); update searchdemo, or build"):
        calibration.load(path.with_name("bad.json"))
    earlier = {name: value for name, value in content.items() if name != "steady"} | {"format": 1}
    path.with_name("bad.json").write_text(json.dumps(earlier))
    assert calibration.load(path.with_name("bad.json")) == replace(CURVE, format=1)


def test_a_build_that_is_killed_once_its_vectors_are_there_has_their_curve(world, monkeypatch):
    monkeypatch.setattr(calibration, "calibrate", lambda words, vectors, each, steady: CURVE)
    publish = Store.publish

    def killed(*given):
        publish(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        world.library().build(Key(*WHERE))
    assert answer(world.library(), Query(text="red"))["presence"]["probability"] > 0


def test_a_build_says_so_while_it_is_calibrated(world, monkeypatch):
    """On a busy machine that takes minutes, and it once stood at the stage before."""
    stages: list[str] = []
    monkeypatch.setattr(calibration, "calibrate", lambda words, vectors, each, steady: stages.append("calibrated"))
    world.library().build(Key(*WHERE), lambda progress: stages.append(progress.stage))
    assert stages[-2:] == ["learning what scores of words mean here", "calibrated"]


def test_a_gallery_in_memory_is_calibrated_too(calibrated, world):
    gallery = replace(world.gallery, name="mine")
    calibrated.hold(gallery)
    calibrated.build(Key("mine", "mean-colour"))
    opened = calibrated.open("mine", "mean-colour")
    assert isinstance(opened.shelf, ShelfInMemory)
    assert opened.search(Query(text="red"), "flat", 3).presence is not None


def test_what_a_person_reads():
    said = "probably nothing here shows this (8 %; wrong for 6 % of 1,204 known words)"
    assert str(Presence(0.081, 0.063, 1204)) == said
    assert (
        str(Presence(0.9991, 0.0, 90))
        == "pictures here probably show this (over 99 %; wrong for none of 90 known words)"
    )
    assert str(Presence(0.0001, 0.0042, 300)).endswith("(under 1 %; wrong for under 1 % of 300 known words)")


def test_the_benchmark(world, monkeypatch):
    work = synthetic(1000, 200, 64)
    rng = np.random.default_rng(0)
    centres = np.stack(
        [work.vectors[work.labels == label].sum(axis=0) + 1e-6 for label in range(len(work.class_names))]
    )
    work.words, work.word_classes = unit(centres), np.arange(len(centres))
    everyday = unit(np.concatenate([centres[::2], rng.standard_normal((100, 64))]))
    monkeypatch.setattr(suite, "known_words", lambda encoder: KnownWords(everyday, np.ones(len(everyday))))
    monkeypatch.setattr(suite, "misread", lambda curve, encoder, names, rows: np.zeros(len(names)))
    monkeypatch.setattr(suite, "PICTURES", 40)
    card = measure("calibration", Bench(world.library(), Key(*WHERE), _workload=work))
    areas = {(row["asked"], row["among"], row["statistic"]): row["auroc"] for row in card.parts["statistics"]}
    assert areas["class names", "the gallery", "mean of 10"] > 0.95
    assert ("pictures", "the gallery", "top 1") in areas
    assert {table.name for table in suite.tables([card])} == {"presence-mean-colour", "calibration-mean-colour"}
    pytest.importorskip("matplotlib", reason="plots are drawn by matplotlib")
    assert set(suite.charts([card])) == {"calibration"}


def test_areas_and_errors_by_hand():
    assert suite.auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == (1 + 1 + 1 + 0.5) / 4
    flat = Curve(5, 0.0, 0.0, 0.0, 9, 9)
    judged, points = suite.judged_by(flat, np.zeros(3), np.zeros(1))
    assert judged["ece"] == pytest.approx(0.25) and points == [{"predicted": 0.5, "observed": 0.75, "count": 4}]
    # Of four fair coins the share of heads is off by 0.5, 0.25 or 0, in 2, 8 and 6 of 16 outcomes
    assert judged["ece_perfect"] == pytest.approx((2 * 0.5 + 8 * 0.25) / 16, abs=0.02)
    assert judged["ece_perfect_95"] == 0.5 and judged["auroc"] == 0.5
    assert judged["rms_debiased"] == 0  # 0.25 squared is what chance adds: 0.75 x 0.25 / (4 - 1)
    points = [{"predicted": 0.5, "observed": 0.75, "count": 49}, {"predicted": 0.1, "observed": 0.0, "count": 1}]
    squared = (49 * (0.25**2 - 0.75 * 0.25 / 48) + 0.1**2) / 50
    assert suite.debiased(points) == pytest.approx(math.sqrt(squared))

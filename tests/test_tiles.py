"""Parts of pictures beside the whole: found by what is small in them, and everywhere else a picture is one picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from searchdemo.bench.workload import stored
from searchdemo.collection.box import box_of
from searchdemo.collection.exact import exact_once
from searchdemo.collection.export import export_parquet
from searchdemo.collection.query import Query
from searchdemo.collection.tiles import SIZES, TilingEncoder, boxes, per_picture
from searchdemo.errors import BadArtifact, BadQuery, NotHere
from searchdemo.indexes.table import find
from searchdemo.indexes.tiled import TiledIndex, TiledVectors, collapsed, spread
from searchdemo.indexes.vectors import ArrayVectors
from searchdemo.types import MISSING, Neighbors
from tests.conftest import ColourPictures, MeanColour, unit
from tests.living import LivingFolder

EACH = 5


# Parts


@pytest.mark.parametrize("tiles", SIZES[1:])
def test_parts_cover_the_picture_and_overlap_by_half(tiles):
    whole, *parts = boxes(tiles)
    assert str(whole) == "0,0,1,1" and len(parts) == tiles**2 == per_picture(tiles) - 1
    covered = np.zeros((120, 120), int)
    for box in parts:
        left, top, right, bottom = (round(120 * side) for side in (box.x, box.y, box.x + box.width, box.y + box.height))
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1 and covered[60, 60] == 4
    assert parts[1].x == pytest.approx(parts[0].width / 2) and parts[1].y == 0


def test_each_part_is_seen_by_itself():
    picture = Image.new("RGB", (90, 60), "blue")
    picture.paste((255, 0, 0), (60, 40, 90, 60))
    encoder = TilingEncoder(MeanColour(), 2)
    rows = encoder.encode_pixels(encoder.preprocess([picture, Image.new("RGB", (9, 9), "lime")]))
    assert rows.shape == (2, EACH * 8) == (2, encoder.dim)
    first, second = rows.reshape(2, EACH, 8)
    red = [1 / 9, 0, 0, 0, 1 / 4]  # the share of each that is red
    assert first == pytest.approx(unit(np.array([[share, 0, 1 - share, 0, 0, 0, 0, 0] for share in red])), abs=0.02)
    assert (second == second[0]).all()


# Vectors and indexes


@pytest.fixture(scope="module")
def tiled(clustered) -> tuple[np.ndarray, np.ndarray]:
    """300 pictures of 5 vectors each (300, 5, 32), and queries."""
    vectors, queries = clustered
    return vectors.reshape(300, EACH, 32), queries


def by_hand(pictures: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-np.einsum("qd,psd->qps", queries, pictures).max(axis=2), axis=1)[:, :k]


@pytest.mark.parametrize(
    ("name", "params"), [("brute", {}), ("flat", {}), ("ivf", {"nprobe": 4096}), ("hnsw", {"ef_search": 1500})]
)
@pytest.mark.parametrize("filtered", [False, True])
def test_any_index_finds_k_distinct_pictures_by_one_search(tiled, name, params, filtered):
    pictures, queries = tiled
    within = find(name).build(pictures.reshape(-1, 32))
    asked, search = [], within.search
    within.search = lambda queries, k, *given, **options: asked.append(k) or search(queries, k, *given, **options)
    only = np.arange(300) % 3 == 0 if filtered else None
    index = TiledIndex(within, EACH)
    found = index.search(queries, 10, only, **params)
    some = np.flatnonzero(only) if filtered else np.arange(300)
    best = some[by_hand(pictures[some], queries, 10)]
    if name in ("ivf", "hnsw"):  # they round their vectors
        assert (
            np.mean(
                [len({*one} & {*other}) for one, other in zip(found.positions.tolist(), best.tolist(), strict=True)]
            )
            > 9.5
        )
    else:
        assert (found.positions == best).all()
    assert all(len(set(row)) == 10 for row in found.positions.tolist())
    assert asked == [10 * EACH] and index.count == 300
    assert index.search(queries[:1], 1000, only, **params).positions.shape == (1, len(some))


def test_many_vectors_of_one_picture_leave_room_for_others():
    """The nearest 5 of 15 are of one picture."""
    rows = unit(np.array([[10, number, 0, 0] for number in range(5)] + [[1, 9, number, 0] for number in range(10)]))
    index = TiledIndex(find("flat").build(rows.astype(np.float32)), EACH)
    assert index.search(np.array([[1, 0, 0, 0]], np.float32), 3).positions.tolist() == [[0, 1, 2]]


def test_where_an_index_finds_fewer_the_rest_is_missing():
    found = Neighbors(np.array([[7, 5, 2, MISSING]]), np.array([[0.9, 0.8, 0.7, -np.inf]], np.float32))
    kept = collapsed(found, EACH, 3)
    assert kept.positions.tolist() == [[1, 0, MISSING]]
    assert kept.scores.tolist() == [[pytest.approx(0.9), pytest.approx(0.7), -np.inf]]
    assert spread(np.array([2, MISSING]), 2).tolist() == [4, 5, MISSING, MISSING]


def test_vectors_are_those_of_wholes_and_scores_those_of_the_nearest_part(tiled):
    pictures, queries = tiled
    vectors = TiledVectors(ArrayVectors(pictures.reshape(-1, 32)), EACH)
    assert len(vectors) == 300 and (vectors.all() == pictures[:, 0]).all()
    assert (vectors.take(np.array([[3, 4]])) == pictures[None, [3, 4], 0]).all()
    some, query = np.array([8, 20, 3]), queries[0]
    cosines = pictures[some] @ query
    assert vectors.scores(queries[:1], some[None])[0] == pytest.approx(cosines.max(axis=1))
    assert (vectors.best(query, some) == cosines.argmax(axis=1)).all()
    assert (vectors.nearest(query, some) == pictures[some, cosines.argmax(axis=1)]).all()
    part = vectors.part(some)
    assert len(part) == 3 and (part.all() == pictures[some, 0]).all()
    assert (part.flat.all() == pictures[some].reshape(-1, 32)).all()


# Collections


@pytest.fixture
def mine(tmp_path, world) -> LivingFolder:
    """60 plain pictures, and one that is blue with a small red square at its lower right."""
    folder = LivingFolder(tmp_path / "mine", world)
    folder.add_many(60)
    picture = Image.new("RGB", (60, 60), (0, 0, 255))
    picture.paste((255, 0, 0), (42, 42, 60, 60))
    picture.save(folder.root / "small.png")
    return folder


def small(hits) -> int:
    """The place of the picture with the small thing, from 0."""
    return [hit.file for hit in hits].index("small.png")


def test_what_is_small_is_found_and_the_hit_says_where(mine):
    mine.build()
    without = mine.search("red", 61).hits
    assert all(hit.box == "" and "box" not in hit.to_json() for hit in without)
    mine.build(tiles=4)
    assert mine.open().artifact.manifest.tiles == 4 and len(mine.open()) == 61
    found = mine.search("red", 61).hits
    assert len({hit.row for hit in found}) == 61 and small(found) < small(without)
    hit = found[small(found)]
    assert hit.box == hit.to_json()["box"] == "0.6,0.6,0.4,0.4"
    assert hit.score > without[small(without)].score + 0.2
    again = mine.open().search(Query(row=hit.row, box=box_of(hit.box)), "flat", 60).hits  # it is one for a query, too
    assert len(again) == 60 and hit.row not in {each.row for each in again}


def test_an_approximate_answer_is_compared_with_the_exact_one_by_pictures(mine):
    mine.build(tiles=2)
    collection = mine.open()
    vector = collection.embed(Query(text="red")).vector
    exact = exact_once(collection, vector, 10).positions
    pictures = collection.vectors.flat.all().reshape(61, EACH, 8)
    assert pictures[exact].__matmul__(vector[0]).max(axis=1) == pytest.approx(
        np.sort((pictures @ vector[0]).max(axis=1))[::-1][:10]
    )
    result = collection.search(Query(text="red"), "ivf", 10, compare=True, nprobe=4096)
    assert result.comparison.missed.missed == frozenset() and len(result.hits) == 10


def test_of_a_sum_of_terms_the_shares_sum_to_the_score_of_the_part(mine):
    mine.build(tiles=4)
    for hit in mine.search("2: red - lime", 61).hits:
        assert sum(hit.shares) == pytest.approx(hit.score, abs=1e-5)


def test_parts_follow_their_picture_through_additions_removals_and_renames(mine):
    mine.build(tiles=2)
    for index in ("hnsw", "sq8"):
        mine.open().index(index)
    mine.add("new.png", 1, 200, 3)
    (mine.root / "small.png").rename(mine.root / "renamed.png")
    removed = sorted(mine.root.glob("0-*.png"))[7]
    removed.unlink()
    assert "1 picture was added, 1 removed" in mine.search("red").notice
    assert removed.name not in {hit.file for hit in mine.search("red", 100).hits}
    mine.world.encoder.encoded = 0
    facts = mine.build().manifest.built  # it keeps to tiles
    assert (facts["embedded"], facts["reused"], facts["removed"]) == (1, 60, 1)
    assert mine.world.encoder.encoded == EACH
    changed = {each["index"]: (each["in_place"], each["added"], each["removed"]) for each in facts["indexes"]}
    assert changed["hnsw"][0] and changed["hnsw"][1:] == changed["ivf"][1:] == (1, 1)
    collection = mine.open()
    assert len(collection) == 61 and len(collection.vectors.flat) == 61 * EACH
    for index, params in (("ivf", {"nprobe": 4096}), ("hnsw", {"ef_search": 500}), ("flat", {})):
        found = {
            hit.file: (round(hit.score, 4), hit.box)
            for hit in collection.search(Query(text="red"), index, 61, **params).hits
        }
        assert len(found) == 61 and found["renamed.png"][1] == "0.333333,0.333333,0.666667,0.666667"
    mine.build(rebuild=True)
    assert {hit.file: hit.box for hit in mine.search("red", 61).hits} == {name: box for name, (_, box) in found.items()}


def test_a_build_that_was_ended_goes_on_and_embeds_no_picture_twice(mine, steady):
    class Ended(Exception):
        pass

    def end(progress):
        if progress.done >= 20:
            raise Ended

    with pytest.raises(Ended):
        mine.build(tiles=2, report=end, batch_size=50)
    before = mine.world.encoder.encoded
    assert 0 < before < 61 * EACH
    assert mine.build(tiles=2).manifest.built["embedded"] == 61 - before // EACH
    assert mine.world.encoder.encoded == 61 * EACH
    assert small(mine.search("red", 61).hits) >= 0


def test_tiles_stay_until_they_are_told_away(mine):
    assert mine.build(tiles=3).manifest.vectors == 610
    assert mine.build().manifest.tiles == 3
    artifact = mine.build(tiles=0)
    assert (artifact.manifest.tiles, artifact.manifest.vectors, artifact.manifest.pictures) == (0, 61, 61)
    with pytest.raises(BadQuery, match="tiles = 7 is out of bounds: choose from 2 to 4 per side, or 0 for none"):
        mine.build(tiles=7)


def test_a_manifest_with_other_tiles_is_refused(mine):
    path = mine.build(tiles=2).folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tiles": 1000}))
    with pytest.raises(BadArtifact, match="tiles 1000"):
        mine.open()


def test_filters_accuracy_and_sizes_are_of_pictures(world):
    library = world.built(tiles=2)
    collection = library.open("colours", "mean-colour")
    assert len(collection) == 300 and len(collection.labels()) == 300
    result = collection.search(Query(text="red"), "ivf", 50, where="label = 'greenish'", nprobe=4096)
    assert result.matching == sum(collection.labels() == 1)
    assert {hit.label for hit in result.hits} == {"n1"} and len({hit.row for hit in result.hits}) == len(result.hits)
    few = collection.search(Query(row=5), "flat", 300).hits
    assert len(few) == 299 and 5 not in {hit.row for hit in few}
    # Of plain pictures all parts are equal, so accuracy is that without them.
    plain = world.built(tiles=0).open("colours", "mean-colour")
    with_parts, without = collection.evaluate("flat"), plain.evaluate("flat")
    assert with_parts.queries == without.queries == 30
    assert [each.top1 for each in with_parts.accuracies] == [each.top1 for each in without.accuracies]
    part = collection.part(100)
    assert len(part) == 100 and len(part.search(Query(text="red"), "flat", 100).hits) == 100


def test_leave_one_out_leaves_out_all_parts_of_the_picture(world):
    world.change(queries=ColourPictures(np.empty((0, 3), np.uint8), np.empty(0)))
    collection = world.built(tiles=2).open("colours", "mean-colour")
    found = collection.evaluate("flat", ks=(1,))
    assert found.queries == 300
    near = collection.vectors.all() @ collection.vectors.all().T
    np.fill_diagonal(near, -1)
    labels = collection.labels()
    assert found.accuracies[0].top1 == pytest.approx(100 * (labels[near.argmax(axis=1)] == labels).mean(), abs=1)


def test_a_parquet_file_has_one_row_per_picture(world, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    collection = world.built(tiles=2).open("colours", "mean-colour")
    done = export_parquet(collection, tmp_path / "out.parquet", neighbours=5)
    table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert done.rows == 300 and table["row"] == list(range(300))
    assert np.array(table["vector"]) == pytest.approx(collection.vectors.all())
    assert all(len(set(each["ids"])) == 5 and row not in each["ids"] for row, each in enumerate(table["neighbors"]))


def test_what_is_not_offered_with_tiles_is_refused(world):
    collection = world.built(tiles=2).open("colours", "mean-colour")
    with pytest.raises(BadQuery, match=r"milvus keeps facts for one vector per picture, and here are 5: .* --tiles 0"):
        collection.index("milvus")
    with pytest.raises(NotHere, match=r"Benchmarks measure one vector per picture, and here are 5: .* --tiles 0"):
        stored(collection)


def test_an_audit_compares_whole_pictures(world):
    collection = world.built(tiles=2).open("colours", "mean-colour")
    wholes = collection.wholes()
    assert (wholes.vectors.all() == collection.vectors.all()).all() and wholes.vectors.each == 1
    assert wholes.wholes() is wholes and not any(hit.box for hit in wholes.search(Query(text="red"), "flat", 9).hits)


def test_why_a_part_matched_is_told_of_the_part(mine):
    mine.build(tiles=4)
    hit = next(hit for hit in mine.search("red", 61).hits if hit.file == "small.png")
    found = mine.open().why(Query(text="red"), hit.row)
    assert found.box == hit.box == found.to_json()["box"]
    assert found.score == pytest.approx(hit.score, abs=0.01)
    kept = np.clip(found.drops, 0, None)
    assert kept[2:, 2:].sum() > 0.95 * kept.sum()  # the square is 18 px of the part's 24

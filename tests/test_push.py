"""What was built goes to a hub on loopback in one commit, and comes back as a gallery."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from searchdemo import cli
from searchdemo.collection import calibration
from searchdemo.collection.library import Library
from searchdemo.collection.maps import keep
from searchdemo.collection.push import push
from searchdemo.collection.query import Query
from searchdemo.collection.store import Store
from searchdemo.errors import BadArtifact, BadQuery, NoPictures, SearchDemoError
from searchdemo.files import sha256_of
from searchdemo.galleries import packed
from searchdemo.galleries.items import Items
from searchdemo.measure.cards import RunCard, own_cards, save
from searchdemo.ui import start
from searchdemo.ui.demo import build_demo
from searchdemo.ui.tradeoffs.cards import held_with, listed
from tests.damage import damaged, files, pairs, restored
from tests.living import three_colours
from tests.loopback_hub import PushedHub, nobody

CURVE = calibration.Curve(5, 40.0, -9.0, 0.1, 30, 60)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with PushedHub(tmp_path / "hub") as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_made_up")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("searchdemo.hub.REACH_S", 60.0)
        yield running


@pytest.fixture
def theirs(tmp_path) -> Store:
    """The store of somebody else."""
    return Store(own=tmp_path / "theirs", shipped=tmp_path / "nothing")


@pytest.fixture
def built(world):
    world.change(captions=tuple(f"number {row}" for row in range(300)))
    collection = world.built().open("colours", "mean-colour")
    keep(collection, np.random.default_rng(0).random((300, 2)), "by hand")
    store = collection.shelf.store
    calibration.save(CURVE, path := store.extra_path(collection.artifact, calibration.FILE))
    store.add_extra(collection.artifact, path, 0.1)
    return collection


def files_of(hub) -> dict:
    return hub.commits["datasets/me/colours"][-1][1]


def test_somebody_else_opens_it_without_embedding(built, world, hub, theirs):
    done = push(built, "me/colours", "mit", {"knn.json": {"a": 1}})
    commits = [path for method, path, _ in hub.requests if method == "POST" and "/commit/" in path]
    assert len(commits) == 1 and done.revision == hub.commits["datasets/me/colours"][-1][0]
    assert "pictures.zip" not in files_of(hub) and json.loads(files_of(hub)["cards/knn.json"].read_text()) == {
        "a": 1,
        "gallery": "colours",
    }
    card = files_of(hub)["README.md"].read_text()
    assert "license: mit" in card and built.artifact.manifest.weights_sha256 in card and "stand-in" in card

    world.encoder.encoded = 0
    opened = Library(theirs).open("hub:me/colours", "bundled")
    assert world.encoder.encoded == 0 and opened.encoder_spec.name == "mean-colour"
    for query in (Query(row=5), Query(held_out=3), Query(text="red")):
        wanted, found = (one.search(query, "ivf", 5, where="label != 'n1'").hits for one in (built, opened))
        assert [(hit.row, hit.label, hit.score) for hit in found] == [(hit.row, hit.label, hit.score) for hit in wanted]
    assert np.array_equal(opened.map().stored, built.map().stored)
    assert opened.shelf.calibration(opened.artifact, opened.snapshot) == CURVE
    assert opened.evaluate("ivf", (5,)).accuracies[0].top1 == built.evaluate("ivf", (5,)).accuracies[0].top1
    assert opened.gallery.caption(7) == "number 7" and opened.gallery.pictures.encoded(0) is None


def test_a_space_that_sets_one_variable_opens_on_it_and_embeds_nothing(built, world, hub, theirs, monkeypatch):
    push(built, "me/colours", "mit", {})
    monkeypatch.setenv("SEARCHDEMO_GALLERY", "hub:me/colours")
    monkeypatch.setattr(start, "warm_up", lambda page, gallery: None)
    world.encoder.encoded = 0
    page = build_demo(Library(theirs), cli.make_parser().parse_args(["app"]).gallery)
    chosen = {each["props"].get("label"): each["props"].get("value") for each in page.config["components"]}
    assert (chosen["Gallery"], chosen["Encoder"]) == ("hub:me/colours", "mean-colour")
    assert world.encoder.encoded == 0


def test_its_run_cards_are_offered_with_it(built, hub, theirs, monkeypatch, tmp_path):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    parts = {"points": [{"index": "flat", "recall_10": 1.0}]}
    card = RunCard("tradeoff", "colours", "mean-colour", parts, {"vectors": 300}, {}, machine={"name": "<b>theirs"})
    broken = card.to_json() | {"machine": []}
    push(built, "me/colours", "mit", {"tradeoff.json": card.to_json(), "a.json": broken, "b.json": {"a": 1}})
    library = Library(theirs)
    library.gallery("hub:me/colours")
    held = held_with(library, "hub:me/colours")
    assert [(one.gallery, one.parts) for one in held] == [("hub:me/colours", parts)]
    own = [entry for entry in listed(held=held) if not entry.shipped]
    assert len(own) == 1 and "<b>theirs" in own[0].label
    save(mine := replace(held[0], machine={"name": "mine"}), own_cards())
    assert [entry.card for entry in listed(held=held) if not entry.shipped] == [mine]
    assert held_with(library, "colours") == []


def test_parts_of_pictures_go_with_them(world, hub, theirs):
    built = world.built(tiles=2).open("colours", "mean-colour")
    push(built, "me/colours", "mit", {})
    opened = Library(theirs).open("hub:me/colours", "bundled")
    assert len(opened) == 300 and len(opened.vectors.flat) == 1500 and opened.artifact.manifest.tiles == 2
    wanted, found = (one.search(Query(row=5), "flat", 20).hits for one in (built, opened))
    assert [(hit.row, hit.score, hit.box) for hit in found] == [(hit.row, hit.score, hit.box) for hit in wanted]


def test_pictures_only_when_told_and_allowed(built, world, hub, theirs):
    push(built, "me/colours", "mit", {}, pictures=True)
    pictures = Library(theirs).gallery("hub:me/colours").pictures
    assert pictures.has(3) and pictures.encoded(3) == built.gallery.pictures.encoded(3)
    world.change(name="tiny-imagenet")
    with pytest.raises(BadQuery, match="may not be handed on"):
        push(world.library().open("colours", "mean-colour"), "me/others", "mit", {}, pictures=True)
    assert "datasets/me/others" not in hub.commits


def test_no_path_of_the_disk_is_pushed(tmp_path, world, hub, theirs):
    folder = three_colours(tmp_path / "secret", world)
    folder.build()
    push(folder.open(), "me/colours", "mit", {"knn.json": {"gallery": folder.key.gallery}}, pictures=True)
    texts = [path.read_text() for name, path in files_of(hub).items() if name.endswith((".json", ".md"))]
    assert texts and not any("secret" in text for text in texts)
    hits = Library(theirs).open("hub:me/colours", "bundled").search(Query(text="red"), "flat", 1).hits
    assert (hits[0].file, hits[0].label) == ("b/red.png", "b") and hits[0].picture


def test_a_push_that_breaks_leaves_nothing(built, hub, theirs):
    first = push(built, "me/colours", "mit", {"old.json": {}}).revision
    hub.refuse_commits = True
    with pytest.raises(SearchDemoError, match=r"could not be pushed.*nothing of it is there"):
        push(built, "me/colours", "mit", {})
    assert Library(theirs).gallery("hub:me/colours").revision == first
    hub.refuse_commits = False
    push(built, "me/colours", "mit", {})
    assert "cards/old.json" not in files_of(hub)  # what is no more goes away with the same commit


def test_what_somebody_else_wrote_there_stays(built, hub, tmp_path):
    for names, taken in ((["README.md", ".gitattributes"], True), (["README.md", "data/train.parquet"], False)):
        repo, file = f"me/{len(names[1])}", tmp_path / "theirs"
        file.write_text("theirs")
        theirs = dict.fromkeys(names, file)
        hub.commits[f"datasets/{repo}"] = [("a" * 40, theirs)]
        if taken:  # as the hub makes a repository by itself
            push(built, repo, "mit", {})
            assert set(hub.commits[f"datasets/{repo}"][-1][1]) >= {".gitattributes", "pack.json"}
        else:
            with pytest.raises(BadQuery, match=r"holds 1 files that .* did not write, such as 'data/train\.parquet'"):
                push(built, repo, "mit", {})
            assert hub.commits[f"datasets/{repo}"] == [("a" * 40, theirs)]


def test_a_push_that_another_one_overtook_is_refused(built, hub):
    push(built, "me/colours", "mit", {})
    newest = hub.commits["datasets/me/colours"]

    def overtake():
        hub.in_between = lambda: None
        newest.append(("b" * 40, newest[-1][1]))

    hub.in_between = overtake
    with pytest.raises(SearchDemoError, match="could not be pushed"):
        push(built, "me/colours", "mit", {"new.json": {}})
    assert newest[-1][0] == "b" * 40
    push(built, "me/colours", "mit", {"new.json": {}})
    assert "cards/new.json" in newest[-1][1]


def test_a_revision_is_pinned_and_no_revision_is_the_newest(built, hub, theirs, monkeypatch):
    first = push(built, "me/colours", "mit", {}).revision
    pinned, newest = f"hub:me/colours@{first}", "hub:me/colours"
    assert {Library(theirs).gallery(name).revision for name in (pinned, newest)} == {first}
    second = push(built, "me/colours", "mit", {"new.json": {}}).revision
    before = len(hub.requests)
    assert Library(theirs).gallery(pinned).revision == first and len(hub.requests) == before
    assert Library(theirs).gallery(newest).revision == second
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr("searchdemo.hub.REACH_S", 1.0)
        assert len(Library(theirs).open(newest, "bundled")) == 300  # out of reach: what is here answers
        with pytest.raises(NoPictures, match=r"could not be fetched"):
            Library(theirs).gallery("hub:me/other")


def test_what_is_not_what_was_pushed_is_refused(built, hub, theirs):
    push(built, "me/colours", "mit", {})
    other = files_of(hub)["items.json"]
    other.write_text(other.read_text().replace("number 7", "number 8"))
    with pytest.raises(BadArtifact, match=r"items\.json of me/colours at .* is not what was pushed"):
        Library(theirs).gallery("hub:me/colours")
    said = json.loads(files_of(hub)["pack.json"].read_text())
    for name in ("../x", "vectors/../x", "/etc/x", "a/b"):
        files_of(hub)["pack.json"].write_text(json.dumps(said | {"files": {name: "0"}}))
        hub.commits["datasets/me/colours"].append((f"{len(hub.commits['datasets/me/colours']):040x}", files_of(hub)))
        with pytest.raises(BadArtifact, match="names files"):
            Library(theirs).gallery("hub:me/colours")


def without(*keys: str, **now):
    """What somebody makes of the JSON of a file: some keys less, others anew."""
    return lambda said: {name: value for name, value in said.items() if name not in keys} | now


@pytest.mark.parametrize(
    ("name", "made", "said"),
    [
        ("items.json", without("labels"), "does not say what its vectors are"),
        ("items.json", without(labels=[[3]] * 300), "rows with labels that it does not have"),
        ("items.json", without(labels=[["1"]] * 300), "rows with labels that it does not have"),
        ("items.json", without(class_names=[]), "300 rows and 3 labels, and other numbers"),
        (
            "items.json",
            without(labels=[[0]], captions=["one"]),
            "me/odd of the hub holds nothing .*300 vectors of 1 rows",
        ),
        ("vectors/manifest.json", without("gallery_fingerprint"), "me/odd of the hub holds nothing"),
        ("vectors/manifest.json", lambda said: [], "me/odd of the hub holds nothing"),
        ("pack.json", without(encoder="pack"), "me/odd of the hub holds nothing .*'pack' is no encoder"),
    ],
)
def test_right_digests_of_wrong_contents_are_a_sentence(built, hub, theirs, tmp_path, name, made, said):
    """Whoever owns a repository can push anything, with the digests of it."""
    push(built, "me/colours", "mit", {})
    there = dict(files_of(hub))
    pack = json.loads(there["pack.json"].read_text())
    (tmp_path / "odd").write_text(json.dumps(made(json.loads(there[name].read_text()))))
    there[name] = tmp_path / "odd"
    if name != "pack.json":
        pack["files"][name] = sha256_of(tmp_path / "odd")
        (tmp_path / "pack").write_text(json.dumps(pack))
        there["pack.json"] = tmp_path / "pack"
    hub.commits["datasets/me/odd"] = [("4" * 40, there)]
    with pytest.raises(BadArtifact, match=said):
        Library(theirs).gallery("hub:me/odd")


def test_pictures_and_blurs_that_are_none_are_not_here(built, tmp_path):
    (tmp_path / packed.PICTURES).write_bytes(b"PK")
    np.save(tmp_path / packed.BLURS, np.zeros((2, 24), np.uint8))
    pictures = packed.PackedPictures(Items(labels=((),) * 3), tmp_path, "1")
    assert pictures.encoded(0) is None and pictures.blur(2) is None


def test_each_file_of_it_is_fetched_again_where_it_is_damaged(built, hub, theirs):
    name = f"hub:me/colours@{push(built, 'me/colours', 'mit', {}, pictures=True).revision}"
    right = Library(theirs).open(name, "bundled").search(Query(row=1), "ivf", 5).hits
    left = files(theirs.own)
    assert len(left) >= 8
    for path, kind in pairs(left):
        with restored(theirs.own):
            damaged(theirs.own / path, kind)
            again = Library(theirs).open(name, "bundled").search(Query(row=1), "ivf", 5).hits
            assert [(hit.row, hit.label, hit.score) for hit in again] == [
                (hit.row, hit.label, hit.score) for hit in right
            ], path
            assert again[0].picture == right[0].picture, path


def test_what_a_repository_lacks_is_said(built, hub, theirs, monkeypatch):
    push(built, "me/colours", "mit", {})
    hub.commits["datasets/me/half"] = [("1" * 40, {n: f for n, f in files_of(hub).items() if n != "items.json"})]
    with pytest.raises(BadArtifact, match=r"items\.json of me/half at 1{12} is not what was pushed: push it again"):
        Library(theirs).gallery("hub:me/half")
    hub.commits["datasets/me/pictures"] = [("2" * 40, {"README.md": files_of(hub)["README.md"]})]
    with pytest.raises(BadArtifact, match=r"me/pictures of the hub holds nothing that `searchdemo push` wrote"):
        Library(theirs).gallery("hub:me/pictures")
    said = json.loads(files_of(hub)["pack.json"].read_text())
    later = files_of(hub)["pack.json"].with_name("later.json")
    later.write_text(json.dumps({"format": 2, "what": "nobody knows yet", "files": said["files"]}))
    hub.commits["datasets/me/later"] = [("3" * 40, files_of(hub) | {"pack.json": later})]
    fix = r"\(format 2, and version \S+ reads 1\): update searchdemo, or name an earlier revision as hub:me/later@"
    with pytest.raises(BadArtifact, match=rf"me/later of the hub was pushed by a later version of searchdemo {fix}"):
        Library(theirs).gallery("hub:me/later")
    for status in (401, 403):
        hub.refuse = status
        with pytest.raises(NoPictures, match=rf"the answer was {status}; see that the name is right.*set HF_TOKEN"):
            Library(theirs).gallery("hub:me/private")


def test_what_was_damaged_here_is_fetched_again(built, hub, theirs):
    revision = push(built, "me/colours", "mit", {}).revision
    name = f"hub:me/colours@{revision}"
    Library(theirs).gallery(name)
    path = theirs.own / packed.folder_of(name.removeprefix("hub:")) / "mean-colour" / "ivf.faiss"
    path.write_bytes(b"damaged")
    assert len(Library(theirs).open(name, "bundled").search(Query(row=1), "ivf", 5).hits) == 5


@pytest.mark.parametrize("name", ["", "me", "me/a/b", "me/../b", "me/a@../b", "https://x/y", "-/a@", "../../etc"])
def test_names_that_are_no_repository(name, theirs):
    if name == "-/a@":  # an empty revision is none
        assert packed.parse(name) == ("-/a", "")
        return
    with pytest.raises(BadQuery, match="is no repository of the hub"):
        Library(theirs).gallery(f"hub:{name}")

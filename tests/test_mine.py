"""Pictures of the visitor's own on the page: who may open paths, and that nobody sees what another one brought."""

from __future__ import annotations

import time
from types import SimpleNamespace
from urllib.parse import urlencode

import gradio as gr
import page_server
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from searchdemo.collection.behind import Behind
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.errors import BadQuery, NoPictures, SearchDemoError, UnknownName
from searchdemo.galleries.uploaded import open_uploaded
from searchdemo.measure.cards import RunCard
from searchdemo.ui.demo import build_demo
from searchdemo.ui.mine import galleries, played
from searchdemo.ui.mine.galleries import OwnGalleries
from searchdemo.ui.mine.panel import folders_in
from searchdemo.ui.mine.place import at_this_machine
from searchdemo.ui.serving.sender import is_loopback
from searchdemo.ui.tradeoffs import cards
from searchdemo.ui.tradeoffs.measuring import Measuring, finished
from tests.conftest import png
from tests.test_uploaded import zipped
from tests.test_video import made

COLOURS = {"red.png": png((255, 0, 0)), "green.png": png((0, 255, 0)), "blue.png": png((0, 0, 255))}


# Who sits at this machine


def served(name: str | None = "127.0.0.1", **more) -> SimpleNamespace:
    return SimpleNamespace(server_name=name, share=False, share_url=None, **more)


def asks(client: str = "127.0.0.1", query: dict[str, str] | None = None, **headers: str) -> Request:
    given = {"host": "localhost:7860"} | {name.replace("_", "-"): value for name, value in headers.items()}
    sent = [(name.encode(), value.encode()) for name, value in given.items()]
    asked = urlencode(query or {}).encode()
    return Request({"type": "http", "headers": sent, "client": (client, 50_000), "query_string": asked})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_a_page_of_this_machine_may_open_paths(monkeypatch, name):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert at_this_machine(served(name), asks())
    assert at_this_machine(served(name), asks(origin="http://127.0.0.1:7860", sec_fetch_site="same-origin"))


@pytest.mark.parametrize(
    ("demo", "request_"),
    [
        (served("0.0.0.0"), asks()),
        (served("192.168.1.5"), asks()),
        (served(None), asks()),  # mounted in somebody's own server
        (SimpleNamespace(server_name="127.0.0.1", share=True, share_url=None), asks()),
        (SimpleNamespace(server_name="127.0.0.1", share=False, share_url="https://x.gradio.live"), asks()),
        (served(), asks(host="x.gradio.live")),
        (served(), asks(host="evil.example:7860")),  # DNS rebinding
        (served(), asks(origin="https://evil.example")),
        (served(), asks(origin="https://evil.example", sec_fetch_site="same-origin")),  # made up
        (served(), asks(origin="null")),
        (served(), asks(sec_fetch_site="cross-site")),
        (served(), asks(sec_fetch_site="same-site")),  # a page at another port of this machine
        (served(), asks(x_forwarded_for="8.8.8.8")),
        (served(), asks(forwarded="for=8.8.8.8")),
        (served(), asks(client="8.8.8.8")),
        (served(), None),
    ],
)
def test_any_other_may_not(monkeypatch, demo, request_):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert not at_this_machine(demo, request_)


def test_a_space_may_not(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/searchdemo")
    assert not at_this_machine(served(), asks())


def test_names_that_only_look_like_loopback_are_none():
    for place in ("127.0.0.1.evil.example", "localhost.evil.example", "", None, "0.0.0.0", "128.0.0.1"):
        assert not is_loopback(place)


def test_the_level_of_classes_is_chosen_where_a_folder_is_opened_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    for name, data in COLOURS.items():
        place = tmp_path / "mine" / "2024" / name.removesuffix(".png")
        place.mkdir(parents=True)
        (place / name).write_bytes(data)
    (tmp_path / "link").symlink_to("mine")
    library = Library(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    own = OwnGalleries(library, SimpleNamespace(forget=lambda gallery: None))
    deepest, place = ("blue", "green", "red"), str(tmp_path / "mine")
    assert own.open_folder(place).label_names == deepest
    first = own.open_folder(str(tmp_path / "link"), level="the first folder")
    assert first.label_names == ("2024",) and library.gallery(first.name) is first
    assert own.open_folder(place).label_names == ("2024",)
    assert own.open_folder(place, level="the second folder").label_names == deepest
    assert own.open_folder(place, level=galleries.DEEPEST).label_names == deepest
    with pytest.raises(BadQuery, match="'last' is no level of folders: choose as before, "):
        own.open_folder(place, level="last")
    with pytest.raises(NoPictures):
        own.open_folder(str(tmp_path / "nowhere"), level="the first folder")


@pytest.mark.parametrize("built", [False, True])
def test_a_folder_is_looked_at_anew_whenever_it_is_opened(tmp_path, monkeypatch, built):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    place, name = tmp_path / "mine", f"folder:{tmp_path / 'mine'}"
    place.mkdir()
    for file, data in COLOURS.items():
        (place / file).write_bytes(data)
    library = page_server.ColoursLibrary(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    own = OwnGalleries(library, SimpleNamespace(forget=lambda gallery: None))
    assert own.open_folder(str(place)).pictures.count == 3
    if built:
        library.build(Key(name, "bundled"))
    for number in range(5):
        (place / f"{number}.png").write_bytes(png((number, 9, 9)))
    (place / "red.png").unlink()
    opened = own.open_folder(str(place))
    assert opened.pictures.count == 7
    assert library.gallery(name) is opened  # what the whole page shows
    if built:
        assert library.open(name, "bundled").behind == Behind(added=5, removed=1)


def test_what_was_found_in_a_folder_is_said_anew_when_a_build_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    for module in ("mine.panel", "page"):
        monkeypatch.setattr(f"searchdemo.ui.{module}.at_this_machine", lambda demo, request: True)
    place, name = tmp_path / "mine", f"folder:{tmp_path / 'mine'}"
    place.mkdir()
    for file, data in COLOURS.items():
        (place / file).write_bytes(data)
    library = page_server.ColoursLibrary(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    blocks = build_demo(library, "scenes")
    opened = next(one for one in blocks.fns.values() if one.name == "_open")
    line, panel = opened.outputs[0], opened.fn.__self__
    ended = panel.page.built._id, "change"
    renewed = next(one for one in blocks.fns.values() if ended in one.targets and one.outputs == [line])
    *_, values = opened.fn(str(place), galleries.AS_BEFORE, "bundled", SimpleNamespace(session_hash="me"))
    shown = dict(zip(opened.outputs, values, strict=True))
    assert "<b>3 pictures</b> found" in shown[line] and "3 files are new" in shown[line]
    (place / "more.png").write_bytes(png((9, 9, 9)))
    library.build(Key(name, "bundled"))
    said = renewed.fn(shown[panel.told], name)
    assert "<b>4 pictures</b> found" in said and "new" not in said
    refusal = list(opened.fn("/nowhere", galleries.AS_BEFORE, "bundled", SimpleNamespace(session_hash="me")))[-1]
    for told, gallery in ((refusal[1], name), (name, "scenes")):  # the line tells of something else
        assert renewed.fn(told, gallery) == gr.skip()


def test_folders_are_listed_step_by_step(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / "here" / name).mkdir(parents=True)
    (tmp_path / "here" / "file.txt").write_text("x")
    here = tmp_path / "here"
    above = (f"↑ {tmp_path}", str(tmp_path))
    assert folders_in(str(here)) == [above, ("a", str(here / "a")), ("b", str(here / "b"))]
    assert folders_in(str(here / "nowhere")) == []
    assert ("↑ /", "/") not in folders_in("/")


# A video of a folder, served to its owner alone


@pytest.fixture
def film(tmp_path):
    """(a page on which a folder with a picture and a film is open, the rows of a frame and of the picture)."""
    made(tmp_path / "film", {"red": 2}, format="mp4")
    (tmp_path / "red.png").write_bytes(COLOURS["red.png"])
    name, library = f"folder:{tmp_path}", Library(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    pictures = library.gallery(name).pictures
    own = SimpleNamespace(folders=[name])
    page = SimpleNamespace(demo=served(), library=library, galleries=("scenes",), own=own)
    rows = {pictures.file(row): row for row in range(len(pictures))}
    return page, name, rows["film#t=0.000"], rows["red.png"]


def play(page, gallery: str, row: object, **headers: str):
    query = {"gallery": gallery, "row": str(row)}
    return played.answer(page, asks(query=query, **headers))


def test_a_video_is_served_to_its_owner_by_row_and_in_ranges(film, tmp_path):
    page, name, row, _ = film
    whole = (tmp_path / "film").read_bytes()
    page.demo.server_name = "testserver.localhost"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(played, "at_this_machine", lambda demo, request: True)
        client = TestClient(Starlette(routes=[played.route(page)]))
        address = played.address(name, row, page.library.gallery(name).pictures.frame(row))
        answer = client.get(f"/{address}")
        assert address.endswith("#t=0.000") and answer.content == whole
        assert answer.headers["content-type"] == "video/mp4" and answer.headers["accept-ranges"] == "bytes"
        part = client.get(f"/{address}", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"


def test_a_video_is_served_to_nobody_else_and_nothing_else_is(film, tmp_path, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    page, name, row, picture = film
    assert play(page, name, row).status_code == 200
    for headers in ({"x_forwarded_for": "8.8.8.8"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}):
        assert play(page, name, row, **headers).status_code == 403
    for wrong in (picture, len(page.library.gallery(name).pictures), -1, "", "x", "1.5", "²", f"{tmp_path}/film"):
        assert play(page, name, wrong).status_code == 404
    for gallery in (f"folder:{tmp_path.parent}", "scenes", str(tmp_path / "film"), ""):
        assert play(page, gallery, row).status_code == 404
    (tmp_path / "film").write_text("a letter now")
    assert play(page, name, row).status_code == 404
    (tmp_path / "film").unlink()
    assert play(page, name, row).status_code == 404
    page.own.folders.clear()
    assert play(page, name, row).status_code == 404


# What visitors brought


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own(monkeypatch):
    library = SimpleNamespace(names=set())
    library.hold = lambda gallery: library.names.add(gallery.name)
    library.let_go = library.names.discard
    found = OwnGalleries(library, SimpleNamespace(forget=lambda gallery: None), Clock())
    found.held = library.names
    return found


def brought(tmp_path, number: int = 0):
    path = tmp_path / f"{number}.png"
    path.write_bytes(COLOURS["red.png"])
    return [path]


def test_the_files_are_deleted_once_they_are_read(own, tmp_path):
    (path,) = brought(tmp_path)
    gallery = own.bring("me", [path])
    assert not path.exists() and own.held == {gallery.name} and own.of("me").name == gallery.name
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    with pytest.raises(SearchDemoError):
        own.bring("me", [broken])
    assert not broken.exists() and own.of("me").name == gallery.name  # the first stays
    second = own.bring("me", brought(tmp_path))
    assert own.held == {second.name}  # it takes the place of the first
    own.forget("me")
    assert own.held == set() and own.of("me") is None
    for session, files in (("", brought(tmp_path)), ("me", [])):
        with pytest.raises(BadQuery):
            own.bring(session, files)


def test_memory_for_all_visitors_is_bounded_and_idle_ones_are_forgotten(own, tmp_path, monkeypatch):
    size = own.bring("first", brought(tmp_path)).pictures.size
    monkeypatch.setattr(galleries, "MOST_BYTES", 2 * size)
    own.bring("second", brought(tmp_path))
    with pytest.raises(SearchDemoError, match="other visitors"):
        own.bring("third", brought(tmp_path))
    former = own.of("second").name
    with pytest.raises(SearchDemoError, match="other visitors"):
        own.bring("second", brought(tmp_path) + brought(tmp_path, 1))
    assert own.of("second").name == former and former in own.held  # refused, it keeps what it had
    own._clock.now = galleries.IDLE_S / 2
    own.of("second")
    own._clock.now = galleries.IDLE_S + 1
    own.bring("third", brought(tmp_path))
    assert own.of("first") is None and own.of("second") and own.of("third")


# Over the wire


@pytest.fixture(scope="module")
def zip_of_colours(tmp_path_factory):
    return zipped(tmp_path_factory.mktemp("mine"), COLOURS | {"notes.txt": b"n"})


def client() -> Client:
    return Client(page_server.page_url(), verbose=False, download_files=False)


def search(client: Client, gallery: str) -> list[str]:
    answer = client.predict("green", gallery, "bundled", "flat", 3, api_name="/search_by_text")
    return [hit["file"] for hit in answer["hits"]]


def test_what_one_client_brought_is_not_there_for_another_and_gone_with_the_session(zip_of_colours, monkeypatch):
    monkeypatch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.2)  # it notices a client that left
    mine, other = client(), client()
    answer = mine.predict([handle_file(str(zip_of_colours))], "bundled", api_name="/bring_pictures")
    assert answer["report"]["taken"] == 3 and answer["report"]["skipped"] == {".txt": ["notes.txt"]}
    gallery, library = answer["gallery"], page_server.library()
    assert search(mine, gallery)[0] == "green.png"
    with pytest.raises(AppError, match="another session"):
        search(other, gallery)
    assert search(mine, gallery)[0] == "green.png"  # asking for it did no harm
    assert library.holds(gallery)
    mine.close()
    deadline = time.monotonic() + 100
    while library.holds(gallery) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not library.holds(gallery)
    with pytest.raises(UnknownName):
        library.open(gallery, "bundled")
    other.close()


def test_measurements_of_pictures_in_memory_are_kept_with_them_alone(tmp_path, monkeypatch):
    library, name = page_server.library(), "upload:measured"
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    library.hold(open_uploaded(name, brought(tmp_path)))
    key = Key(name, "bundled")
    library.build(key)
    card = RunCard("tradeoff", name, "bundled", {"points": []}, {"vectors": 1, "dim": 3}, {"quick": True}, at="2026")
    monkeypatch.setattr("searchdemo.bench.table.measure", lambda benchmark, bench: card)
    for _ in range(2):
        run = Measuring().start(library, key, "indexes quick")
        assert run.done.result(60) == [card] and "your pictures × bundled" in finished(run, [card])
    assert library.measured(name) == [card] and not (tmp_path / "home").exists()
    mine = cards.listed(held=library.measured(name))
    assert cards.chosen(mine[0].key, [card]) is card and mine[0].label.startswith("your pictures × bundled")
    assert card not in [entry.card for entry in cards.listed()]  # nobody else is offered it
    library.let_go(name)
    assert library.measured(name) == []

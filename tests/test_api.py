"""The typed API through gradio's own client: the command line's JSON, and sentences for what is wrong."""

from __future__ import annotations

import json
import re

import numpy as np
import page_server
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from searchdemo import cli
from searchdemo.collection.box import box_of
from searchdemo.collection.query import Query
from searchdemo.errors import BadQuery
from searchdemo.measure.faceoff.question import answer as face_off
from searchdemo.ui import api

WHAT = {"gallery": "scenes", "encoder": "bundled", "index": "flat", "k": 4}


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(page_server.page_url(), verbose=False, download_files=False)


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("api") / "row7.webp"
    path.write_bytes(page_server.library().gallery("scenes").pictures.encoded(7))
    return handle_file(str(path))


def test_seven_endpoints_are_public_and_no_other(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {f"/{name}" for name in api.NAMES}
    parameters = [parameter["parameter_name"] for parameter in named["/search_by_image"]["parameters"]]
    assert parameters == ["image", "gallery", "encoder", "index", "k", "where", "text", "box"]


def test_text(client):
    answer = client.predict(text="red", **WHAT, api_name="/search_by_text")
    expected = page_server.library().open("scenes", "bundled").search(Query(text="red"), "flat", 4).to_json()
    for hit, same in zip(answer["hits"], expected["hits"], strict=True):
        assert hit == same | {"score": pytest.approx(same["score"])}
    assert set(answer["timing"]) == {"preprocess_ms", "encode_ms", "search_ms", "fetch_ms"}


def test_a_query_of_several_terms_as_python_answers_it(client):
    text, where = "2: red - 0.5: boat + #12", "label in ('boat', 'house')"
    answer = client.predict(text=text, **WHAT, where=where, api_name="/search_by_text")
    collection = page_server.library().open("scenes", "bundled")
    expected = collection.search(Query(text=text), "flat", 4, where=where).to_json()
    assert answer | {"timing": 0} == expected | {"timing": 0}
    assert answer["terms"] == [
        {"term": "red", "weight": 2},
        {"term": "boat", "weight": -0.5},
        {"term": "#12", "weight": 1},
    ]
    for hit in answer["hits"]:
        assert sum(hit["shares"]) == pytest.approx(hit["score"], abs=1e-6)
    with pytest.raises(AppError, match="at character 6: there is no term after"):
        client.predict(text="red -", **WHAT, api_name="/search_by_text")


def test_why_a_picture_matched_as_python_answers_it(client, picture):
    collection = page_server.library().open("scenes", "bundled")
    asked = {"gallery": "scenes", "encoder": "bundled", "row": 12}
    answer = client.predict(image=None, **asked, text="red + 0.5: boat", api_name="/why")
    assert answer == collection.why(Query(text="red + 0.5: boat"), 12).to_json()
    assert np.shape(answer["drops"]) == (8, 8) and sum(answer["shares"]) == pytest.approx(answer["score"], abs=1e-6)
    answer = client.predict(image=picture, **asked, api_name="/why")
    assert answer["row"] == 12 and "terms" not in answer
    with pytest.raises(AppError, match="There is no row 2000: choose from 0 to 1,999"):
        client.predict(image=None, **asked | {"row": 2000}, text="red", api_name="/why")
    with pytest.raises(AppError, match="There is no picture to search with"):
        client.predict(image=None, **asked, api_name="/why")


def test_a_face_off_is_the_same_by_api_command_line_and_python(client, picture, capsys, monkeypatch):
    library = page_server.library()
    monkeypatch.setattr("searchdemo.cli.faceoff.make_library", lambda arguments: library)
    where, asked = "label in ('boat', 'house')", {"gallery": "scenes", "encoders": [], "k": 4}

    def plain(answer: dict) -> dict:
        return answer | {"columns": [column | {"timing": 0} for column in answer["columns"]]}

    for text, image in (("2: red - 0.5: boat + #12", None), ("", picture), ("+ blue", picture)):
        answer = client.predict(image=image, **asked, text=text, where=where, api_name="/faceoff")
        content = library.gallery("scenes").pictures.encoded(7)
        query = Query(picture=content if image else None, text=text or None)
        assert plain(answer) == plain(json.loads(json.dumps(face_off(library, "scenes", query, 4, where=where))))
        given = (["--image", image["path"]] if image else []) + (["--text", *text.split()] if text else [])
        assert cli.main(["faceoff", "--gallery", "scenes", "--k", "4", "--where", where, "--json", *given]) == 0
        assert plain(answer) == plain(json.loads(capsys.readouterr().out))
        assert len(answer["columns"][0]["hits"]) == 4 and answer["advice"].startswith("Only bundled is built")
    two = client.predict(image=None, **asked | {"encoders": ["bundled", "resnet18"]}, text="red", api_name="/faceoff")
    assert [column["encoder"] for column in two["columns"]] == ["bundled", "resnet18"] and "said" in two["columns"][1]


TEXTS = """t-shirt - a well-known car|re: red + 3:2|42|12 + 7|the "best" boat|"red - blue" + 2: “boat + car”|red + 🐶|🐶
собака|#12|#1.5|#99999|#held-out-9999 + red|0: red|0: red + 0: blue|- red|- red - blue|1e9: red|nan: red|2:|- -|+|-
10: red|11: red|red + 12345: blue|2: 3: red|red + #picture|"|“ ”|red	+ blue|＋ red － blue|#12 - #12|--text red
-people red"""


def test_any_text_is_the_same_query_by_api_command_line_and_python(client, capsys, monkeypatch):
    collection = page_server.library().open("scenes", "bundled")
    monkeypatch.setattr("searchdemo.cli.options.make_library", lambda arguments: page_server.library())

    def answered(ask) -> dict | str:
        try:
            return ask() | {"timing": 0}
        except (AppError, BadQuery) as error:
            return str(error)

    def typed(text: str) -> dict:
        done = cli.main(["search", "--gallery", "scenes", "--index", "flat", "-k", "4", "--json", f"--text={text}"])
        said = capsys.readouterr()
        if done:
            raise BadQuery(said.err.strip().removeprefix("searchdemo: "))
        content = json.loads(said.out)
        assert content.pop("stand_in")  # the command line alone says that this is the encoder of a test
        return content

    answers = {}
    for text in re.split(r"[|\n]", TEXTS):
        python = answered(lambda text=text: collection.search(Query(text=text), "flat", 4).to_json())
        sent = answered(lambda text=text: client.predict(text=text, **WHAT, api_name="/search_by_text"))
        assert (text, sent) == (text, python)
        assert (text, answered(lambda text=text: typed(text))) == (text, python)
        answers[text] = python
    refused = [text for text, answer in answers.items() if isinstance(answer, str)]
    assert {"- -", "2:", "+", "-", "#99999", "11: red", "0: red", "“ ”"} <= {*refused}
    assert not {"- red", "- red - blue", "1e9: red", "10: red", "#12", "＋ red － blue"} & {*refused}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"encoders": ["nobody"]}, "encoders = 'nobody' is not offered"),
        ({"encoders": "bundled"}, "encoders = 'bundled' is no list of names"),
        ({"gallery": "folder:/etc"}, "no gallery 'folder:/etc'"),
        ({"k": 0}, "k = 0 is out of bounds"),
        ({"where": "nothing = 1"}, "nothing"),
        ({"text": ""}, "There is no picture to search with"),
        ({"text": "red -"}, "at character 6"),
        ({"encoders": ["resnet18"]}, "resnet18"),
    ],
)
def test_what_is_wrong_with_a_face_off(client, wrong, sentence):
    asked = {"image": None, "gallery": "scenes", "encoders": [], "k": 4, "text": "red", "where": ""} | wrong
    with pytest.raises(AppError, match=sentence):
        client.predict(**asked, api_name="/faceoff")


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("+ blue", ""),
        ("0.5: #picture - 2: red + #12 - #held-out-3", "0.5,0,0.5,1"),
        ("t-shirt: 3:2 + #12 + #12", "0,0,0.5,0.5"),
        ("", "0.25,0.25,0.5,0.5"),
    ],
)
def test_a_picture_with_words_rows_and_a_box_as_python_answers_it(client, picture, text, box):
    where = "label in ('boat', 'house')"
    answer = client.predict(image=picture, **WHAT, where=where, text=text, box=box, api_name="/search_by_image")
    collection = page_server.library().open("scenes", "bundled")
    given = Query(picture=collection.gallery.pictures.encoded(7), text=text or None, box=box_of(box))
    expected = collection.search(given, "flat", 4, where=where).to_json()
    assert answer | {"timing": 0} == expected | {"timing": 0}
    assert len(answer["hits"]) == 4 and ("terms" in answer) == bool(text)


@pytest.mark.parametrize(
    ("text", "box", "sentence"),
    [
        ("0: #picture", "", "Every term has the weight 0"),
        ("#picture - #picture", "", "cancel each other"),
        ("+ #99999", "", "There is no row 99999"),
        ("+ 99: red", "", "the weight 99 is out of bounds"),
        ("", "nan,0,1,1", "does not lie within the picture"),
        ("", "0.5,0.5,0,0.1", "does not lie within the picture"),
        ("", "0.5,0.5,0.6,0.1", "does not lie within the picture"),
        ("", "half", "is not of the form x,y,width,height"),
    ],
)
def test_what_is_wrong_beside_a_picture_gets_one_sentence(client, picture, text, box, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(image=picture, **WHAT, text=text, box=box, api_name="/search_by_image")


def test_a_filter(client, picture):
    where = "label = 'boat' and caption like '%night%'"
    by_text = client.predict(text="red", **WHAT, where=where, api_name="/search_by_text")
    by_image = client.predict(image=picture, **WHAT, where=where, api_name="/search_by_image")
    classes = client.predict(image=picture, **WHAT, temperature=0.07, where=where, api_name="/classify")
    gallery = page_server.library().gallery("scenes")
    for answer in (by_text, by_image, classes):
        assert {hit["label"] for hit in answer["hits"]} == {"boat"} and len(answer["hits"]) == 4
        assert all("night" in gallery.captions[hit["row"]] for hit in answer["hits"])
    labels = np.array([gallery.label(row) == "boat" for row in range(2000)])
    assert by_text["matching"] == sum(labels & np.array(["night" in caption for caption in gallery.captions]))
    with pytest.raises(AppError, match="at character 1: there is no column"):
        client.predict(text="red", **WHAT, where="labl = 'x'", api_name="/search_by_text")
    with pytest.raises(AppError, match="is nothing that a filter knows"):
        client.predict(text="red", **WHAT, where="1=1; drop table pictures", api_name="/search_by_text")


def test_picture(client, picture):
    answer = client.predict(image=picture, **WHAT, api_name="/search_by_image")
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4]
    assert answer["hits"][0]["row"] == 7
    assert answer["hits"][0]["score"] == pytest.approx(1, abs=1e-3)


def test_classify(client, picture):
    answer = client.predict(image=picture, **WHAT | {"k": 1}, temperature=0.07, api_name="/classify")
    assert answer["guesses"][0]["class_name"] == page_server.library().gallery("scenes").class_name(7)
    assert answer["guesses"][0]["share"] == pytest.approx(1)
    assert answer["hits"][0]["share"] == pytest.approx(1)


def test_an_angle_beyond_which_nothing_counts(client, picture):
    ask = {"image": picture, **WHAT, "temperature": 0.07, "api_name": "/classify"}
    usual = client.predict(**ask)
    assert usual["max_degrees"] == 180 and usual["beyond"] == {"neighbors": 0, "class_names": []}
    least = usual["hits"][0]["degrees"] + 0.01
    answer = client.predict(**ask, max_degrees=least)
    assert answer["beyond"]["neighbors"] == 3 and answer["hits"][0]["share"] == pytest.approx(1)
    assert f"3 of 4 neighbours lie beyond {least:g}°" in answer["notice"]
    for wrong in (0, -5, 180.1):
        with pytest.raises(AppError, match=f"max_degrees = {wrong} is out of bounds: choose above 0 and at most 180"):
            client.predict(**ask, max_degrees=wrong)
    for wrong in (True, "58"):
        with pytest.raises(AppError, match=f"max_degrees = {wrong!r} is not a number"):
            client.predict(**ask, max_degrees=wrong)


def test_latency(client):
    rows = client.predict("scenes", "bundled", ["brute", "flat"], 10, 3, api_name="/compare_latency")
    assert [(row["index"], row["recall"], row["repeats"]) for row in rows] == [("brute", 1, 3), ("flat", 1, 3)]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"gallery": "folder:/etc"}, "There is no gallery 'folder:/etc'"),
        ({"index": "faiss:PQ4x16"}, "There is no index 'faiss:PQ4x16'"),
        ({"encoder": "clip"}, "There is no encoder 'clip'"),
        ({"k": 0}, "k = 0 is out of bounds"),
        ({"k": -1}, "k = -1 is out of bounds"),
        ({"k": 10**9}, "k = 1,000,000,000 is out of bounds"),
        ({"text": ""}, "The text is empty"),
        ({"text": "x" * 10_000}, "10,000 characters"),
        ({"encoder": "resnet18"}, "not built for this gallery"),
    ],
)
def test_what_is_wrong_gets_one_sentence(client, wrong, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"text": "red", **WHAT} | wrong, api_name="/search_by_text")


def test_emoji_are_words_too(client):
    assert len(client.predict(text="🚀", **WHAT, api_name="/search_by_text")["hits"]) == 4


@pytest.mark.parametrize("name", ["words.jpg", "empty.png"])
def test_what_is_no_picture_gets_one_sentence(client, tmp_path, name):
    (tmp_path / name).write_text("" if "empty" in name else "not a picture")
    with pytest.raises(AppError, match=r"picture|empty"):
        client.predict(image=handle_file(str(tmp_path / name)), **WHAT, api_name="/search_by_image")


def test_a_picture_by_address_is_refused_before_it_is_fetched(client):
    with pytest.raises(AppError, match="upload"):
        client.predict(
            image={"path": "http://127.0.0.1:9/x.png", "meta": {"_type": "gradio.FileData"}},
            **WHAT,
            api_name="/search_by_image",
        )


def test_too_many_repeats_are_refused(client):
    with pytest.raises(AppError, match="repeats = 1,000,000 is out of bounds"):
        client.predict("scenes", "bundled", ["flat"], 10, 10**6, api_name="/compare_latency")

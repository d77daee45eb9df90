"""The language of short queries: what is told of other languages, and that English is never suspected."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.vocabulary import VOCABULARY
from searchdemo.encoders import languages
from searchdemo.encoders.languages import NAMES, foreign, language_of
from searchdemo.encoders.table import ENCODERS
from searchdemo.errors import BadQuery
from searchdemo.galleries.class_names import CLASS_NAMES
from searchdemo.galleries.table import open_gallery
from training.queries import QUERIES

# Twenty queries in each of eleven languages, of one to seven words, written for this test.
FOREIGN = [line.split("\t") for line in Path(__file__).with_name("foreign_queries.tsv").read_text().splitlines()]
ENGLISH = """crème brûlée with raspberries; spaghetti carbonara on a plate; Neuschwanstein castle at dusk; a wagyu steak
ratatouille; bruschetta; pierogi; borscht; kindergarten; doppelganger; selfie with friends; a chihuahua in a handbag
Yosemite national park waterfall; fjords of norway; san francisco cable car; los angeles freeway; el capitan; zeitgeist
asdkjhaskjdh; qwerty zxcv; dog.jpg; IMG_2034; blonde hair blue eyed gril; a kebab shop in kreuzberg; tesla cybertruck
louis vuitton bag; chanel perfume bottle; fleur de lis; cul de sac; art nouveau poster; tiramisu; sauerkraut; schnitzel
cinco de mayo; the cirque du soleil show; rottweiler; a bouquet of hydrangeas; tsunami; origami; t-shirt; C++; 16:9 view
grey squirrels; colourful umbrellas; 2001: a space odyssey; hors d'oeuvres; papier mache; pinot noir; gouda and brie"""


def test_no_english_is_suspected():
    texts = [query.text for query in QUERIES] + [*VOCABULARY] + [*open_gallery("scenes").captions]
    texts += [*CLASS_NAMES.values()] + [text for line in ENGLISH.splitlines() for text in line.split("; ")]
    assert {text: found for text in texts if (found := language_of(text))} == {}


def test_other_languages_are_recognised_in_four_of_five_queries_and_not_taken_for_others():
    found = {(code, text): language_of(text) for code, text in FOREIGN}
    assert len(found) == 220
    wrong = {asked: said for asked, said in found.items() if said and asked[0] not in said}
    assert wrong == {}
    hits = {code: sum(bool(said) for (asked, _), said in found.items() if asked == code) for code, _ in FOREIGN}
    assert sum(hits.values()) >= 176 and min(hits.values()) >= 10, hits
    assert min(hits[code] for code in ("ru", "zh", "ja", "ar")) >= 18, hits  # other letters than English


def test_the_sentence_names_the_language_and_who_reads_it(monkeypatch):
    assert foreign("bundled", "een hond op het strand") == (
        "this looks like Dutch, and bundled reads English: siglip2-vit-b32 reads it"
    )
    assert foreign("siglip2-vit-b32", "een hond op het strand") == ""
    assert foreign("bundled", "a dog on the beach") == foreign("resnet18", "собака на пляже") == ""
    assert foreign("nobody", "собака на пляже") == ""
    reader = replace(ENCODERS["clip-rn50"], name="reader", languages=("en", "ru", "uk", "nl"))
    monkeypatch.setitem(ENCODERS, "reader", reader)
    assert foreign("clip-vit-b32", "собака на пляже").endswith("reads English: siglip2-vit-b32 and reader read it")
    assert foreign("reader", "собака на пляже") == ""
    monkeypatch.delitem(ENCODERS, "siglip2-vit-b32")
    assert foreign("reader", "犬と海").endswith(": write it in English and Russian and Ukrainian and Dutch")


def test_answers_and_refusals_of_the_bundled_encoder_tell_it():
    scenes = Library().open("scenes", "bundled")
    found = scenes.search(Query(text="a boat + een hond op het strand"), "flat", 1, pictures=False)
    assert found.notice.startswith("this looks like Dutch, and bundled reads English")
    with pytest.raises(BadQuery, match='does not know "собака": this looks like Russian'):
        scenes.search(Query(text="собака"), "flat", 1)


def test_who_writes_english_loads_no_recogniser():
    code = "import sys; from searchdemo.encoders.languages import language_of; language_of('a dog on a beach'); "
    said = subprocess.run(
        [sys.executable, "-c", f"{code}print('py3langid' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"


def test_without_the_list_of_words_a_clear_text_is_told(monkeypatch):
    monkeypatch.setattr(languages, "_english", lambda: None)
    assert language_of("un chien sur la plage") == ("fr",) and language_of("farfalla") == ()


@pytest.mark.parametrize("name", [name for name, spec in ENCODERS.items() if spec.text])
def test_every_encoder_that_reads_words_says_which_languages(name):
    assert {*ENCODERS[name].languages} <= NAMES.keys() and "en" in ENCODERS[name].languages

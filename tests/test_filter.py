"""Filters: what they find among pictures worked out by hand, and one clear sentence for whatever they cannot be."""

from __future__ import annotations

import re

import pytest

from searchdemo.errors import BadQuery
from searchdemo.exif import Taken
from searchdemo.metadata import database, tokens
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.database import Database, Entry
from searchdemo.metadata.grammar import MAX_DEPTH, parse
from searchdemo.metadata.tokens import MAX_FILTER, BadFilter

DAY_NS = 86_400 * 10**9
PICTURES = [  # row r; row 3 knows nothing of itself
    (
        Entry(0, b"\xab\x01", "dogs/a.jpg", 1000, 20_000 * DAY_NS, "A dog's life"),
        Taken("2019-12-31 23:59:59", "Canon R5"),
    ),
    (
        Entry(1, b"\xab\x02", "cats/ÉTÉ.jpg", 2000, 20_100 * DAY_NS, "100% cat"),
        Taken("2020-05-01 12:30:00", "Nikon Z6"),
    ),
    (Entry(2, b"\xab\x03", "b.png", 3000, 20_200 * DAY_NS), Taken("2021-01-01 00:00:00", "canon m50", 52.5, -13.4)),
    (Entry(3), Taken()),
    (Entry(4, b"\xab\x05", "v.mp4", 5000, 20_300 * DAY_NS, None, "v.mp4", 12.5), Taken()),
]
CLASSES = [("n01", "dog"), ("n02", "cat"), ("n03", "Straße")]
LABELS = {0: (0,), 1: (1, 2), 2: (0, 1)}


@pytest.fixture(scope="module")
def pictures() -> Database:
    held = Database(None)
    held.write("one", (entry for entry, _ in PICTURES), CLASSES, LABELS, True)
    held.looked((entry.row, entry.key, taken) for entry, taken in PICTURES)
    return held


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("label = 'dog'", [0, 2]),
        ('LABEL == "Dog"', [0, 2]),
        ("label = 'n02'", [1, 2]),
        ("label = 'STRASSE'", [1]),
        ("label != 'dog'", [1, 3, 4]),  # none of its labels is
        ("label <> 'dog' and label is not null", [1]),
        ("label in ('dog', 'Straße')", [0, 1, 2]),
        ("label not in ('dog', 'straße')", [3, 4]),
        ("label = 'dog' and label = 'cat'", [2]),
        ("label is null", [3, 4]),
        ("label like 'd%'", [0, 2]),
        ("label not like '_at'", [0, 3, 4]),
        ("year >= 2020", [1, 2]),
        ("year != 2020", [0, 2]),  # a picture without a date meets no comparison
        ("not year = 2020", [0, 2]),
        ("year is null", [3, 4]),
        ("year is not null", [0, 1, 2]),
        ("year between 2019 and 2020 and month >= 5", [0, 1]),
        ("year in (2019, 2021)", [0, 2]),
        ("year not between 2020 and 2030", [0]),
        ("date >= '2020'", [1, 2]),
        ("date > '2020'", [2]),  # after that whole year
        ("date <= '2020-05'", [0, 1]),
        ("date = '2020-05-01'", [1]),
        ("date = '2020-05-01T12:30'", [1]),
        ("date < '2020-05-01 12:30:00'", [0]),
        ("date in ('2019', '2021-01')", [0, 2]),
        ("date between '2019-12-31' and '2020-12'", [0, 1]),
        ("date like '%-01 00:%'", [2]),
        ("modified >= '2025'", [1, 2, 4]),
        ("camera like '%canon%'", [0, 2]),
        ("camera = 'nikon z6'", [1]),
        ("latitude > 50 and longitude < 0", [2]),
        ("latitude > -1e3", [2]),
        ("caption = 'a dog''s life'", [0]),
        ('caption = "A dog\'s life"', [0]),
        ("caption like '100\x25 %'", [1]),
        ("file = 'cats/e\u0301te\u0301.jpg'", [1]),  # decomposed and in lower case
        ("file like 'dogs/%' or file like '%.png'", [0, 2]),
        ("size < 2000 or size > +3000.5", [0, 4]),
        ("row in (0, 3, 99)", [0, 3]),
        ("row = 9223372036854775807 or row = -9223372036854775808", []),
        ("video = 'v.mp4' and seconds between 12 and 13", [4]),
        ("hash = 'AB03'", [2]),
        ("hash is null", [3]),
        ("hash is not null", [0, 1, 2, 4]),
        ("hash != 'ab03'", [0, 1, 4]),
        ("(label = 'dog' or label = 'cat') and not (year = 2021)", [0, 1]),
        ("label = 'dog' or label = 'cat' and year = 2020", [0, 1, 2]),  # and binds tighter
        ("not not year = 2020", [1]),
        ("caption = '''; DROP TABLE pictures; --'", []),
    ],
)
def test_what_a_filter_finds(pictures, text, rows):
    assert pictures.rows(parse(text)).tolist() == rows


def test_every_column_can_be_asked_for(pictures):
    for column in COLUMNS:
        both = f"{column} is null or {column} is not null"
        assert pictures.rows(parse(both)).tolist() == [0, 1, 2, 3, 4]


def deep(opening: str, closing: str, times: int) -> str:
    return f"{opening * times}row = 1{closing * times}"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("x = 1", 1, "there is no column 'x'; the columns are label, caption, file"),
        ("labl = 'dog'", 1, "there is no column 'labl'; did you mean 'label'? The columns are label, caption, file"),
        ("row = 1 and colour = 2", 13, "there is no column 'colour'; the columns are"),
        ("1=1; drop table", 4, "'; drop table' is nothing that a filter knows"),
        ("1=1", 1, "a column is missing, '1' stands there; the columns are"),
        ("row = 1; drop table pictures", 8, "'; drop table picture...' is nothing"),
        ("row = 1 -- and more", 9, "'-- and more' is nothing"),
        ("row = 1 row = 2", 9, "'row' stands after a whole condition"),
        ("", 1, "a column is missing, the end stands there"),
        ("label", 6, "a comparison is missing after label, the end stands there"),
        ("label inn ('dog')", 7, "a comparison is missing after label, 'inn' stands there"),
        ("label in 'dog'", 10, "'(' is missing after 'in'; 'dog' stands there"),
        ("label in ()", 11, "a value for label is missing, ')' stands there"),
        ("label in ('dog' 'cat')", 17, "')' is missing after the values of 'in'; 'cat' stands there"),
        ("label = dog", 9, "a value for label is missing, 'dog' stands there; texts stand in quotes"),
        ("label = 5", 9, "label is a text; write '5' in quotes, as '5'"),
        ("label < 'dog'", 7, "a label has no order"),
        ("label between 'a' and 'b'", 7, "a label has no order"),
        ("year = '2020'", 8, "year is a number, and '2020' is none"),
        ("year like '20%'", 6, "year is a number, and 'like' is for texts"),
        ("caption like 5", 14, "'like' takes a text in quotes"),
        ("date > 'yesterday'", 8, "date is a date, and 'yesterday' is none; write '2020', '2020-05'"),
        ("date > 2020-05-01", 8, "date is a date, and '2020' is none"),
        ("date = '٢٠٢٠'", 8, "is none"),
        ("date >= '2020-13'", 9, "is none"),
        ("date = '2021-02-29 10:00'", 8, "is none"),
        ("date = 2020", 8, "'2020-05-31 12:30', in quotes"),
        ("year between 1 or 2", 16, "'and' is missing after the first value of 'between'"),
        ("label is 'dog'", 10, "'null' is missing after 'label is'"),
        ("(row = 1", 9, "')' is missing after the condition in brackets; the end stands there"),
        ("row = 1)", 8, "')' stands after a whole condition"),
        ("label = 'dog", 9, "the text that begins with \"'dog\" has no end; close it with '"),
        ("label = ‘dog’", 9, "‘ is no quote that a filter knows; write 'dog'"),
        ("label = 'a\0b'", 11, r"'\x00' is no character of a text"),
        ("label = '\ud800'", 10, "is no character of a text"),
        ("row\0 = 1", 4, r"'\x00 = 1' is nothing"),
        ("row = 9223372036854775808", 7, "'9223372036854775808' does not fit into 64 bits"),
        (f"row = {'9' * 3000}", 7, "'99999999999999999999...' does not fit into 64 bits"),
        ("latitude > 1e999", 12, "'1e999' is too large for a number"),
        ("row = 0x10", 7, "is nothing that a filter knows"),
        ("row = 1_000", 7, "is nothing that a filter knows"),
        ("row = ٣", 7, "is nothing that a filter knows"),
        ("row = 🐕", 7, "'🐕' is nothing that a filter knows"),
        ("row = nan", 7, "a value for row is missing, 'nan' stands there"),
        (deep("(", ")", MAX_DEPTH + 1), MAX_DEPTH + 2, f"brackets and nots are deeper than {MAX_DEPTH} here"),
        (deep("not ", "", 900), 4 * (MAX_DEPTH + 1) + 1, "deeper than"),
        (deep("(", "", 3000), MAX_DEPTH + 2, "deeper than"),
        ("x" * 10**6, MAX_FILTER + 1, "it has 1,000,000 characters, and 4,000 are allowed"),
        (7, 1, "it is of the type int and no text"),
        (None, 1, "it is of the type NoneType and no text"),
    ],
)
def test_what_no_filter_is_says_the_place_and_the_fix(text, place, said):
    with pytest.raises(BadFilter) as caught:
        parse(text)
    sentence = str(caught.value)
    assert caught.value.place == place and f"at character {place}: " in sentence
    assert said in sentence and len(sentence) < 400 and "\n" not in sentence and sentence.endswith(".")


def test_the_longest_and_the_deepest_filters_that_are_allowed_are_answered(pictures):
    assert pictures.rows(parse(deep("(", ")", MAX_DEPTH))).tolist() == [1]
    assert pictures.rows(parse(deep("not ", "", MAX_DEPTH))).tolist() == [1]
    many = " or ".join(f"row={number % 10}" for number in range(390))
    assert len(many) <= MAX_FILTER and pictures.rows(parse(many)).tolist() == [0, 1, 2, 3, 4]
    values = ",".join(str(number % 10) for number in range(1900))
    assert pictures.rows(parse(f"row in ({values})")).tolist() == [0, 1, 2, 3, 4]
    names = " and ".join(["label='dog'"] * 230)
    assert pictures.rows(parse(names)).tolist() == [0, 2]
    alternating = "row=0 " + " ".join(f"{'and' if n % 2 else 'or'} row={n % 5}" for n in range(350))
    assert len(pictures.rows(parse(alternating))) <= 5


def test_no_text_of_a_visitor_is_sql():
    from searchdemo.metadata.sql import where

    sql, values = where(parse("caption = 'secret' or label like 'sec%' or date = '2020' or row in (7, 8)"))
    assert not re.search(r"secret|sec%|2020|7|8", sql)
    assert values == ["secret", "sec%", "sec%", "2020", 7, 8]


def test_a_filter_that_takes_too_long_is_ended(pictures, monkeypatch):
    monkeypatch.setattr(database, "SEARCH_S", -1.0)
    monkeypatch.setattr(database, "STEPS", 1)
    with pytest.raises(BadQuery, match="took longer than"):
        pictures.rows(parse("caption like '%a%b%c%' or label = 'dog'"))
    monkeypatch.undo()
    assert pictures.rows(parse("row = 1")).tolist() == [1]


def test_the_example_in_errors_is_a_filter(pictures):
    assert pictures.rows(parse(tokens.EXAMPLE)).tolist() == [1, 2]

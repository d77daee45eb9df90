"""The query syntax: what is a term, what stays plain text, and what a sum of terms finds, worked out by hand."""

from __future__ import annotations

import itertools
import re
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from searchdemo.collection.box import Box, box_of
from searchdemo.collection.embedded import embed
from searchdemo.collection.query import Query
from searchdemo.collection.terms import ROW, TEXT, Term, hint, parse, written
from searchdemo.errors import BadQuery
from tests.conftest import png, unit

WHERE = ("colours", "mean-colour")


def read(text: str) -> list[tuple[float, str]]:
    return [(term.weight, str(term)) for term in parse(text)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a beach + sunset - people", [(1, "a beach"), (1, "sunset"), (-1, "people")]),
        ("2: dog", [(2, "dog")]),
        ("  2:  dog   +\t.5: cat ", [(2, "dog"), (0.5, "cat")]),
        ("- 1.5: dog + -2: cat", [(-1.5, "dog"), (-2, "cat")]),
        ("dog - -2: cat", [(1, "dog"), (2, "cat")]),
        ("+ sunset", [(1, "sunset")]),
        ("a \u2212 b \uff0b c", [(1, "a"), (-1, "b"), (1, "c")]),
        ("#12 - #held-out-3 + 0: #4", [(1, "#12"), (-1, "#held-out-3"), (0, "#4")]),
        ('"rock - paper" + 2: “a + b”', [(1, '"rock - paper"'), (2, '"a + b"')]),
        ('"#12"', [(1, '"#12"')]),
        ("«rock - paper» + 2: ‚a + b‘", [(1, '"rock - paper"'), (2, '"a + b"')]),
        ("»a - b« - ‹c + d›", [(1, '"a - b"'), (-1, '"c + d"')]),
        ("‘it’s - now’ + 'it's - then'", [(1, '"it’s - now"'), (1, '"it\'s - then"')]),
        ("'90s cars - the drivers'", [(1, "'90s cars"), (-1, "the drivers'")]),
        ('«say "a - b"»', [(1, '«say "a - b"»')]),
        ('"«dog»"', [(1, '"«dog»"')]),
        ("rock - paper", [(1, "rock"), (-1, "paper")]),
        ("0.00001: dog - .30000000000000004: cat", [(0.00001, "dog"), (-0.30000000000000004, "cat")]),
    ],
)
def test_terms(text, terms):
    assert read(text) == terms
    assert read(written(parse(text))) == terms


@pytest.mark.parametrize(
    "text",
    [
        "t-shirt",
        "C++",
        "ratio 3:2",
        "a well-known 2:1 view",
        "16:9 wallpaper",
        "10:30 on a clock",
        "2001: a space odyssey",
        "2:dog",
        "nan: dog",
        "1e3: dog",
        "rock-paper-scissors",
        "Paris – the city of light",
        "A+ grade",
        "+1 dog",
        "-2 degrees",
        "R&B +x",
        "#1 dad",
        "room #12",
        'the "best" dog',
        "dog's +/- sign",
        "4-4-2: a formation",
        "e-mail: how to",
        "x -y",
        "black-and-white",
        "re: invoice",
        "3:2 photo",
        "it\u2019s 5 o\u2019clock",
    ],
)
def test_what_stays_plain_text(text):
    assert read(text) == [(1, text)]
    assert parse(text)[0].value == text


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a beach +", 10, "there is no term after '+'"),
        ("a + - b", 5, "there is no term after '+'"),
        ("-", 2, "there is no term after '-'"),
        ("dog + 2: ", 10, "there is no term after the weight 2"),
        ("dog + 11: cat", 7, "the weight 11 is out of bounds"),
        ("dog + 2: + cat", 10, "there is no term after the weight 2"),
        ('dog - ""', 7, "there is nothing between the quotes"),
        ("#" + "9" * 13, 1, "there is no picture"),
        (" + ".join("abcdefghijklmnopq"), 65, "it is term 17, and 16 are allowed"),
    ],
)
def test_errors_name_the_place(text, place, reason):
    with pytest.raises(BadQuery, match=re.escape(f"at character {place}: {reason}")):
        parse(text)


def test_what_nobody_can_write_is_a_blank_or_a_mark():
    assert parse("dog\0cat\x07 + \ud800bed") == (Term(TEXT, "dog cat"), Term(TEXT, "\ufffdbed", 1.0, 12))
    for nothing in ("\0\x07", "\u200b \ufeff"):
        with pytest.raises(BadQuery, match="text is empty"):
            parse(nothing)


def test_what_nobody_sees_changes_nothing():
    assert parse("\ufeff2: straw\xadberry +\u200b cat \u200e- \u202e“dog”") == parse("2: strawberry + cat - “dog”")
    assert parse("\u0645\u06cc\u200c\u0631\u0648\u062f")[0].value == "\u0645\u06cc\u200c\u0631\u0648\u062f"  # a joiner


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001, 7])
def test_what_is_no_text(text):
    with pytest.raises(BadQuery):
        parse(text)


def search(world, query: Query, k: int = 6, **options):
    return world.ready().open(*WHERE).search(query, "flat", k, **options)


def test_a_sum_by_hand(world):
    gallery = world.gallery.pictures.rows_of().astype(np.float64)
    red, blue = np.eye(8)[0], np.eye(8)[2]
    terms = [(2.0, red), (-0.5, blue), (1.0, gallery[7])]
    total = sum(weight * row for weight, row in terms)
    length = np.linalg.norm(total)
    result = search(world, Query(text="2: red - 0.5: blue + #7"))
    cosines = gallery @ total / length
    best = [row for row in np.argsort(-cosines) if row != 7][:6]
    assert [hit.row for hit in result.hits] == best
    assert result.terms == (("red", 2), ("blue", -0.5), ("#7", 1))
    for hit in result.hits:
        by_hand = [weight * (row @ gallery[hit.row]) / length for weight, row in terms]
        assert hit.shares == pytest.approx(by_hand, abs=1e-3)  # stored as half floats
        assert sum(hit.shares) == pytest.approx(hit.score, abs=1e-6)


def test_the_order_of_terms_does_not_matter(world):
    collection = world.ready().open(*WHERE)
    terms = ["0.3: red", "- 0.7: blue", "1.9: #7", "0.1: #held-out-2", "1.1: #picture"]
    seen = set()
    for order in itertools.permutations(terms):
        text = " ".join(term if term.startswith("-") else f"+ {term}" for term in order)
        seen.add(collection.embed(Query(picture=png((9, 200, 40)), text=text)).vector.tobytes())
    assert len(seen) == 1


def test_a_weight_of_0_is_as_good_as_absent(world):
    collection = world.ready().open(*WHERE)

    def answer(text, **more):
        content = collection.search(Query(text=text, **more), "flat", 5).to_json()
        return content | {"timing": None}

    assert answer("red - 0.5: blue + 0: no colour at all - 0: #7") == answer("red - 0.5: blue")
    assert answer("2: red") == answer("red") == answer("red + 0: blue")
    assert answer("red + 0: #picture", row=7) == answer("red")
    assert answer("red + red") | {"hits": 0} != answer("red") | {"hits": 0}
    assert [hit["row"] for hit in answer("red + red")["hits"]] == [hit["row"] for hit in answer("red")["hits"]]


def test_only_the_ratio_of_weights_counts(world):
    collection = world.ready().open(*WHERE)
    rows = {
        collection.embed(Query(text=f"{weight}: red - {weight}: blue")).vector.tobytes()
        for weight in ("1", "3", "0.1", f"0.{'0' * 200}1", f"0.{'0' * 320}1")
    }
    assert len(rows) == 1


def test_a_picture_and_words(world):
    collection = world.ready().open(*WHERE)
    given = Query(picture=png((255, 0, 0)), text="+ 3: blue")
    assert [(str(term), term.weight) for term in given.terms] == [("#picture", 1), ("blue", 3)]
    assert collection.embed(given).vector[0] == pytest.approx(unit(np.array([1, 0, 3, 0, 0, 0, 0, 0.0])), abs=1e-6)
    again = Query(picture=png((255, 0, 0)), text="3: blue + #picture")
    assert (collection.embed(again).vector == collection.embed(given).vector).all()
    rows = [hit.row for hit in search(world, Query(row=7, text="- 0.1: red")).hits]
    assert 7 not in rows


BOTH = Image.new("RGB", (8, 4), (255, 0, 0))  # red on the left, blue on the right
BOTH.paste((0, 0, 255), (4, 0, 8, 4))


@pytest.mark.parametrize(
    "given",
    [
        {"picture": BOTH, "text": "2: #picture + 0.7: blue - 1.3: #7"},
        {"picture": BOTH, "box": Box(0.5, 0, 0.5, 1), "text": "- red + #held-out-2"},
        {"row": 7, "text": "0.5: red + #picture - #9 - #9"},
        {"row": 7, "box": Box(0, 0, 0.5, 0.5), "text": "#picture + 0.25: #12"},
        {"held_out": 3, "text": "red + red - 0.1: #picture"},
    ],
)
def test_pictures_rows_and_boxes_are_terms_as_words_are(world, given):
    """Their order does not matter, a weight of 0 is as good as absence, and the shares sum to the score."""
    collection = world.ready().open(*WHERE)
    query = Query(**given)
    result = collection.search(query, "flat", 6, where="label != 'n1'")
    assert result.hits and len(result.terms) == len(query.terms) > 1
    for hit in result.hits:
        assert len(hit.shares) == len(result.terms)
        assert sum(hit.shares) == pytest.approx(hit.score, abs=1e-6)
    text = given["text"] if "#picture" in given["text"] else f"#picture {given['text']}"
    turned = written(reversed(parse(text)))
    same = collection.embed(Query(**given | {"text": turned})).vector
    assert same.tobytes() == collection.embed(query).vector.tobytes()
    silent = collection.search(
        Query(**given | {"text": f"{text} + 0: blue - 0: #11"}), "flat", 6, where="label != 'n1'"
    )
    assert silent.to_json() | {"timing": 0} == result.to_json() | {"timing": 0}


def test_a_part_of_a_turned_picture_is_of_the_picture_as_it_is_seen(world):
    exif, file = Image.Exif(), BytesIO()
    exif[0x0112] = 6  # its left is the top of what is seen
    BOTH.save(file, "PNG", exif=exif)
    collection = world.ready().open(*WHERE)
    for part, seen in (((0, 0, 1, 0.5), 0), ((0, 0.5, 1, 0.5), 2)):
        embedded = collection.embed(Query(picture=file.getvalue(), box=Box(*part)))
        assert embedded.vector[0] == pytest.approx(np.eye(8)[seen])


def test_a_box_of_a_picture(world):
    both = BOTH
    collection = world.ready().open(*WHERE)
    right = collection.embed(Query(picture=both, box=Box(0.5, 0, 0.5, 1))).vector[0]
    assert right == pytest.approx(np.eye(8)[2])
    stored = search(world, Query(row=7, box=box_of("0,0,0.5,0.5")))
    assert 7 not in [hit.row for hit in stored.hits]
    assert box_of(" ") is None
    assert Box(0.9999, 0.9999, 0.0001, 0.0001).crop(both).size == (1, 1)
    for wrong in ("1,2,3", "a,b,c,d", "0.5,0,0.6,1", "0,0,0,1", "nan,0,1,1", "-0.1,0,0.5,0.5"):
        with pytest.raises(BadQuery, match="box"):
            box_of(wrong)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (Query(text="0: red - 0: blue"), "Every term has the weight 0"),
        (Query(text="red - red"), "cancel each other"),
        (Query(text="#7 - #7"), "cancel each other"),
        (Query(text="red + #picture"), "at character 7: #picture stands for a picture"),
        (Query(text="red + #300"), "no row 300"),
        (Query(text="red + #held-out-30"), "no held-out query 30"),
    ],
)
def test_what_cannot_be_searched_with(world, query, reason):
    with pytest.raises(BadQuery, match=reason):
        search(world, query)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("red -blue", '"-blue" is plain text; what is taken away stands after a minus with blanks: "- blue"'),
        ("lime + \u2212red", '"\u2212red" is plain text; *"\u2212 red"'),
        ("no car", '"no car" is plain text; *"a street - car"'),
        ("a beach AND NOT cars", '"AND NOT cars" is plain text; *"a street - cars"'),
        ("a street without cars + dog", '"without cars" is plain text; *"a street - cars"'),
        ("a beach – people", '"– people" is plain text; *"a street - people"'),
        ("dog AND cat", '"AND cat" is plain text; *"a beach + cat"'),
        ("2,5: dog", '"2,5: dog" is plain text; a weight is written "2.5: dog"'),
        ("cat + 2:dog", '"2:dog" is plain text; a weight is written "2: dog"'),
        ("2：dog", '"2：dog" is plain text; a weight is written "2: dog"'),
        ("２: dog", '"２: dog" is plain text; a weight is written "2: dog"'),
        ("1: 2: dog", '"2: dog" is plain text; what stands before it is its weight, and a term has one'),
        ("a beach +sunset", '"beach +sunset" is plain text; *"beach + sunset"'),
        ("beach+sunset at sea", '"beach+sunset at sea" is plain text; *"beach + sunset at sea"'),
        *((text, "") for text in ("C++", "C++ code", "A+ grade", "R&B +x", "a+b", "+1 dog")),
        ("2 : dog", '"2 : dog" is plain text; a weight is written "2: dog"'),
        ("(red dog:1.3)", '"(red dog:1.3)" is plain text; a weight is written "1.3: red dog"'),
        ("dog::2", '"dog::2" is plain text; a weight is written "2: dog"'),
        ("dog^1,5", '"dog^1,5" is plain text; a weight is written "1.5: dog"'),
        *((f"{text}", "") for text in ('"red -blue"', "«no car»", "red-blue", "red -5", "red - lime", "nothing")),
        *((f"{text}", "") for text in ("a t-shirt", "time: 12:30", "x-ray", "state-of-the-art", "ratio 3:2", "16:9")),
        *((f"{text}", "") for text in ("scene 5", "size:12", "2.5: dog", "salt and pepper", "2001: a space odyssey")),
    ],
)
def test_what_is_plain_text_and_may_be_meant_otherwise_is_told(text, said):
    reader = SimpleNamespace(
        name="any",
        encode_texts=lambda texts: np.eye(2, dtype=np.float32)[[len(texts[0]) % 2]],
        text_notice=lambda text: "",
    )
    notice = embed(Query(text=text), lambda: reader).notice
    begins, _, ends = said.partition("*")
    assert notice.startswith(begins) and notice.endswith(ends) if said else not notice


def test_a_hint_repeats_a_part_of_a_long_text():
    (term,) = parse("without " + "cars and " * 100)
    assert len(hint(term)) < 250


@pytest.mark.parametrize("number", [True, 1.5, "3", float("nan")])
def test_a_row_is_a_whole_number(number):
    for name in ("row", "held_out"):
        with pytest.raises(BadQuery, match=f"{name} = .* is not a whole number"):
            Query(**{name: number})
    assert Query(row=np.int64(3)).terms == (Term(ROW, 3),)


def test_a_prompt_has_a_place_for_the_words():
    for prompt in ("a photo", ""):
        with pytest.raises(BadQuery, match=r"has no \{\} for the words"):
            Query(text="red", prompt=prompt)


def test_a_filter_that_only_the_query_meets(world):
    assert search(world, Query(row=3), where="row = 3").notice == "no other picture meets the filter"
    assert search(world, Query(row=3), where="row < 0").notice == "no picture meets the filter"


def test_a_box_needs_a_picture():
    with pytest.raises(BadQuery, match="box is a part of a picture"):
        Query(text="red", box=Box(0, 0, 1, 1))


def test_a_filter_and_only_less(world):
    result = search(world, Query(text="- red"), where="label = 'n2'")
    assert {hit.label for hit in result.hits} == {"n2"} and not result.terms
    assert "least like it" in result.notice
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)

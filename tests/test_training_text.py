"""The text stage in small: classes found in a tiny WordNet, what is written about them, and the head that learns it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from searchdemo.encoders.bundled_text import head_rows, unit
from searchdemo.galleries.drawing.scene import sample
from training import imagenet, photographs, sentence_model, text_data, text_tower
from training.imagenet import ImagenetClass
from training.scene_data import ATTRIBUTES, codes
from training.text_data import Subject
from training.text_tower import Captions, PictureRows, Pool, TextRecipe

NOUNS = {
    "dog": {"names": ["dog", "domestic dog"], "gloss": "a loyal animal", "hypernyms": ["animal"]},
    "poodle": {"names": ["poodle"], "gloss": "an intelligent dog with curly hair", "hypernyms": ["dog"]},
    "pug": {
        "names": ["pug", "pug-dog"],
        "gloss": "a small dog with a flat face; once from China",
        "hypernyms": ["dog"],
    },
    "beagle": {"names": ["beagle"], "gloss": "a small hound", "hypernyms": ["dog"]},
    "cat": {"names": ["cat", "puss", "Felis catus"], "gloss": "a soft puss that purrs", "hypernyms": ["animal"]},
    "animal": {"names": ["animal"], "gloss": "a living thing that moves", "hypernyms": []},
    "stone": {"names": ["stone"], "gloss": "a piece of rock", "hypernyms": []},
}
for _noun in NOUNS.values():
    _noun["lexfile"] = "noun.animal"


def known(synset: str, *names: str, held_out: str = "") -> ImagenetClass:
    return ImagenetClass("n" + synset, synset, names, (NOUNS[synset]["gloss"],), held_out)


CLASSES = [known("poodle", "poodle"), known("pug", "pug", held_out="pug-dog"), known("cat", "cat", held_out="puss")]


def test_a_noun_is_answered_by_the_classes_below_it_or_below_its_nearest_kind():
    answers = text_data.class_answers(NOUNS, ["poodle", "pug", "cat"])
    assert answers == {
        "animal": (0, 1, 2),
        "dog": (0, 1),
        "poodle": (0,),
        "pug": (1,),
        "beagle": (0, 1),
        "cat": (2,),
    }


@pytest.mark.parametrize(
    ("names", "gloss", "best"),
    [
        (["crane"], "large long-necked wading bird of marshes", "bird"),
        (["crane"], "lifts and moves heavy objects", "machine"),
        (["Maillot"], "a woman's one-piece bathing suit", "suit"),
        (["unheard of"], "a bird", None),
    ],
)
def test_a_class_is_found_by_its_names_and_its_definition(names, gloss, best):
    nouns = {
        "bird": {"names": ["crane"], "gloss": "large long-necked wading bird of marshes and plains"},
        "machine": {"names": ["crane"], "gloss": "lifts and moves heavy objects; lifting tackle"},
        "suit": {"names": ["maillot", "tank suit"], "gloss": "a woman's one-piece bathing suit"},
        "tights": {"names": ["maillot"], "gloss": "tights for dancers or gymnasts"},
    }
    by_name = {"crane": ["bird", "machine"], "maillot": ["suit", "tights"]}
    assert imagenet.best_noun(names, gloss, by_name, nouns) == best


def test_one_english_name_of_a_class_is_held_out_and_never_written():
    english, ambiguous = {"cat", "dog", "puss", "husky"}, {"tom"}
    names = ["cat", "Cat", "Felis catus", "tom", "puss", "cats"]
    left, _, test = imagenet.held_out(names, ("a soft puss that purrs", "a pet"), english, ambiguous)
    assert test in ("puss", "cats") and left == tuple(
        n for n in ("cat", "Felis catus", "tom", "puss", "cats") if n != test
    )
    assert imagenet.held_out(names, ("a soft puss", "a pet"), english, {"tom", "cats"})[1:] == (("a pet",), "puss")
    assert imagenet.held_out(["cat", "Felis catus"], ("a pet",), english, set())[2] == ""
    assert imagenet.is_latin("Felis catus", english) and not imagenet.is_latin("Siberian husky", english)
    found = text_data.subjects(NOUNS, CLASSES)
    assert not [text for subject in found[:3] for text in subject.texts if "puss" in text or "pug-dog" in text.lower()]


def test_subjects_are_classes_then_kinds_then_other_nouns():
    found = text_data.subjects(NOUNS, CLASSES)
    assert [(subject.kind, subject.answers) for subject in found if subject.kind != "drawn"] == [
        ("class", (0,)),
        ("class", (1,)),
        ("class", (2,)),
        ("kind", (0, 1, 2)),
        ("kind", (0, 1)),
        ("noun", (0, 1)),
    ]
    assert {"pug", "a photo of a pug.", "pug, a kind of dog", "once from China"} <= set(found[1].texts)
    assert {"dog", "domestic dog", "a loyal animal"} <= set(found[4].texts)
    assert found[5].groups == (("beagle",), ("a small hound",))
    assert [group[0] for group in found[4].groups] == ["dog", "domestic dog", "a loyal animal"]
    (cat,) = found[6:]  # the only thing of this WordNet that scenes show
    assert (cat.kind, cat.answers) == ("drawn", (2,)) and {"a cat", "a red cat"} <= set(cat.texts)


def test_captions_say_what_is_true_of_their_scene():
    scenes = sample(5, 60)
    texts, said = text_data.captions(scenes, rounds=2)
    numbers, _ = codes(scenes)
    assert len(texts) == len(said) == 120
    assert ((said < 0) | (said == np.tile(numbers, (2, 1)))).all()
    assert (said[:, ATTRIBUTES.index("thing")] >= 0).mean() > 0.8


class Counting:
    """Reads no words, and remembers how many texts it was asked for."""

    def __init__(self):
        self.reader, self.asked = self, 0

    def read(self, text: str) -> str:
        return text

    def features(self, readings: list[str]) -> np.ndarray:
        self.asked += len(readings)
        return np.array([[len(text), 1] for text in readings], np.float32)


def test_a_model_embeds_a_text_once(tmp_path):
    said: list[str] = []
    for digest, wanted in (("one", 2), ("one", 0), ("other", 2)):  # the second run reads the file of the first
        model = Counting()
        embedded = text_data.Embedded(model, digest, tmp_path / "teacher.npz", said.append)
        assert embedded.rows(["ab", "abc", "ab"]).tolist() == [[2, 1], [3, 1], [2, 1]]
        assert embedded.rows(["abc"]).tolist() == [[3, 1]]
        assert model.asked == wanted
    assert ["another sentence model" in line for line in said] == [False, True, False]


def test_pieces_and_words_that_are_kept():
    vocabulary = {
        "the": 5,
        "[CLS]": 1,
        "[PAD]": 0,
        "[SEP]": 2,
        "##s": 4,
        ",": 3,
        "猫": 6,
        "[unused1]": 7,
        "dog": 8,
        "é": 9,
    }
    pieces = sentence_model.english_pieces(vocabulary)
    assert pieces == ["[CLS]", "[SEP]", ",", "##s", "the", "dog"]
    assert sentence_model.known_words(["The tarantula, 5 dogs", "b2b café"], pieces) == [
        "b2b",
        "cafe",
        "dogs",
        "tarantula",
    ]


def test_losses_by_hand():
    scores = torch.log(torch.tensor([[1.0, 1.0, 2.0], [3.0, 1.0, 1.0]]))
    true = torch.tensor([[False, False, True], [False, False, False]])  # the second row has none and does not count
    assert float(text_tower.matching_loss(scores, true)) == pytest.approx(-np.log(0.5))
    both = torch.tensor([[True, True, False]])
    assert float(text_tower.matching_loss(scores[:1], both)) == pytest.approx(-np.log(0.25))
    assert float(text_tower.answered_loss(scores[:1], both)) == pytest.approx(-np.log(0.5))


def small_world() -> tuple[dict[str, Pool], Captions, PictureRows]:
    """Four classes at right angles, texts near each, pictures near their class, and scenes on axes of their own."""
    rng = np.random.default_rng(0)
    prototypes = np.eye(16, dtype=np.float32)[:4]
    rows_of = {f"{row} {way}": np.eye(12)[row] + rng.normal(size=12, scale=0.1) for row in range(4) for way in "abcdef"}
    rows_of |= {"both": np.eye(12)[0] + np.eye(12)[1], "noun": np.eye(12)[9]}

    def embedded(texts) -> np.ndarray:
        return unit(np.array([rows_of[text] for text in texts])).astype(np.float32)

    subjects = [Subject((tuple(f"{row} {way}" for way in "abcdef"),), (row,)) for row in range(4)]
    pools = {
        "class": Pool(subjects, embedded, 4),
        "kind": Pool([Subject((("both",),), (0, 1), "kind")], embedded, 4),
        "noun": Pool([Subject((("noun",),), (2, 3), "noun")], embedded, 4),
    }
    labels = np.arange(40) % 4
    rows = unit(prototypes[labels] + rng.normal(size=(40, 16), scale=0.02)).astype(np.float32)
    scene_codes = np.arange(2, dtype=np.int16)[:, None].repeat(len(ATTRIBUTES), 1)
    scene_rows = np.eye(16, dtype=np.float32)[8:10]
    captions = Captions(np.eye(12, dtype=np.float32)[6:8], scene_codes)
    return pools, captions, PictureRows(prototypes, rows, labels, scene_rows, scene_codes)


def test_the_head_begins_with_the_likeness_to_classes_and_kinds():
    pools, captions, pictures = small_world()
    keys, vectors, told = text_tower.known_things(pools, pictures.prototypes, most=2)
    assert told.tolist() == [True, True, True, True, False]  # each class has one group of texts, the last
    assert keys.shape == (5, 12)
    assert vectors.tolist() == [*np.eye(16)[:4].tolist(), (np.eye(16)[0] + np.eye(16)[1]).tolist()]
    assert len(text_tower.known_things(pools, pictures.prototypes, most=1)[0]) == 4
    head = text_tower.initial_head(keys, vectors, told, captions.features, TextRecipe(hidden=4))
    with torch.inference_mode():
        rows = head(torch.from_numpy(unit(keys).astype(np.float32))).numpy()
    assert (rows * unit(vectors)).sum(1).min() > 0.99


def test_the_head_learns_classes_kinds_and_scenes_and_numpy_reads_it():
    pools, captions, pictures = small_world()
    recipe = TextRecipe(steps=60, batch_size=16, hidden=8, scenes=8, scene_keys=2, lr=1e-2, noise=0.1)
    head = text_tower.train(pools, captions, pictures, recipe, 0, lambda line: None)
    weights = {name: value.detach().numpy() for name, value in head.state_dict().items()}
    texts = np.concatenate([pools["class"].means(), pools["kind"].means(), captions.features]).astype(np.float32)
    rows = head_rows(texts, weights)
    with torch.inference_mode():
        assert rows == pytest.approx(head(torch.from_numpy(texts)).numpy(), abs=1e-5)
    assert (rows[:4] @ pictures.prototypes.T).argmax(1).tolist() == [0, 1, 2, 3]
    assert set(np.argsort(-(rows[4] @ pictures.prototypes.T))[:2].tolist()) == {0, 1}
    assert (rows[5:] @ pictures.scene_rows.T).argmax(1).tolist() == [0, 1]


@pytest.mark.skipif(
    not all(map(find_spec, ("skimage", "sklearn"))), reason="they carry the photographs: training/requirements.txt"
)
def test_photographs_are_there_and_each_text_finds_its_own():
    pictures = photographs.photographs()
    assert len(pictures) == len(photographs.TEXTS) == 18

    class Numbers:
        """Pictures by their place; texts by theirs, but for one."""

        def encode_images(self, images):
            return np.eye(18)[: len(images)]

        def encode_texts(self, texts):
            places = [list(photographs.TEXTS.values()).index(text) for text in texts]
            return np.eye(18)[[17 if text == "a cat" else place for text, place in zip(texts, places, strict=True)]]

    assert photographs.right_first(Numbers()) == {"right": 15, "of": 16, "wrong": ["a cat"]}

"""Which folder of a path is the class of a picture: the deepest, or that of a level that a person chose."""

from __future__ import annotations

import pytest

from searchdemo.collection.query import Query
from searchdemo.galleries.catalog import Catalog
from searchdemo.galleries.folder_pictures import class_of
from tests.living import LivingFolder


@pytest.mark.parametrize(
    ("path", "above", "level", "named"),
    [
        ("2024/beach/a.jpg", 0, None, ("beach",)),
        ("2024/beach/a.jpg", 0, 1, ("2024",)),
        ("2024/beach/a.jpg", 0, 2, ("beach",)),
        ("2024/beach/a.jpg", 0, 9, ("beach",)),
        ("a.jpg", 0, None, ()),
        ("a.jpg", 0, 1, ()),
        ("train/cat/1/a.jpg", 1, None, ("1",)),
        ("train/cat/1/a.jpg", 1, 1, ("cat",)),
        ("train/a.jpg", 1, None, ()),
    ],
)
def test_the_class_of_a_path(path, above, level, named):
    assert class_of(path, above, level) == named


@pytest.fixture
def mine(tmp_path, world) -> LivingFolder:
    folder = LivingFolder(tmp_path / "mine", world)
    folder.add("2023/sea/red.png", 255, 0, 0)
    folder.add("2024/sea/green.png", 0, 255, 0)
    folder.add("2024/hills/blue.png", 0, 0, 255)
    return folder


def classes(mine: LivingFolder) -> dict[str, str]:
    return {hit.file.rpartition("/")[2]: hit.class_name for hit in mine.search("white", 3).hits}


def test_another_level_embeds_nothing_and_is_remembered(mine):
    assert mine.built() == (3, 0, 0)
    assert classes(mine) == {"red.png": "sea", "green.png": "sea", "blue.png": "hills"}
    Catalog().choose_level(mine.root, 1)
    assert classes(mine) == {"red.png": "2023", "green.png": "2024", "blue.png": "2024"}
    assert mine.built() == (0, 3, 0)
    Catalog().choose_level(mine.root, None)
    assert classes(mine)["red.png"] == "sea"


def test_a_filter_follows_the_level(mine):
    mine.build()

    def found(where: str) -> set[str]:
        return {hit.file for hit in mine.open().search(Query(text="white"), "flat", 3, where=where).hits}

    assert found("label = 'sea'") == {"2023/sea/red.png", "2024/sea/green.png"}
    Catalog().choose_level(mine.root, 1)
    assert found("label = '2024'") == {"2024/sea/green.png", "2024/hills/blue.png"}

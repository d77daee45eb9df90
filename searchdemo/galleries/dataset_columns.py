"""What a person asks of a data set, and which of its columns are pictures, labels and captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from searchdemo.errors import BadQuery, NoPictures
from searchdemo.files import expanded, printable
from searchdemo.galleries.class_labels import in_words
from searchdemo.galleries.report import named

LABELS = ("label", "labels", "fine_label", "class", "category")  # in either case, as the next two
CAPTIONS = ("caption", "captions", "text", "description", "prompt")
IMAGES = ("image", "img", "picture", "photo")
TEXTS = ("string", "large_string", "string_view")
OPTIONS = ("image", "label", "caption", "config")
SPLIT = re.compile(r"([^\[\]]*)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")  # "train", "train[:10%]", "train[1000:2000]"


@dataclass(frozen=True)
class Wanted:
    """What a person asked for."""

    name: str  # of the hub's repository, or a folder
    split: str = ""
    part: tuple[str, str] = ("", "")  # of the split: from, to; "10%" or a number of pictures, "" for its ends
    image: str = ""
    label: str = ""
    caption: str = ""
    config: str = ""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, where the name is one."""
        path = expanded(self.name)
        return path if path.is_dir() else None

    def rows(self, count: int) -> range:
        """Those of a split of `count` that are asked for. Raises NoPictures where there is none."""
        found = range(count)[slice(*(_place(text, count) for text in self.part))]
        if count and not found:
            raise NoPictures(
                f"{self.split}[{':'.join(self.part)}] of {self.name!r} is empty: it has {count:,} pictures."
            )
        return found


def _place(text: str, count: int) -> int | None:
    if not text:
        return None
    return round(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def parse(argument: str) -> Wanted:
    """Raises NoPictures for an empty name, BadQuery for an option that there is not, or a part that cannot be read."""
    place, _, asked = argument.partition("?")
    options = dict(parse_qsl(asked, keep_blank_values=True))
    if unknown := [name for name in options if name not in OPTIONS]:
        raise BadQuery(f"hf: has no option {unknown[0]!r}; there are {', '.join(OPTIONS)}.")
    name, split = place, ""
    if not expanded(place).is_dir() and (found := re.fullmatch(r"(.*?):([^:\[]*(?:\[.*)?)", place)):
        name, split = found[1], found[2]
    if not name:
        raise NoPictures(
            "hf: needs a name: hf:food101, hf:food101:validation, or hf:PATH of a folder with Parquet files."
        )
    parts = SPLIT.fullmatch(split)
    if parts is None or ((parts[2] or parts[3]) and not parts[1]):
        raise BadQuery(f"{split!r} is no split: write train, train[:10%] or train[1000:2000].")
    return Wanted(name, parts[1], (parts[2] or "", parts[3] or ""), **options)


class Split(Protocol):
    """As datasets.Dataset: the features of its columns, and the values of those that are asked for."""

    @property
    def features(self) -> Any: ...

    @property
    def data(self) -> Any: ...

    def __len__(self) -> int: ...


class Columns:
    """Which columns are what, and the names of the labels. "objects.category" is a field of a column of several."""

    def __init__(self, split: Split, wanted: Wanted):
        """Raises BadQuery for a column that is not there or holds something else, NoPictures without pictures."""
        self._features, self._of = dict(_flat(split.features)), wanted.name
        pictures = [name for name, feature in split.features.items() if is_picture(feature)]
        pictures = pictures or [name for name, feature in split.features.items() if _is_binary(feature)]
        usual = sorted(pictures, key=lambda name: name.lower() not in IMAGES)  # "image" before "mask"
        self.image = self._known("image", wanted.image) or (usual or [""])[0]
        if not self.image or not (is_picture(found := self._features[self.image]) or _is_binary(found)):
            raise NoPictures(f"{self._of!r} has no column of pictures (its columns: {', '.join(self._features)}).")
        self.others = [] if wanted.image else [name for name in pictures if name != self.image]
        classes = [name for name, feature in self._features.items() if _classes(feature) is not None]
        plain = [name for name in self._features if self._is_plain(name)]
        known = classes + [name for name in _called(LABELS, plain) if name not in classes]
        self.label = self._known("label", wanted.label) or [*known, ""][0]
        texts = [name for name in _called(CAPTIONS, plain) if name != self.label and self._is_text(name)]
        self.caption = self._known("caption", wanted.caption) or [*texts, ""][0]
        self._other_labels = [] if wanted.label else [name for name in known or plain if name not in self._taken()]
        self._names = self._named(split)
        self.names = tuple(printable(in_words(name)) for name in self._names)

    def choice(self) -> str:
        """What is to be told where several columns may hold the pictures, or the labels."""
        said = []
        if self.others:
            others = named(map(repr, self.others))
            said.append(f"Pictures are those of the column {self.image!r}; ?image=NAME takes another ({others})")
        if self._other_labels:
            others = named(map(repr, self._other_labels))
            if self.label:
                said.append(f"Labels are those of the column {self.label!r}; ?label=NAME takes another ({others})")
            else:
                said.append(f"No column is known to hold labels; ?label=NAME takes one ({others})")
        return ". ".join(said)

    def _taken(self) -> tuple[str, ...]:
        return self.image, self.label, self.caption

    def _is_plain(self, name: str) -> bool:
        """Whether a column, or a field of one that holds no picture, has words or numbers."""
        whole = _inner(self._features.get(name.partition(".")[0]))
        return _plain(self._features[name]) is not None and not is_picture(whole)

    def _is_text(self, name: str) -> bool:
        return _plain(self._features[name]) in TEXTS

    def labels(self, split: Split) -> list[tuple[int, ...]]:
        """Of each row, as indices into `names`; -1 and what has no name are left out."""
        if not self.label or self.label not in dict(_flat(split.features)):
            return [()] * len(split)
        values = _values(split, self.label)
        if _classes(self._features[self.label]) is not None:
            count = len(self._names)
            return [_once(number for number in _several(value) if 0 <= number < count) for value in values]
        number_of = {name: number for number, name in enumerate(self._names)}
        return [_once(number_of[one] for one in _several(value) if one in number_of) for value in values]

    def captions(self, split: Split) -> tuple[str, ...]:
        """One for each row; none at all without a column of them."""
        if not self.caption:
            return ()
        return tuple((_several(value) or ("",))[0] or "" for value in _values(split, self.caption))

    def _known(self, what: str, name: str) -> str:
        if name and name not in self._features:
            raise BadQuery(f"{self._of!r} has no column {name!r} for {what}; it has {', '.join(self._features)}.")
        return name

    def _named(self, split: Split) -> Sequence[Any]:
        if not self.label:
            return ()
        if (names := _classes(self._features[self.label])) is not None:
            return names
        if not self._is_plain(self.label):
            raise BadQuery(f"The column {self.label!r} of {self._of!r} holds no labels: name one of numbers or words.")
        return sorted({one for value in _values(split, self.label) for one in _several(value)})


def _flat(features: Any) -> Iterator[tuple[str, Any]]:
    """Columns, and the fields of those that hold several of them: the boxes of a picture, each with its category."""
    for name, feature in features.items():
        yield name, feature
        inner = _inner(feature)
        if isinstance(inner, dict):
            yield from ((f"{name}.{field}", one) for field, one in inner.items())


def _values(split: Split, name: str) -> list:
    if name in split.features:
        return split.data.column(name).to_pylist()
    column, _, field = name.partition(".")
    return [_field(value, field) for value in split.data.column(column).to_pylist()]


def _field(value: Any, field: str) -> Any:
    if isinstance(value, list):
        return [one[field] for one in value if one is not None]
    return None if value is None else value[field]


def _once(numbers: Iterator[int]) -> tuple[int, ...]:
    """Each label once, in order: a picture with three dogs shows dogs."""
    return tuple(dict.fromkeys(numbers))


def _called(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Those of the columns that have one of these names, in either case, in the order of the names."""
    return [column for name in names for column in columns if column.lower() == name]


def is_picture(feature: Any) -> bool:
    """A column of the type, or of bytes with a path, which the type is made of; more may stand beside them."""
    if isinstance(feature, dict):
        return "bytes" in feature and _is_binary(feature["bytes"])
    return type_of(feature) == "Image"


def _is_binary(feature: Any) -> bool:
    """Bytes alone, which may be those of picture files."""
    return type_of(feature) == "Value" and feature.dtype in ("binary", "large_binary", "binary_view")


def type_of(feature: Any) -> str:
    return type(feature).__name__


def _inner(feature: Any) -> Any:
    """The feature of a list's items, of any other feature itself."""
    return feature.feature if type_of(feature) in ("List", "LargeList", "Sequence") else feature


def _classes(feature: Any) -> Sequence[str] | None:
    """The names of a column of labels."""
    return _inner(feature).names if type_of(_inner(feature)) == "ClassLabel" else None


def _plain(feature: Any) -> str | None:
    """ "string" or "int64" of a column, or of a column of lists, of words or numbers; None for any other.

    Of whole numbers some libraries make floats where one is missing.
    """
    kind = getattr(_inner(feature), "dtype", "") if type_of(_inner(feature)) == "Value" else ""
    return kind if kind in TEXTS or kind.startswith(("int", "uint", "float", "bool")) else None


def _several(value: Any) -> tuple:
    """Without what is missing: None, and of floats also what is no number."""
    return tuple(one for one in (value if isinstance(value, list) else [value]) if one is not None and one == one)

"""Which Parquet files of a data set on the hub hold which split of which configuration."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

Layout = dict[str, dict[str, list[str]]]  # configuration -> split -> files in order

DEFAULT = "default"
PARTIAL = "partial-"  # so the hub names a split of which it has converted the first 5 GB alone
KEYWORDS = {  # in the names of files and folders, as `datasets` reads them
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def layout(files: Iterable[str], card: str = "") -> Layout:
    """Of the files on the main branch. card: README.md, whose header may say which file is what; else names tell."""
    parquet = sorted(name for name in files if name.endswith(".parquet"))
    found: Layout = {}
    for config in _configs(card):
        splits = {}
        for split, patterns in _data_files(config.get("data_files")).items():
            those = [name for name in parquet if any(_matches(name, pattern, config) for pattern in patterns)]
            if those:
                splits[split] = those
        if splits:
            found[str(config.get("config_name") or DEFAULT)] = splits
    if found or not parquet:
        return found
    splits = defaultdict(list)
    for name in parquet:
        splits[_split_of(name)].append(name)
    return {DEFAULT: dict(splits)}


def converted_layout(files: Iterable[str]) -> Layout:
    """Of the branch refs/convert/parquet: CONFIG/SPLIT/0000.parquet."""
    found: Layout = defaultdict(lambda: defaultdict(list))
    for name in sorted(files):
        parts = name.split("/")
        if name.endswith(".parquet") and len(parts) >= 3:
            found["/".join(parts[:-2])][parts[-2].removeprefix(PARTIAL)].append(name)
    return {config: dict(splits) for config, splits in found.items()}


def _split_of(name: str) -> str:
    """ "data/train-00000-of-00002-1a2b.parquet" -> "train"."""
    path = PurePosixPath(name)
    if numbered := re.fullmatch(r"(.+?)-\d{5}-of-\d{5}.*", path.stem):
        return numbered[1] if KEYWORDS.get(numbered[1].lower()) or path.parent.name == "data" else _keyword(name)
    return _keyword(name)


def _keyword(name: str) -> str:
    words = re.split(r"[^a-z]+", name.lower().removesuffix(".parquet"))
    return next((KEYWORDS[word] for word in words if word in KEYWORDS), "train")


def _configs(card: str) -> list[dict]:
    import yaml

    header = re.match(r"---\r?\n(.*?)\r?\n---", card, re.DOTALL)
    try:
        said = yaml.safe_load(header[1]) if header else None
    except yaml.YAMLError:
        return []
    configs = said.get("configs") if isinstance(said, dict) else None
    return [one for one in configs if isinstance(one, dict)] if isinstance(configs, list) else []


def _data_files(said: Any) -> dict[str, list[str]]:
    """Patterns by split, in each of the four ways that a card may write them."""
    if isinstance(said, dict):
        return {str(split): _several(patterns) for split, patterns in said.items()}
    if isinstance(said, list) and all(isinstance(one, dict) for one in said):
        return {str(one.get("split", "train")): _several(one.get("path")) for one in said}
    return {"train": _several(said)} if said else {}


def _several(patterns: Any) -> list[str]:
    return [str(one) for one in (patterns if isinstance(patterns, list) else [patterns])]


def _matches(name: str, pattern: str, config: dict) -> bool:
    folder = str(config.get("data_dir") or "").strip("/")
    whole = f"{folder}/{pattern}" if folder else pattern.removeprefix("./")
    return fnmatch(name, whole) or fnmatch(name, whole.replace("**/", ""))

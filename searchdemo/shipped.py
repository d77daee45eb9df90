"""What ships beside the code is what it was when it was made: SHA-256 of every file, compared before one is read.

    python -m searchdemo.shipped            compares all of them
    python -m searchdemo.shipped --write    writes the list anew, after a file was made again on purpose

The list has the lines of `sha256sum`, so `sha256sum -c` reads it as well, and last its own digest. A digest is computed
once per process, and again when the file changes. A file that is not in the list, such as a card that somebody put
there, is none of those that ship.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from functools import cache
from pathlib import Path

from searchdemo import assets
from searchdemo.errors import BadArtifact
from searchdemo.files import replacing, sha256_of

LIST = Path(__file__).with_suffix(".sha256")
FOLDERS = "cards", "indexes", "weights"  # below assets.ROOT
PACKAGE = Path(__file__).parent
DATA = (
    "galleries/class_names.json",
    "galleries/drawing/words.json",
    "encoders/pins.json",
)  # in the package, where the rest is code
REMEDY = "get it again with `git checkout`, or install searchdemo again"


def check(path: Path) -> Path:
    """The path, of any file: one that ships is compared with the list first. Raises BadArtifact when it differs."""
    wanted = listed(LIST).get(_name(path))
    if wanted is not None and path.is_file() and sha256_of(path) != wanted:
        raise BadArtifact(f"{path} is damaged (its SHA-256 is not the one that ships): {REMEDY}.")
    return path


def _name(path: Path) -> str:
    """As the list has it: below the root of a checkout. "" for a file of somebody else's."""
    for root, prefix in ((assets.PACKED, ""), (PACKAGE, f"{PACKAGE.name}/"), (assets.ROOT, "")):
        beneath = f"{root}{os.sep}"
        if str(path).startswith(beneath):  # at every search; `is_relative_to` takes ten times as long
            return prefix + str(path)[len(beneath) :].replace(os.sep, "/")
    return ""


@cache
def listed(path: Path) -> dict[str, str]:
    """Name, see `_name` -> SHA-256. Raises BadArtifact for a list that is missing or damaged."""
    try:
        lines, _, own = path.read_text().rstrip("\n").rpartition("\n# ")
        if hashlib.sha256(lines.encode()).hexdigest() != own:
            raise ValueError("it differs from its own SHA-256")
    except (OSError, ValueError) as error:
        raise BadArtifact(f"{path}, the list of what ships, is damaged ({error}): {REMEDY}.") from error
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines.splitlines())}


def found() -> str:
    """The list as it is to be for the files that are there."""
    there = [path for folder in FOLDERS for path in sorted((assets.ROOT / folder).rglob("*")) if path.is_file()]
    kept = [path for path in there if path.suffix not in (".lock", ".partial") and "local" not in path.parts]
    lines = "\n".join(f"{sha256_of(path)}  {_name(path)}" for path in [*kept, *(PACKAGE / name for name in DATA)])
    return f"{lines}\n# {hashlib.sha256(lines.encode()).hexdigest()}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the list anew")
    if parser.parse_args().write:
        with replacing(LIST) as temporary:
            temporary.write_text(found())
        return 0
    try:
        for name in (names := listed(LIST)):
            inside = name.removeprefix(f"{PACKAGE.name}/")
            if not check(path := assets.ROOT / name if inside == name else PACKAGE / inside).is_file():
                raise BadArtifact(f"{path} is missing: {REMEDY}.")
    except BadArtifact as error:
        print(error, file=sys.stderr)
        return 1
    print(f"All {len(names)} files that ship are whole.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

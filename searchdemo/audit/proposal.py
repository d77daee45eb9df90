"""What is done with findings when a person says so: a list is written, spare copies are moved. None is deleted."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from searchdemo.audit.audit import Audit
from searchdemo.audit.piles import COPIES, Member
from searchdemo.errors import BadQuery
from searchdemo.files import real, replacing
from searchdemo.galleries.base import Gallery, LivingPictures
from searchdemo.galleries.content_keys import content_key

COLUMNS = (
    *("list", "kind", "pile", "proposal", "part", "row", "file", "label", "class_name", "score"),
    *("width", "height", "format", "bytes", "date", "other_label"),
)
KEEP, SPARE, LOOK = "keep", "spare", "look"


@dataclass(frozen=True)
class Move:
    source: Path
    to: Path
    member: Member  # what is moved
    kept: Member  # the copy that stays


def lines(found: Audit) -> Iterator[dict]:
    """One per picture of each pile and per doubtful label, with the keys COLUMNS."""
    spare = {id(member) for pile in found.piles for member in pile.spare}
    for number, pile in enumerate(found.piles, start=1):
        for member in pile.members:
            facts = member.to_json()
            proposal = SPARE if id(member) in spare else KEEP if pile.spare else LOOK
            yield {"list": pile.where, "kind": pile.kind, "pile": number, "proposal": proposal} | facts
    for doubt in found.doubts:
        facts = doubt.member.to_json() | {"score": doubt.votes, "other_label": doubt.label}
        yield {"list": "label", "proposal": LOOK} | facts


def write_list(found: Audit, path: Path) -> int:
    """Writes the findings as CSV, in the place of a file of this name. Returns the number of lines."""
    count = 0
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for count, line in enumerate(lines(found), start=1):  # noqa: B007 it is returned
            writer.writerow(line)
    return count


def check_target(gallery: Gallery, to: Path) -> None:
    """Raises BadQuery where the gallery is no folder, or `to` lies within it or is no folder."""
    if not isinstance(gallery.pictures, LivingPictures):
        raise BadQuery(f"{gallery.name!r} is no folder of yours: only pictures of --gallery folder:PATH can be moved.")
    target, inside = real(to), Path(gallery.source).resolve()
    if target == inside or inside in target.parents:
        raise BadQuery(f"'{to}' lies within the folder that is audited: name a folder outside of it.")
    there = next(place for place in (target, *target.parents) if place.exists())
    if not there.is_dir():
        raise BadQuery(f"'{there}' is a file: name a folder that pictures can be moved to.")


def check_list(path: Path) -> None:
    """Raises BadQuery where no list can be written to this path."""
    if path.is_dir():
        raise BadQuery(f"'{path}' is a folder: name a file for the list.")
    if not path.absolute().parent.is_dir():
        raise BadQuery(f"There is no folder '{path.parent}' for the list '{path.name}': make it, or name another.")


def planned(found: Audit, root: Path, to: Path, kinds: Collection[str] = COPIES) -> list[Move]:
    """The moves of the spare copies of these kinds out of a person's folder `root`, each to its own path below `to`."""
    moves = []
    for member, pile in found.spare:
        source = member.side.pictures.path(member.row)
        if source is not None and pile.kind in kinds:
            moves.append(Move(source, to / source.relative_to(root), member, pile.stays))
    return moves


def moved(moves: Iterable[Move]) -> tuple[list[Move], dict[str, str]]:
    """Moves them one after the other. Returns those that were moved, and why others were not: file -> the reason.

    A file stays where it is when it, or the copy that is kept, is no longer what was compared, or when there is a file
    of its name in the folder already.
    """
    done, refused = [], {}
    for each in moves:
        if not (_unchanged(each.member) and _unchanged(each.kept)):
            refused[each.member.name] = "it, or the copy that is kept, has changed since it was compared"
        elif os.path.lexists(each.to):
            refused[each.member.name] = f"there is a file '{each.to}' already"
        else:
            try:
                each.to.parent.mkdir(parents=True, exist_ok=True)
                move(each.source, each.to)
                done.append(each)
            except OSError as error:
                refused[each.member.name] = error.strerror or type(error).__name__
    return done, refused


def move(source: Path, to: Path) -> None:
    """Whole or not at all, onto another disk as well. Raises OSError."""
    try:
        source.rename(to)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    copy = to.with_name(f"{to.name}.partial")
    try:
        shutil.copy2(source, copy)
        copy.rename(to)
    finally:
        copy.unlink(missing_ok=True)
    try:
        source.unlink()
    except OSError:
        to.unlink()
        raise


def _unchanged(member: Member) -> bool:
    """Of a file of a folder: whether it holds what it held. A copy in another kind of gallery stays as it is."""
    path = member.side.pictures.path(member.row)
    if path is None:
        return True
    try:
        return content_key(path.read_bytes()) == int(member.side.keys[member.place])
    except OSError:
        return False

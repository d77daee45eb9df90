"""What the Audit tab shows of an audit: a choice of findings with their numbers, a sentence, and tiles."""

from __future__ import annotations

from dataclasses import dataclass

from searchdemo.audit.audit import VOTERS, Audit
from searchdemo.audit.judge import EXACT, NEAR, SCENE
from searchdemo.audit.piles import LEAK, WITHIN, Member, Pile
from searchdemo.audit.side import GALLERY, QUERIES
from searchdemo.ui.components.tiles import Tile, stored

SHOWN = 40  # piles, or pictures of doubtful label
LABELS = "labels"
TITLES = {
    f"{WITHIN} {EXACT}": "Exact copies",
    f"{WITHIN} {NEAR}": "Near-copies",
    f"{WITHIN} {SCENE}": "One scene",
    f"{LEAK} {EXACT}": "Queries in the gallery",
    f"{LEAK} {NEAR}": "Queries nearly in it",
    f"{LEAK} {SCENE}": "Queries of its scenes",
    LABELS: "Doubtful labels",
}
SAID = {
    EXACT: "The same bytes, or the same pixels in other files.",
    NEAR: "One picture saved again, resized, cropped by a few percent, or made brighter.",
    SCENE: "Different crops of a view, or pictures taken from one place.",
}


@dataclass(frozen=True)
class Shown:
    tiles: list[Tile]
    said: str


def choices(found: Audit) -> list[tuple[str, str]]:
    """(title with its number, value), those of leaks where queries are held out."""
    numbers = {name: len(found.of(*name.split(" "))) for name in TITLES if name != LABELS}
    numbers[LABELS] = len(found.doubts)
    offered = [name for name in TITLES if found.queries or not name.startswith(LEAK)]
    return [(f"{TITLES[name]} ({numbers[name]:,})", name) for name in offered]


def shown(found: Audit, what: str) -> Shown:
    """The first SHOWN findings of a kind; a kind that is not known is the first one."""
    if what == LABELS:
        return doubtful(found)
    where, kind = what.split(" ") if what in TITLES else (WITHIN, EXACT)
    piles = found.of(where, kind)
    members = [(number, pile, member) for number, pile in enumerate(piles[:SHOWN], 1) for member in pile.members]
    tiles = [tile(number, pile, member) for number, pile, member in members]
    if not piles:
        return Shown([], f"None. {SAID[kind]}")
    differ = sum(pile.labels_differ for pile in piles)
    said = f"{SAID[kind]} {counted(len(piles), 'pile')}" + f", {differ:,} under several labels" * bool(differ)
    said += f"; the first {SHOWN} are shown" * (len(piles) > SHOWN)
    return Shown(tiles, f"{said}.")


def tile(number: int, pile: Pile, member: Member) -> Tile:
    better = member is pile.best
    name = member.file or member.class_name or f"row {member.row:,}"
    part = "" if member.part == GALLERY else "query, "
    first = member is pile.members[0]
    score = "" if first or pile.kind == EXACT else f"{member.score:.2f}"
    said = [f"Pile {number}: {member.name}", str(member.facts), member.class_name]
    said += ["the better copy: more pixels, a lossless format, more bytes, or the earlier date"] * better
    said += [f"agrees by {member.score:.2f} with the first of the pile"] * bool(score)
    explained = ". ".join(filter(None, said)) + "."
    mark = "better" if better else ""
    return Tile(member.picture, f"{number} · {part}{name}", score, explained, mark, of=of(member))


def of(member: Member) -> dict[str, object]:
    return stored(member.side.gallery.name, member.row, member.part == QUERIES)


def doubtful(found: Audit) -> Shown:
    doubts = found.doubts[:SHOWN]
    if not doubts:
        return Shown([], f"None: each labelled picture has one of its label among its {VOTERS} nearest.")
    tiles = []
    for doubt in doubts:
        own, other = doubt.member.class_name, doubt.class_name
        said = f"{doubt.member.name} is labelled {own}; {doubt.votes} of its {VOTERS} nearest are {other}."
        name = f"{doubt.member.file}: {own}" if doubt.member.file else own
        votes = f"{doubt.votes} of {VOTERS}"
        tiles.append(Tile(doubt.member.picture, f"{name}; nearest: {other}", votes, said, of=of(doubt.member)))
    said = f"{counted(len(found.doubts), 'picture')} whose {VOTERS} nearest all have another label"
    said += f"; the first {SHOWN} are shown, those first whose neighbours agree most" * (len(found.doubts) > SHOWN)
    return Shown(tiles, f"{said}.")


def summary(found: Audit) -> str:
    spare = len(found.spare)
    said = [f"Looked at {found.subject} in {found.seconds:,.0f} s."]
    said += [f"{counted(spare, 'spare copy', 'spare copies')} could go; nothing was changed."] * bool(spare)
    return " ".join([*said, *found.notes])


def counted(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many or f'{one}s'}"

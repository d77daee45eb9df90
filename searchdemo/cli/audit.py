"""Find copies, near-copies, pictures of one scene, leaks of held-out queries, and doubtful labels in a gallery.

Of each pile of copies the better one is named: more pixels, a lossless format, more bytes, the earlier date. With
--against it is also said which pictures the other gallery holds already. Nothing is deleted, and nothing is moved
without --move-to, which moves the spare copies (of --kinds) of a folder, says so first, and keeps their paths.

Example:
  python -m searchdemo audit --gallery folder:~/Pictures
  python -m searchdemo audit --gallery folder:~/Pictures --out copies.csv
  python -m searchdemo audit --gallery folder:~/Phone --against folder:~/Pictures --move-to ~/spare
  python -m searchdemo audit --gallery tiny-imagenet --json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.cli.answer import Answer, stand_in_notice
from searchdemo.cli.options import add_choice, gallery_name, make_library, whole_number
from searchdemo.files import expanded

if TYPE_CHECKING:
    from searchdemo.audit.audit import Audit, Doubt
    from searchdemo.audit.piles import Pile

SHOWN = 10  # of each kind
KIND_NAMES = {
    ("within", "exact"): "piles of exact copies",
    ("within", "near"): "piles of near-copies",
    ("within", "scene"): "piles of pictures of one scene",
    ("leak", "exact"): "held-out queries that are in the gallery",
    ("leak", "near"): "held-out queries with a near-copy in the gallery",
    ("leak", "scene"): "held-out queries of a scene that is in the gallery",
    ("against", "exact"): "pictures that the other gallery holds",
    ("against", "near"): "pictures of which the other gallery holds a near-copy",
    ("against", "scene"): "pictures of a scene that the other gallery holds",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", type=gallery_name, metavar="G", help="another gallery, built by the same encoder")
    parser.add_argument("--out", type=expanded, metavar="FILE", help="write every finding to this CSV file")
    parser.add_argument(
        "--move-to", type=expanded, metavar="DIR", help="move the spare copies of a folder into this one"
    )
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=["exact", "near"],
        default=["exact", "near"],
        help="of the copies that --move-to moves (default: exact near)",
    )
    parser.add_argument(
        "--show", type=whole_number, default=SHOWN, metavar="N", help="piles of each kind in the text (default 10)"
    )
    add_choice(parser)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.audit import proposal
    from searchdemo.audit.audit import audit
    from searchdemo.cli.progress import ProgressLine

    library = make_library(arguments)
    collection = library.open(arguments.gallery, arguments.encoder)
    against = library.open(arguments.against, arguments.encoder) if arguments.against else None
    root = Path(collection.gallery.source)
    if arguments.out:  # what cannot be done is said before minutes of work
        proposal.check_list(arguments.out)
    if arguments.move_to:
        proposal.check_target(collection.gallery, arguments.move_to)
    with ProgressLine() as line:
        found = audit(collection, against, line)
    content = found.to_json()
    said = text_of(found, arguments.show, moves=bool(arguments.move_to))
    if arguments.out:
        count = proposal.write_list(found, arguments.out)
        content["list"] = {"file": str(arguments.out), "lines": count}
        said.append(f"Wrote {count:,} lines to {arguments.out}.")
    if arguments.move_to:
        moves = proposal.planned(found, root, arguments.move_to, arguments.kinds)
        for move in moves:
            print(f"move {move.member.name} to {move.to}; {move.kept.name} stays", file=sys.stderr, flush=True)
        done, refused = proposal.moved(moves)
        content["moved"] = [{"file": move.member.name, "to": str(move.to), "stays": move.kept.name} for move in done]
        content["not_moved"] = refused
        said.append(f"Moved {len(done):,} of {len(moves):,} spare copies to {arguments.move_to}.")
        said += [f"  {name} was not moved: {reason}" for name, reason in refused.items()]
    if collection.stand_in:
        content["stand_in"] = True
        said.append(stand_in_notice(arguments.encoder))
    return Answer(content, "\n".join(said))


def text_of(found: Audit, shown: int, moves: bool) -> list[str]:
    """For people: counts, then `shown` findings of each kind. moves: whether something is moved then."""
    lines = [f"Looked at {found.subject} in {found.seconds:.0f} s.", *found.notes]
    for (where, kind), name in KIND_NAMES.items():
        piles = found.of(where, kind)
        if not piles:
            if where == "within" or (where == "leak" and found.queries) or (where == "against" and found.against):
                lines.append(f"No {name}.")
            continue
        if len(piles) == 1:
            name = name.replace("piles", "pile", 1)
        differ = sum(pile.labels_differ for pile in piles)
        lines += ["", f"{len(piles):,} {name}" + (f", {differ:,} of them under several labels" if differ else "")]
        lines += [line for pile in piles[:shown] for line in pile_lines(pile)]
        lines += [f"  ... and {len(piles) - shown:,} more; --show N, --out FILE or --json"] * (len(piles) > shown)
    if found.doubts:
        lines += ["", f"{len(found.doubts):,} pictures whose nearest neighbours all have other labels"]
        lines += [doubt_line(doubt) for doubt in found.doubts[:shown]]
        more = len(found.doubts) - shown
        lines += [f"  ... and {more:,} more; --show N, --out FILE or --json"] * (more > 0)
    spare = len(found.spare)
    if spare:
        could = "1 spare copy could go." if spare == 1 else f"{spare:,} spare copies could go."
        lines += ["", could + " Nothing was changed." * (not moves)]
    return lines


def pile_lines(pile: Pile) -> list[str]:
    better = pile.best
    lines = []
    for number, member in enumerate(pile.members):
        facts = ", ".join(filter(None, (str(member.facts), member.class_name)))
        score = f"  {member.score:.2f}" if number and pile.kind != "exact" else ""
        sign = "+" if member is better else "="
        lines.append(f"  {sign} {member.name}{f' ({facts})' if facts else ''}{score}")
    return [*lines, ""]


def doubt_line(doubt: Doubt) -> str:
    from searchdemo.audit.audit import VOTERS

    member, votes = doubt.member, doubt.votes
    return (
        f"  {member.name} is labelled {member.class_name!r}; {votes} of its {VOTERS} nearest are {doubt.class_name!r}"
    )

"""What became of every file of a gallery, so that nothing is lost in silence: taken, skipped, unreadable and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from itertools import islice

from searchdemo.extras import is_installed

NAMED = 3  # a summary names so many files of each kind; to_json has all
KINDS = 12  # kinds of what was left out, and reasons, that a summary names


@dataclass(frozen=True)
class GalleryReport:
    """Names are readable paths within the folder."""

    taken: int = 0  # pictures that are or were embedded
    waiting: tuple[str, ...] = ()  # files that no build has looked at yet, or that changed since
    vanished: tuple[str, ...] = ()  # files that a build was to embed and that were gone when their turn came
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # kind -> files that are no pictures
    unreadable: Mapping[str, str] = field(default_factory=dict)  # file -> the reason
    unread: Mapping[str, str] = field(default_factory=dict)  # folder or link -> why it could not be entered
    left_out: Mapping[str, int] = field(default_factory=dict)  # system folders, hidden and excluded files -> how many
    described: Mapping[str, str] = field(default_factory=dict)  # file that says captions and labels -> what came of it
    layout: str = ""  # what is to be told of its folders or columns, where others may be meant
    noun: str = "file"  # "row" of a data set

    def after_build(self, vanished: Sequence[str], failed: Mapping[str, str]) -> GalleryReport:
        """With what a build could not embed. failed: file -> why it could not be read; it is tried again."""
        waiting = tuple(file for file in self.waiting if file not in failed)
        return replace(self, waiting=waiting, vanished=tuple(vanished), unreadable={**self.unreadable, **failed})

    def to_json(self) -> dict:
        return {
            "taken": self.taken,
            "waiting": list(self.waiting),
            "vanished": list(self.vanished),
            "skipped": {kind: list(files) for kind, files in self.skipped.items()},
            "unreadable": dict(self.unreadable),
            "unread_folders": dict(self.unread),
            "left_out": dict(self.left_out),
            "described": dict(self.described),
            "layout": self.layout,
        }

    def lines(self) -> list[str]:
        """For people: counts and reasons, with a bounded number of names."""
        from searchdemo.formats import PACKAGES  # with Pillow, which the table of galleries does without

        said = []
        if self.unreadable:
            said.append(f"{files(self.unreadable, self.noun)} cannot be read and {were(self.unreadable)} left out:")
            by_reason = Counter(self.unreadable.values()).most_common()
            for reason, count in by_reason[:KINDS]:
                those = named(file for file, why in self.unreadable.items() if why == reason)
                said.append(f"  {count:,}: {reason} ({those})")
            if more := sum(count for _, count in by_reason[KINDS:]):
                said.append(f"  {more:,} for other reasons")
        for place, reason in islice(self.unread.items(), NAMED):
            said.append(f"{place!r} was not entered: {reason}.")
        if len(self.unread) > NAMED:
            said.append(f"{len(self.unread) - NAMED:,} more folders or links were not entered; --json names them.")
        if self.vanished:
            said.append(f"{files(self.vanished)} went away during the build: {named(self.vanished)}.")
        if self.waiting:
            states = ("is new or was changed", "it") if len(self.waiting) == 1 else ("are new or were changed", "them")
            said.append(f"{files(self.waiting)} {states[0]}; the next build reads {states[1]}: {named(self.waiting)}.")
        if self.skipped:
            wanted = {
                kind: PACKAGES[kind] for kind in self.skipped if kind in PACKAGES and not is_installed(PACKAGES[kind])
            }
            most = sorted(self.skipped, key=lambda kind: -len(self.skipped[kind]))
            kinds = [f"{len(self.skipped[kind]):,} {kind} ({named(self.skipped[kind])})" for kind in most[:KINDS]]
            if more := sum(len(self.skipped[kind]) for kind in most[KINDS:]):
                kinds.append(f"{more:,} of other kinds")
            install = (f"To take {kind} files, run `pip install {wanted[kind]}`." for kind in wanted)
            said.append(" ".join([f"Skipped, no pictures: {'; '.join(kinds)}.", *install]))
        for file, what in islice(self.described.items(), NAMED):
            said.append(f"{file}: {what}.")
        if len(self.described) > NAMED:
            said.append(f"{len(self.described) - NAMED:,} more files describe pictures; --json names them.")
        if self.layout:
            said.append(f"{self.layout}.")
        if self.left_out:
            first = [f"{count:,} {what}" for what, count in islice(self.left_out.items(), KINDS)]
            more = sum(self.left_out.values()) - sum(islice(self.left_out.values(), KINDS))
            said.append(f"Left out: {', '.join(first)}{f'; and {more:,} more, which --json names' * bool(more)}.")
        return said


def files(these: Iterable, noun: str = "file") -> str:
    count = len(list(these))
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def were(these: Sized) -> str:
    return "was" if len(these) == 1 else "were"


def named(these: Iterable[str]) -> str:
    """The first of them: "a.jpg, b.jpg, c.jpg ..."."""
    first = list(islice(these, NAMED + 1))
    return ", ".join(first[:NAMED]) + " ..." * (len(first) > NAMED)

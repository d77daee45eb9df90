"""What the page keeps of each call: its resident memory after many calls, against that after a few."""

from __future__ import annotations

import threading
from collections.abc import Callable

from searchdemo.bench.hold.load import CLICK, TEXT, Asker
from searchdemo.bench.hold.outcome import Outcome, Size, counter
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench

MOST_MB = 150.0
VISITORS = 4
EVERY = 10  # one call in so many is a click on the page, by a session that nobody has seen before


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    page, found = pages.page(), Outcome()
    errors, resident, rest = [], [], size.many - size.few
    for seed, before, calls in ((bench.seed, 0, size.few), (bench.seed + size.many, size.few, rest)):
        tell = counter(bench, "memory, calls without a pause", size.many, before)
        errors += called(page.port, calls, seed, pages.subject, tell)
        resident.append(page.resident_bytes())
    found.none_of(f"errors of {size.many:,} calls without a pause", errors, "errors")
    few, many = resident
    if few is None or many is None:
        found.notes.append("Memory is measured on Linux alone.")
    else:
        name = f"memory of the page after {size.many:,} calls above that after {size.few:,}"
        found.require(name, (many - few) / 1e6, MOST_MB, "MB")
    return found


def called(port: int, calls: int, seed: int, subject: tuple[str, str], tell: Callable[[int], None]) -> list[str]:
    """So many calls by VISITORS at once, none with a pause. The errors. tell: gets the calls so far, now and then."""
    errors: list[str] = []
    share = calls // VISITORS

    def ask(number: int) -> None:
        for turn in range(share):
            if turn % EVERY == 0:
                asker = Asker(CLICK if turn else TEXT, port, seed + number * calls + turn, subject)
            elif turn % EVERY == 1:
                asker = Asker(TEXT, port, seed + number * calls + turn, subject)
            try:
                asker.ask()
            except Exception as error:  # whatever it is, it is an error of the page
                errors.append(f"{type(error).__name__}: {error}")
            if number == 0 and turn % 50 == 0:
                tell(turn * VISITORS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
